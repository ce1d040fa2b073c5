"""The retrieval report: figures with intervals, by language and question type, and the misses with what was found instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.metrics import METRICS, mean, rank_of
from finetune.question_types import QUESTION_TYPES, question_type
from finetune.runs import RankedQuestion
from finetune.significance import interval
from ingest.language import detect_language


@dataclass(frozen=True, slots=True)
class FoundDocument:
    """A document that was found: the score of its best passage, and how that begins."""

    doc_id: str
    score: float
    snippet: str


@dataclass(frozen=True, slots=True)
class Miss:
    """A question whose best document is a wrong one; ``rank`` is that of the first right one, None if it was not found."""

    asked: RankedQuestion
    rank: int | None
    found: tuple[FoundDocument, ...]

    def as_json(self) -> dict[str, Any]:
        """One entry of ``misses``."""
        found = [{"document": f.doc_id, "score": round(f.score, 4), "snippet": f.snippet} for f in self.found]
        return {
            "qid": self.asked.qid,
            "question": self.asked.question,
            "relevant": sorted(self.asked.relevant),
            "rank": self.rank,
            "found": found,
        }


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over questions with their 95 % intervals, by the names of ``METRICS``."""

    questions: int
    means: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]

    def as_json(self) -> dict[str, Any]:
        """Means beside the number of questions, intervals apart."""
        bounds = {name: [round(low, 4), round(high, 4)] for name, (low, high) in self.intervals.items()}
        return {**{name: round(value, 4) for name, value in self.means.items()}, "questions": self.questions} | {
            "intervals": bounds
        }


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """What a run over the answerable questions of a dataset came to."""

    run: Sequence[RankedQuestion]
    figures: Figures
    by_language: Mapping[str, Figures]
    by_type: Mapping[str, Figures]
    misses: Sequence[Miss]
    index_seconds: float
    query_ms_p50: float

    def as_json(self) -> dict[str, Any]:
        """Keys that scripts rely on."""
        whole = self.figures.as_json()
        intervals = whole.pop("intervals")
        return whole | {
            "index_seconds": round(self.index_seconds, 2),
            "query_ms_p50": round(self.query_ms_p50, 2),
            "intervals": intervals,
            "by_language": {name: figures.as_json() for name, figures in self.by_language.items()},
            "by_type": {name: figures.as_json() for name, figures in self.by_type.items()},
            "misses": [miss.as_json() for miss in self.misses],
        }


def values_of(run: Sequence[RankedQuestion]) -> dict[str, list[float]]:
    """Each metric's value for each question, in the run's order."""
    return {name: [metric(q.ranking, q.relevant) for q in run] for name, metric in METRICS.items()}


def figures_of(run: Sequence[RankedQuestion]) -> Figures:
    """Means and intervals over a run."""
    values = values_of(run)
    return Figures(
        len(run), {name: mean(each) for name, each in values.items()}, {n: interval(v) for n, v in values.items()}
    )


def by_language(run: Sequence[RankedQuestion]) -> dict[str, Figures]:
    """Figures by the language of the question, the most frequent first."""
    groups = _grouped(run, lambda q: detect_language(q.question))
    return {name: figures_of(groups[name]) for name in sorted(groups, key=lambda name: (-len(groups[name]), name))}


def by_type(run: Sequence[RankedQuestion]) -> dict[str, Figures]:
    """Figures by what the question asks for, in the order of QUESTION_TYPES; types that do not occur are left out."""
    groups = _grouped(run, lambda q: question_type(q.question))
    return {name: figures_of(groups[name]) for name in QUESTION_TYPES if name in groups}


def misses_of(asked: Sequence[tuple[RankedQuestion, Sequence[FoundDocument]]]) -> list[Miss]:
    """Questions whose first document is a wrong one, the worst first: not found at all, then by rank."""
    missed = [
        Miss(question, rank, tuple(found))
        for question, found in asked
        if (rank := rank_of(question.ranking, question.relevant)) != 1
    ]
    return sorted(missed, key=lambda miss: (miss.rank is not None, -(miss.rank or 0), miss.asked.qid))


def _grouped(run: Sequence[RankedQuestion], key: Callable[[RankedQuestion], str]) -> dict[str, list[RankedQuestion]]:
    groups: dict[str, list[RankedQuestion]] = {}
    for question in run:
        groups.setdefault(key(question), []).append(question)
    return groups
