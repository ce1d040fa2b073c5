"""Retrieval metrics over one ranking each. Pure: no I/O.

Definitions as in Manning, Raghavan and Schütze, Introduction to Information Retrieval, chapter 8; relevance is binary.
"""

from __future__ import annotations

import math
from collections.abc import Sequence, Set


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
