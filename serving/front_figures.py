"""What the front of a model server counts of itself, beside what vLLM counts."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

# Replies of the server behind that are wrong; those are not refused here.
_FAILED = frozenset({500, 502, 503, 504})
GONE = 499


class FrontFigures:
    """Requests for answers, by what became of them."""

    def __init__(self) -> None:
        registry = self._registry = CollectorRegistry()
        self._requests = Counter(
            "frontdesk_front_requests_total",
            "Requests for answers, by the status of the reply",
            ["status"],
            registry=registry,
        )
        self._refused = Counter(
            "frontdesk_front_refused_total",
            "Requests that were not passed on, by the reason",
            ["reason"],
            registry=registry,
        )
        self._failed = Counter(
            "frontdesk_front_failed_total",
            "Requests that the model server did not answer",
            ["reason"],
            registry=registry,
        )
        self._gone = Counter(
            "frontdesk_front_gone_total", "Requests whose client went away before the end", registry=registry
        )
        self.answering = Gauge("frontdesk_front_answering", "Requests that are being answered now", registry=registry)

    def replied(self, status: int) -> None:
        """A reply has begun, or nobody is left to reply to."""
        self._requests.labels(str(status)).inc()

    def refused(self, status: int, reason: str) -> None:
        """A request ended in an error of the front's own."""
        self.replied(status)
        if status == GONE:
            self.gone()
        elif status in _FAILED:
            self._failed.labels(reason).inc()
        else:
            self._refused.labels(reason).inc()

    def gone(self) -> None:
        """A client went away."""
        self._gone.inc()

    def exposition(self) -> bytes:
        """All of it in Prometheus' text format."""
        return generate_latest(self._registry)
