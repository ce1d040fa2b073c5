"""The report of answers: figures with 95 % intervals, by language and by what is asked. The run-time checker has no say in it."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.answer_metrics import ANSWER_METRICS, LabelFigures, by_characters, label_figures
from finetune.answers import Scored
from finetune.metrics import mean
from finetune.question_types import question_type
from finetune.significance import interval
from ingest.language import detect_language

# What a run's questions are counted by beside the words of the answers.
REFUSALS = ("refusal_precision", "refusal_recall", "answerable_kept")
CITATIONS = ("citation_precision", "citation_recall")
RATES = (*ANSWER_METRICS, *REFUSALS, *CITATIONS)


@dataclass(frozen=True, slots=True)
class AnswerFigures:
    """Means with intervals, by the names of ``RATES``; 0 where there is nothing to take a mean of.

    answerable, impossible, refused, sources: how many there were.
    """

    questions: int
    answerable: int
    impossible: int
    refused: int
    sources: int
    means: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]

    def as_json(self) -> dict[str, Any]:
        """Means beside the counts, intervals apart."""
        counts = ("questions", "answerable", "impossible", "refused", "sources")
        return {
            **{name: round(value, 4) for name, value in self.means.items()},
            **{name: getattr(self, name) for name in counts},
            "intervals": {name: [round(low, 4), round(high, 4)] for name, (low, high) in self.intervals.items()},
        }


@dataclass(frozen=True, slots=True)
class AnswerReport:
    """What a run came to.

    latency_ms: the 50th and 95th percentile of one question; of batches, of its part of a batch.
    engines:    how often each engine, None included, gave the answer.
    """

    figures: AnswerFigures
    by_language: Mapping[str, AnswerFigures]
    by_kind: Mapping[str, AnswerFigures]
    by_type: Mapping[str, AnswerFigures]
    latency_ms: tuple[float, float]
    engines: Mapping[str, int]
    outcomes: Mapping[str, int]
    labels: LabelFigures | None
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """Keys that scripts rely on."""
        whole = self.figures.as_json()
        intervals = whole.pop("intervals")
        groups = {"by_language": self.by_language, "by_kind": self.by_kind, "by_type": self.by_type}
        return whole | {
            "seconds": round(self.seconds, 2),
            "latency_ms_p50": round(self.latency_ms[0], 1),
            "latency_ms_p95": round(self.latency_ms[1], 1),
            **({"labels": self.labels.as_json()} if self.labels else {}),
            "outcomes": dict(self.outcomes),
            "engines": dict(self.engines),
            "intervals": intervals,
            **{title: {name: each.as_json() for name, each in group.items()} for title, group in groups.items()},
        }


def report_of(run: Sequence[Scored], seconds: float) -> AnswerReport:
    """Figures of a run, whole and broken down."""
    labelled = [(each.asked.label, each.predicted) for each in run if each.asked.label]
    kinds = _grouped([each for each in run if each.asked.kind], lambda each: each.asked.kind)
    return AnswerReport(
        figures=figures_of(run),
        by_language=_grouped(run, language_of),
        by_kind=kinds,
        by_type=_grouped(run, lambda each: question_type(each.asked.question)),
        latency_ms=percentiles([each.written.ms for each in run]),
        engines=_counted(each.written.engine or "none" for each in run),
        outcomes=_counted(each.written.outcome for each in run),
        labels=label_figures(labelled) if labelled else None,
        seconds=seconds,
    )


def language_of(scored: Scored) -> str:
    """The language of a question: what is scored by characters is Chinese, whatever else is in it."""
    return "zh" if by_characters(scored.asked.question) else detect_language(scored.asked.question)


def values_of(run: Sequence[Scored]) -> dict[str, list[float]]:
    """What each of RATES is the mean of: one value a question, or a source, that it is about."""
    answerable = [each for each in run if not each.asked.impossible]
    refused = [each for each in run if each.written.refused]
    # A question that names no document says nothing about sources.
    located = [each for each in run if each.asked.documents and not each.asked.impossible and not each.written.refused]
    cited = [(document in each.asked.documents) for each in located for document in each.written.cited]
    return {
        **{name: [each.scores[name] for each in answerable] for name in ANSWER_METRICS},
        "refusal_precision": [float(each.asked.impossible) for each in refused],
        "refusal_recall": [float(each.written.refused) for each in run if each.asked.impossible],
        "answerable_kept": [float(not each.written.refused) for each in answerable],
        "citation_precision": [float(right) for right in cited],
        "citation_recall": [float(each.right_sources > 0) for each in located],
    }


def figures_of(run: Sequence[Scored]) -> AnswerFigures:
    """Means and intervals over a run."""
    values = values_of(run)
    impossible = sum(each.asked.impossible for each in run)
    return AnswerFigures(
        len(run),
        len(run) - impossible,
        impossible,
        sum(each.written.refused for each in run),
        len(values["citation_precision"]),
        {name: mean(each) for name, each in values.items()},
        {name: interval(each) for name, each in values.items()},
    )


def percentiles(milliseconds: Sequence[float]) -> tuple[float, float]:
    """The 50th and 95th, by nearest rank; 0 of nothing."""
    if not milliseconds:
        return 0.0, 0.0
    ranked = sorted(milliseconds)
    return statistics.median(ranked), ranked[min(len(ranked) - 1, -(-95 * len(ranked) // 100) - 1)]


def _grouped(run: Sequence[Scored], key: Callable[[Scored], str]) -> dict[str, AnswerFigures]:
    groups: dict[str, list[Scored]] = {}
    for each in run:
        groups.setdefault(key(each), []).append(each)
    return {name: figures_of(groups[name]) for name in sorted(groups, key=lambda name: (-len(groups[name]), name))}


def _counted(words: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for word in words:
        counts[word] = counts.get(word, 0) + 1
    return counts
