"""Thresholds of the verdict from judged questions, and figures on them. Pure: no I/O but reading the questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetune.errors import DatasetError
from finetune.evaluate import read_rows
from finetune.metrics import aurc, mean, refused_keeping, risk_coverage, roc_auc, threshold_keeping

# Below this a share means little; fewer questions fit noise.
FEWEST = 10


@dataclass(frozen=True, slots=True)
class AskedQuestion:
    """A question, and whether the knowledge base holds its answer."""

    question: str
    answerable: bool


@dataclass(frozen=True, slots=True)
class JudgedQuestion:
    """What the verdict's support was; scale: what it is measured on."""

    question: str
    answerable: bool
    support: float
    scale: str = ""


@dataclass(frozen=True, slots=True)
class RefusalReport:
    """Figures of one kind of question, judged on one scale.

    refused:  share of the unanswerable ones below ``answer_from``.
    kept:     share of the answerable ones from it on.
    asked:    share of all that is asked back instead of refused.
    at_90:    share of the unanswerable refused where nine of ten answerable ones are kept.
    curve:    (coverage, risk) as the threshold falls.
    """

    scale: str
    answerable: int
    unanswerable: int
    answer_from: float
    ask_from: float
    kept: float
    refused: float
    asked: float
    auc: float
    aurc: float
    at_90: float
    curve: tuple[tuple[float, float], ...]

    def as_json(self) -> dict[str, Any]:
        """Keys are stable."""
        return asdict(self)


def read_asked(path: Path) -> list[AskedQuestion]:
    """Questions of a JSONL file: {question, is_impossible?}.

    Raises:
        DatasetError: the file is missing or a row cannot be read.
    """
    return [AskedQuestion(str(row["question"]), not row.get("is_impossible")) for row in read_rows(path, ("question",))]


def fit(judged: Sequence[JudgedQuestion], keep: float = 0.9, ask_keep: float = 0.98) -> RefusalReport:
    """Thresholds for questions that were judged alike.

    ``answer_from`` refuses most of the unanswerable for what it loses of the answerable, and keeps at least ``keep`` of
    these; ``ask_from`` keeps ``ask_keep``: between the two the customer is asked back.

    Raises:
        DatasetError: too few questions of a kind.
    """
    scores, answerable = [q.support for q in judged], [q.answerable for q in judged]
    yes, no = sum(answerable), len(answerable) - sum(answerable)
    if min(yes, no) < FEWEST:
        raise DatasetError(
            f"{yes} answerable and {no} unanswerable questions (is_impossible) are judged on one scale ({judged[0].scale}): at "
            f"least {FEWEST} of each are needed; other languages may be judged on another"
        )
    highest = threshold_keeping(scores, answerable, keep)
    answer_from = max(
        (s for s in {*scores, highest} if s <= highest),
        # Of thresholds that do as well, the lowest: what was not seen is answered rather than refused.
        key=lambda t: (round(_share(judged, t, True) + 1 - _share(judged, t, False), 9), -t),
    )
    # What something else than the score has settled is refused whatever the threshold.
    open_to_it = [(s, kind) for s, kind in zip(scores, answerable, strict=True) if s > 0]
    ask_from = threshold_keeping([s for s, _ in open_to_it], [kind for _, kind in open_to_it], ask_keep)
    ask_from = min(ask_from, answer_from)
    return RefusalReport(
        scale=judged[0].scale,
        answerable=yes,
        unanswerable=no,
        answer_from=answer_from,
        ask_from=ask_from,
        kept=_share(judged, answer_from, True),
        refused=1 - _share(judged, answer_from, False),
        asked=mean([float(ask_from <= s < answer_from) for s in scores]),
        auc=roc_auc(scores, answerable),
        aurc=aurc(scores, answerable),
        at_90=refused_keeping(scores, answerable, 0.9),
        curve=tuple(risk_coverage(scores, answerable)),
    )


def _share(judged: Sequence[JudgedQuestion], threshold: float, answerable: bool) -> float:
    """Of the questions of a kind, the share that is answered."""
    return mean([float(q.support >= threshold) for q in judged if q.answerable is answerable])
