"""Retrieval metrics over one ranking each. Pure: no I/O.

Definitions as in Manning, Raghavan and Schütze, Introduction to Information Retrieval, chapter 8; relevance is binary.
Why no library: these are three expressions that hand-computed tables test, while ranx brings numba, matplotlib and ten more
into what customers' servers install, and ir-measures a C extension; its Success@k, RR@10 and nDCG@10 were compared with
these once (docs/experiments.md).
"""

from __future__ import annotations

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
