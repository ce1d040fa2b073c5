"""Metrics of one ranking each, and of what was answered and refused. Pure: no I/O.

Definitions as in Manning, Raghavan and Schütze, Introduction to Information Retrieval, chapter 8; relevance is binary.
Why no library: these are three expressions that hand-computed tables test, while ranx brings numba, matplotlib and ten more
into what customers' servers install, and ir-measures a C extension; its Success@k, RR@10 and nDCG@10 were compared with
these once (docs/experiments.md).
"""

from __future__ import annotations

import bisect
import math
from collections.abc import Callable, Mapping, Sequence, Set


def recall_at(ranking: Sequence[str], relevant: Set[str], k: int) -> float:
    """1.0 if any relevant document is among the first k, else 0.0 (hit rate: one right source is enough to answer)."""
    return float(any(document in relevant for document in ranking[:k]))


def reciprocal_rank_at(ranking: Sequence[str], relevant: Set[str], k: int) -> float:
    """1 / rank of the first relevant document within the first k, else 0.0."""
    return next((1 / rank for rank, document in enumerate(ranking[:k], start=1) if document in relevant), 0.0)


def ndcg_at(ranking: Sequence[str], relevant: Set[str], k: int) -> float:
    """Discounted gain of the relevant documents within the first k, over that of the ideal order."""
    gain = sum(1 / math.log2(rank + 1) for rank, document in enumerate(ranking[:k], start=1) if document in relevant)
    ideal = sum(1 / math.log2(rank + 1) for rank in range(1, min(len(relevant), k) + 1))
    return gain / ideal if ideal else 0.0


def mean(values: Sequence[float]) -> float:
    """Arithmetic mean; 0.0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def roc_auc(scores: Sequence[float], positive: Sequence[bool]) -> float:
    """Chance that a positive question scores above a negative one, ties counting half; 0.5 when one kind is missing."""
    yes = [score for score, is_positive in zip(scores, positive, strict=True) if is_positive]
    no = sorted(score for score, is_positive in zip(scores, positive, strict=True) if not is_positive)
    if not yes or not no:
        return 0.5
    above = sum(bisect.bisect_left(no, score) + bisect.bisect_right(no, score) for score in yes)
    return above / (2 * len(yes) * len(no))


def risk_coverage(scores: Sequence[float], answerable: Sequence[bool]) -> list[tuple[float, float]]:
    """(coverage, risk) as the threshold falls: share of questions answered, and share of those that had no answer.

    One point for each threshold, so that equal scores are answered together. El-Yaniv and Wiener, On the Foundations of
    Noise-free Selective Classification, JMLR 2010.
    """
    ranked = sorted(zip(scores, answerable, strict=True), key=lambda pair: -pair[0])
    curve, wrong = [], 0
    for place, (score, is_answerable) in enumerate(ranked, start=1):
        wrong += not is_answerable
        if place == len(ranked) or ranked[place][0] != score:
            curve.append((place / len(ranked), wrong / place))
    return curve


def aurc(scores: Sequence[float], answerable: Sequence[bool]) -> float:
    """Area under the risk-coverage curve, lower is better: the mean risk over all coverages (Geifman et al., ICLR 2019)."""
    area, before = 0.0, 0.0
    for coverage, risk in risk_coverage(scores, answerable):
        area += (coverage - before) * risk
        before = coverage
    return area


def threshold_keeping(scores: Sequence[float], answerable: Sequence[bool], keep: float) -> float:
    """The highest threshold at which at least a share of the answerable questions is answered; 0.0 of none."""
    held = sorted((s for s, is_answerable in zip(scores, answerable, strict=True) if is_answerable), reverse=True)
    return held[max(math.ceil(keep * len(held) - 1e-9), 1) - 1] if held else 0.0


def refused_keeping(scores: Sequence[float], answerable: Sequence[bool], keep: float) -> float:
    """Share of unanswerable questions below the threshold that keeps a share of the answerable ones."""
    threshold = threshold_keeping(scores, answerable, keep)
    return mean(
        [float(s < threshold) for s, is_answerable in zip(scores, answerable, strict=True) if not is_answerable]
    )


# What is reported of retrieval, by the names that the output uses.
METRICS: Mapping[str, Callable[[Sequence[str], Set[str]], float]] = {
    "recall@1": lambda ranking, relevant: recall_at(ranking, relevant, 1),
    "recall@5": lambda ranking, relevant: recall_at(ranking, relevant, 5),
    "recall@20": lambda ranking, relevant: recall_at(ranking, relevant, 20),
    "mrr@10": lambda ranking, relevant: reciprocal_rank_at(ranking, relevant, 10),
    "ndcg@10": lambda ranking, relevant: ndcg_at(ranking, relevant, 10),
}


def rank_of(ranking: Sequence[str], relevant: Set[str]) -> int | None:
    """Rank of the first relevant document, from 1; None when there is none."""
    return next((rank for rank, document in enumerate(ranking, start=1) if document in relevant), None)
