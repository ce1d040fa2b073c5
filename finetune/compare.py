"""Two runs on the same questions: what changed, and whether by more than chance."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from finetune.evaluate import DatasetQuestion
from finetune.metrics import mean, rank_of
from finetune.retrieval_report import values_of
from finetune.runs import RankedQuestion, same_questions
from finetune.significance import interval, paired_p_value


@dataclass(frozen=True, slots=True)
class Difference:
    """A metric in both runs; ``interval`` is of the difference, ``p_value`` two-sided."""

    this: float
    other: float
    interval: tuple[float, float]
    p_value: float

    def as_json(self) -> dict[str, Any]:
        """One entry of ``differences``."""
        return {
            "this": round(self.this, 4),
            "other": round(self.other, 4),
            "difference": round(self.this - self.other, 4),
            "interval": [round(bound, 4) for bound in self.interval],
            "p_value": round(self.p_value, 4),
        }


@dataclass(frozen=True, slots=True)
class Changed:
    """A question whose first right document stands elsewhere; None where it was not found."""

    qid: str
    question: str
    rank: int | None
    other_rank: int | None

    def as_json(self) -> dict[str, Any]:
        """One entry of ``won`` or ``lost``."""
        return {"qid": self.qid, "question": self.question, "rank": self.rank, "other_rank": self.other_rank}


@dataclass(frozen=True, slots=True)
class Comparison:
    """This run against another: differences by metric, questions won and lost, the largest steps first."""

    differences: dict[str, Difference]
    won: list[Changed]
    lost: list[Changed]

    def as_json(self) -> dict[str, Any]:
        """The value of ``against``."""
        return {
            "differences": {name: difference.as_json() for name, difference in self.differences.items()},
            "won": [changed.as_json() for changed in self.won],
            "lost": [changed.as_json() for changed in self.lost],
        }


def check_comparable(questions: Iterable[DatasetQuestion], other: Sequence[RankedQuestion]) -> None:
    """Whether a run over a dataset's questions could be compared with another.

    Raises:
        RunMismatch: it could not.
    """
    asked = [RankedQuestion(q.qid, q.question, q.relevant, ()) for q in questions if q.relevant]
    same_questions(asked, list(other))


def compare(run: Sequence[RankedQuestion], other: Sequence[RankedQuestion]) -> Comparison:
    """Compare two runs.

    Raises:
        RunMismatch: they are not over the same questions.
    """
    twins = same_questions(list(run), list(other))
    mine, theirs = values_of(run), values_of(twins)
    differences = {
        name: Difference(
            mean(mine[name]),
            mean(theirs[name]),
            interval([a - b for a, b in zip(mine[name], theirs[name], strict=True)]),
            paired_p_value(mine[name], theirs[name]),
        )
        for name in mine
    }
    changed = [
        Changed(q.qid, q.question, rank_of(q.ranking, q.relevant), rank_of(twin.ranking, twin.relevant))
        for q, twin in zip(run, twins, strict=True)
    ]
    by_step = sorted(changed, key=lambda c: (-abs(_gain(c.rank) - _gain(c.other_rank)), c.qid))
    return Comparison(
        differences,
        [c for c in by_step if _gain(c.rank) > _gain(c.other_rank)],
        [c for c in by_step if _gain(c.rank) < _gain(c.other_rank)],
    )


def _gain(rank: int | None) -> float:
    # The reciprocal rank: from first to second is a larger step than from tenth to twentieth.
    return 1 / rank if rank else 0.0
