"""Counters and histograms for Prometheus; one registry an application, so that tests and reloads do not clash.

Every label has few values: routes by their pattern, engines, outcomes and reasons of ours, the servers that are set up, and
the first releases that answered.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector

from app.rag.answer import Answer
from app.rag.counts import CacheCounts
from ingest.pipeline import Ingested

CONTENT_TYPE = CONTENT_TYPE_LATEST
# Releases that have a label of their own in a process's life; further ones share one.
MOST_RELEASES, OTHER = 20, "other"
# Retrieval takes tens of milliseconds, a written answer seconds.
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)


class Metrics:
    """What operators watch."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        r = self._registry
        # Memory, processor time and open files of this process.
        ProcessCollector(registry=r)
        self._requests = Counter("frontdesk_http_requests_total", "Requests", ["method", "route", "status"], registry=r)
        self._seconds = Histogram(
            "frontdesk_http_request_seconds", "Time to the end of a reply", ["route"], buckets=_SECONDS, registry=r
        )
        self._answers = Counter("frontdesk_answers_total", "Answers", ["outcome", "engine"], registry=r)
        self._stages = Histogram(
            "frontdesk_answer_stage_seconds", "Time of each stage", ["stage"], buckets=_SECONDS, registry=r
        )
        self._falls = Counter("frontdesk_falls_total", "Rungs that did not answer", ["engine", "reason"], registry=r)
        self._first = Histogram(
            "frontdesk_first_sentence_seconds",
            "Time from a request to the first sentence that is given out",
            ["engine", "reply"],
            buckets=_SECONDS,
            registry=r,
        )
        self._unfinished = Counter(
            "frontdesk_answers_unfinished_total", "Questions that no answer was given to", ["reason"], registry=r
        )
        self._by_release = Counter(
            "frontdesk_release_answers_total",
            "Answers by the release that wrote them",
            ["release", "outcome"],
            registry=r,
        )
        self._releases: set[str] = set()
        self._withheld = Counter("frontdesk_sentences_withheld_total", "Sentences written, not shown", registry=r)
        self._documents = Counter("frontdesk_documents_total", "Documents ingested", ["state"], registry=r)
        self.answering = Gauge("frontdesk_answering", "Answers being made now", registry=r)
        self.generating = Gauge("frontdesk_generating", "Answers the packaged model writes or has waiting", registry=r)
        self.waiting = Gauge("frontdesk_documents_waiting", "Documents received and not yet ingested", registry=r)

    def answered(self, answer: Answer) -> None:
        """Count an answer with its falls and stages; of one that was made before, only that it was given, and how fast."""
        self._answers.labels(answer.outcome.value, answer.engine or "none").inc()
        for stage, milliseconds in answer.timings_ms.items():
            self._stages.labels(stage).observe(milliseconds / 1e3)
        if answer.cached is not None:
            return
        for fall in answer.fallen:
            self._falls.labels(fall.engine, fall.reason).inc()
        if answer.release:
            self._by_release.labels(self._release(answer.release), answer.outcome.value).inc()
        self._withheld.inc(len(answer.withheld))

    def first_sentence(self, seconds: float, engine: str, *, streamed: bool) -> None:
        """A first sentence was given out; without streaming it comes with the whole answer."""
        self._first.labels(engine, "stream" if streamed else "whole").observe(seconds)

    def unfinished(self, reason: str) -> None:
        """A question got no answer: its client went away, or an error ended it."""
        self._unfinished.labels(reason).inc()

    def _release(self, name: str) -> str:
        # A name can be asked for by everybody who has the key, and there may be a new one every day.
        if name not in self._releases and len(self._releases) < MOST_RELEASES:
            self._releases.add(name)
        return name if name in self._releases else OTHER

    def watch(self, collector: Collector) -> None:
        """Show what something else counts, read when somebody looks."""
        self._registry.register(collector)

    def watch_caches(self, counts: CacheCounts) -> None:
        """Show what the caches count."""
        self.watch(_Caches(counts))

    def ingested(self, result: Ingested) -> None:
        """Count a document."""
        self._documents.labels(result.state.value).inc()

    def replied(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; ``route`` is the path's pattern, never the path: that would be a label a document."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)


class _Caches(Collector):
    """The caches' own counts, read when somebody looks."""

    def __init__(self, counts: CacheCounts) -> None:
        self._counts = counts

    def collect(self) -> Iterator[CounterMetricFamily]:
        """One family: frontdesk_cache_total{cache, result}."""
        family = CounterMetricFamily("frontdesk_cache", "Questions put to caches", labels=["cache", "result"])
        for labels, count in sorted(self._counts.now().items()):
            family.add_metric(labels, count)
        yield family
