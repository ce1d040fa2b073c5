"""Two runs of answers on the same questions: what changed, and whether by more than chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from finetune.answer_metrics import ANSWER_METRICS
from finetune.answer_runs import AnswerRun, paired
from finetune.answers import Scored
from finetune.compare import Difference
from finetune.metrics import mean
from finetune.significance import interval, paired_p_value

Value = Callable[[Scored], float]


def _metric(name: str) -> Value:
    return lambda each: each.scores[name]


# Compared question by question; of what has a value for some questions only (precision of refusals and sources) the two
# runs have no pairs, so "right" stands for both: answered what can be, refused what cannot.
PAIRED: Mapping[str, tuple[Callable[[Scored], bool], Value]] = {
    **{name: (lambda each: not each.asked.impossible, _metric(name)) for name in ANSWER_METRICS},
    "refusal_recall": (lambda each: each.asked.impossible, lambda each: float(each.written.refused)),
    "answerable_kept": (lambda each: not each.asked.impossible, lambda each: float(not each.written.refused)),
    "right_verdict": (lambda _each: True, lambda each: float(each.written.refused == each.asked.impossible)),
    "cites_right": (
        lambda each: not each.asked.impossible and bool(each.asked.documents),
        lambda each: float(each.right_sources > 0),
    ),
}


@dataclass(frozen=True, slots=True)
class ChangedAnswer:
    """A question that was answered better or worse, by F1, or by the verdict where there is nothing to score."""

    qid: str
    question: str
    answer: str
    other: str
    step: float

    def as_json(self) -> dict[str, Any]:
        """One entry of ``won`` or ``lost``."""
        return {
            "qid": self.qid,
            "question": self.question,
            "answer": self.answer,
            "other": self.other,
            "difference": round(self.step, 4),
        }


@dataclass(frozen=True, slots=True)
class AnswerComparison:
    """This run against another: differences by metric, questions won and lost, the largest steps first."""

    differences: Mapping[str, Difference]
    won: list[ChangedAnswer]
    lost: list[ChangedAnswer]

    def as_json(self) -> dict[str, Any]:
        """The value of ``against``."""
        return {
            "differences": {name: difference.as_json() for name, difference in self.differences.items()},
            "won": [each.as_json() for each in self.won],
            "lost": [each.as_json() for each in self.lost],
        }


def compare_answers(run: AnswerRun, other: AnswerRun) -> AnswerComparison:
    """Compare two runs.

    Raises:
        RunMismatch: they are not over the same questions.
    """
    pairs = paired(run, other)
    changed = []
    for mine, theirs in pairs:
        step = _worth(mine) - _worth(theirs)
        if step:
            words = (mine.written.text, theirs.written.text)
            changed.append(ChangedAnswer(mine.asked.qid, mine.asked.question, *words, step))
    changed.sort(key=lambda each: (-abs(each.step), each.qid))
    differences = {name: difference(name, pairs) for name in PAIRED}
    return AnswerComparison(
        {name: each for name, each in differences.items() if each is not None},
        [each for each in changed if each.step > 0],
        [each for each in changed if each.step < 0],
    )


def difference(name: str, pairs: list[tuple[Scored, Scored]]) -> Difference | None:
    """One of PAIRED over the questions that it is about; None where there are none."""
    about, value = PAIRED[name]
    mine = [value(each) for each, _ in pairs if about(each)]
    theirs = [value(each) for other, each in pairs if about(other)]
    if not mine:
        return None
    steps = interval([a - b for a, b in zip(mine, theirs, strict=True)])
    return Difference(mean(mine), mean(theirs), steps, paired_p_value(mine, theirs))


def _worth(each: Scored) -> float:
    return float(each.written.refused) if each.asked.impossible else each.scores["f1"]
