"""The extractive answer: the best sentences or rows of the passages, quoted as they stand. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from serving.passages import Window, content_tokens

MAX_QUOTES = 3
# A further quote must be nearly as good as the first, and say something new.
NEARLY_AS_GOOD = 0.9
NEW_WORDS = 0.4
# Captions and labels are no answers.
FEWEST_WORDS = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """A window and how well it answers the question, 0 to 1."""

    window: Window
    score: float


def extract(evidence: Sequence[Evidence], limit: int = MAX_QUOTES) -> list[Window]:
    """Windows to quote, best first, from evidence in any order; neighbours of one passage come in reading order."""
    ranked = sorted(evidence, key=lambda e: (-e.score, e.window.passage.n, e.window.position))
    chosen: list[Window] = []
    seen: set[int] = set()
    for candidate in ranked:
        words = content_tokens(candidate.window.text)
        if chosen and candidate.score < ranked[0].score * NEARLY_AS_GOOD:
            break
        if len(words) < FEWEST_WORDS or (chosen and len(words - seen) < NEW_WORDS * len(words)):
            continue
        chosen.append(candidate.window)
        seen |= words
        if len(chosen) == limit:
            break
    if not chosen and ranked:
        chosen = [ranked[0].window]
    first = {w.passage.n: i for i, w in reversed(list(enumerate(chosen)))}
    return sorted(chosen, key=lambda w: (first[w.passage.n], w.position))
