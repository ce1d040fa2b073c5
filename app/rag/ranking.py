"""From what the legs found to the order that answers are written from. Pure: no I/O.

The best candidates of the fusion are ranked once more by twelve signs: how far each leg lifts a passage above what else
it found, and how closely the passage's wording meets the question's (closeness.py). How much a leg has to say depends on the
question: the dense leg's say grows with the best cosine, and both legs' falls where a sentence holds most of the words
that were asked, for then the wording decides. Among short passages the dense leg has more to say: sentences are what embedders are
trained on, and what an FAQ is asked in other words has few words to share.

The weights are fitted by `benchmarks/fit_ranking.py` on squad2 and cmrc2018; docs/experiments.md has the figures, leaving
each set out in turn among them.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from operator import attrgetter

from app.rag.closeness import Closeness, Tokens, compare, tokens_of
from app.rag.fusion import Fused, fuse
from ingest.index.base import Hit, LegHits

# Candidates that are looked at closely: reading them takes some 3 ms on the machine of docs/experiments.md.
CLOSE = 20
# Words of a passage at which the sign of short passages is one half.
_SHORT = 20.0


@dataclass(frozen=True, slots=True)
class Signs:
    """What speaks for a passage; also the weights of these signs.

    dense, sparse: standard deviations above the mean of what the leg found.
    *_covered:     the same, times the share of the question's words in the best sentence of all candidates.
    *_near:        the same, times the best cosine.
    dense_short:   the same, times how short the candidates are, 0 to 1.
    """

    dense: float
    sparse: float
    dense_covered: float
    sparse_covered: float
    dense_near: float
    sparse_near: float
    sentence: float
    sentences: float
    phrase: float
    near: float
    head: float
    dense_short: float


# Not ``astuple``: its deep copies took a third of the ranking's time.
_VALUES = attrgetter(*(sign.name for sign in fields(Signs)))
WEIGHTS = Signs(
    dense=0.779,
    sparse=1.822,
    dense_covered=-1.110,
    sparse_covered=-0.356,
    dense_near=1.267,
    sparse_near=-1.562,
    sentence=2.754,
    sentences=0.677,
    phrase=2.516,
    near=1.419,
    head=2.976,
    dense_short=0.916,
)


def rank(question: str, legs: LegHits) -> list[Fused]:
    """All that the legs found, best first; scores are 0 to 1, the best candidate's 1."""
    fused = fuse(legs)
    close = fused[:CLOSE]
    if not close:
        return []
    values = [_dot(WEIGHTS, signs) for signs in signs_of(question, legs, close)]
    low, high = min(values), max(values)
    # What was not looked at stays below what was, in its own order.
    least = fused[CLOSE].score if len(fused) > CLOSE else min(f.score for f in close)
    spread = high - low
    ranked = [
        replace(candidate, score=1.0 if not spread else least + (1.0 - least) * (value - low) / spread)
        for candidate, value in zip(close, values, strict=True)
    ]
    return sorted(ranked, key=lambda f: (-f.score, f.hit.id)) + fused[CLOSE:]


def signs_of(question: str, legs: LegHits, candidates: Sequence[Fused]) -> list[Signs]:
    """The signs of each candidate."""
    passages = [_tokens(candidate.hit) for candidate in candidates]
    met = compare(question, passages)
    dense, sparse = _lifted(legs.dense), _lifted(legs.sparse)
    covered = max((closeness.sentence for closeness in met), default=0.0)
    nearest = legs.dense[0].score if legs.dense else 0.0
    short = _SHORT / (_SHORT + statistics.fmean(passage.length for passage in passages)) if passages else 0.0
    return [
        _signs(dense(candidate.dense), sparse(candidate.sparse), covered, nearest, short, closeness)
        for candidate, closeness in zip(candidates, met, strict=True)
    ]


def _signs(dense: float, sparse: float, covered: float, nearest: float, short: float, closeness: Closeness) -> Signs:
    return Signs(
        dense=dense,
        sparse=sparse,
        dense_covered=dense * covered,
        sparse_covered=sparse * covered,
        dense_near=dense * nearest,
        sparse_near=sparse * nearest,
        sentence=closeness.sentence,
        sentences=closeness.sentences,
        phrase=closeness.phrase,
        near=closeness.near,
        head=closeness.head,
        dense_short=dense * short,
    )


def _lifted(hits: Sequence[Hit]) -> Callable[[float | None], float]:
    """Score to standard deviations above the leg's mean; what the leg did not find counts as its last hit."""
    scores = [hit.score for hit in hits]
    if not scores or not (spread := statistics.pstdev(scores)):
        return lambda _: 0.0
    mean, last = statistics.fmean(scores), scores[-1]
    return lambda score: ((last if score is None else score) - mean) / spread


def _dot(weights: Signs, signs: Signs) -> float:
    return float(sum(weight * sign for weight, sign in zip(_VALUES(weights), _VALUES(signs), strict=True)))


def _tokens(hit: Hit) -> Tokens:
    payload = hit.payload
    head = "\n".join((str(payload.get("title", "")), *payload.get("heading_path", ())))
    return tokens_of(str(payload.get("text", "")), head)
