"""Two legs to one ranking. Pure: no I/O.

Scores carry more than ranks (docs/experiments.md): each leg's scores are put on 0..1 between its best and its worst hit
and added. How much each leg has to say depends on how sure it is: how far its best hit stands out from the rest, in
standard deviations. The dense leg votes only when its model knows the question's language; the caller sees to that.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from ingest.index.base import Hit, LegHits

# Bounds of the dense leg's weight; chosen on squad2, see docs/experiments.md for what else was tried.
DENSE_LEAST, DENSE_MOST = 0.2, 0.8
# Share that the best other chunk of the same document adds.
SIBLING = 0.05


@dataclass(frozen=True, slots=True)
class Fused:
    """A chunk in the fused order; ``score`` is 0 to 1, a leg's score None when the leg did not find it."""

    hit: Hit
    score: float
    dense: float | None
    sparse: float | None


def fuse(legs: LegHits) -> list[Fused]:
    """Both legs in one order, best first; a leg that found nothing leaves the whole say to the other."""
    weight = dense_weight(legs)
    dense, sparse = _scaled(legs.dense), _scaled(legs.sparse)
    raw_dense = {hit.id: hit.score for hit in legs.dense}
    raw_sparse = {hit.id: hit.score for hit in legs.sparse}
    hits = {hit.id: hit for hit in (*legs.sparse, *legs.dense)}
    fused = [
        Fused(
            hit,
            weight * dense.get(key, 0.0) + (1 - weight) * sparse.get(key, 0.0),
            raw_dense.get(key),
            raw_sparse.get(key),
        )
        for key, hit in hits.items()
    ]
    return sorted(_with_siblings(fused), key=lambda f: (-f.score, f.hit.id))


def _with_siblings(fused: Sequence[Fused]) -> list[Fused]:
    """A chunk whose document was found a second time is a little more likely to be right."""
    best: dict[str, list[float]] = {}
    for f in fused:
        best.setdefault(str(f.hit.payload.get("version", f.hit.id)), []).append(f.score)
    lifted = []
    for f in fused:
        first, second, *_ = [*sorted(best[str(f.hit.payload.get("version", f.hit.id))], reverse=True), 0.0]
        other = second if f.score == first else first
        lifted.append(replace(f, score=(f.score + SIBLING * other) / (1 + SIBLING)))
    return lifted


def merge(rankings: Sequence[Sequence[Fused]], weights: Sequence[float] = ()) -> list[Fused]:
    """Rankings of several wordings of one question as one, by mean score; the first ranking's leg scores are kept.

    weights: each ranking's share in the mean; equal ones when there are none.
    """
    if len(rankings) == 1:
        return list(rankings[0])
    shares = weights or [1.0] * len(rankings)
    total: dict[str, float] = {}
    first: dict[str, Fused] = {}
    for ranking, share in zip(rankings, shares, strict=True):
        for fused in ranking:
            total[fused.hit.id] = total.get(fused.hit.id, 0.0) + share * fused.score
            first.setdefault(fused.hit.id, fused)
    merged = [replace(fused, score=total[key] / sum(shares)) for key, fused in first.items()]
    return sorted(merged, key=lambda f: (-f.score, f.hit.id))


def dense_weight(legs: LegHits) -> float:
    """Share of the dense leg, 0 to 1, by how sure each leg is of its best hit."""
    if not legs.dense:
        return 0.0
    if not legs.sparse:
        return 1.0
    dense, sparse = _sureness(legs.dense), _sureness(legs.sparse)
    if dense + sparse == 0:
        return (DENSE_LEAST + DENSE_MOST) / 2
    return DENSE_LEAST + (DENSE_MOST - DENSE_LEAST) * dense / (dense + sparse)


def _sureness(hits: Sequence[Hit]) -> float:
    scores = [hit.score for hit in hits]
    spread = statistics.pstdev(scores)
    return (scores[0] - statistics.fmean(scores)) / spread if spread else 0.0


def _scaled(hits: Sequence[Hit]) -> dict[str, float]:
    if not hits:
        return {}
    low, high = hits[-1].score, hits[0].score
    if high <= low:
        return {hit.id: 1.0 for hit in hits}
    return {hit.id: (hit.score - low) / (high - low) for hit in hits}
