"""How closely a passage's wording answers a question's: what a ranking by whole passages cannot see. Pure: no I/O.

BM25 and the embedder look at a passage as a bag: that the question's words stand together in one sentence, in the
question's order, tells the passage that answers from one that merely speaks of the same things. Measured in
docs/experiments.md; the same signs serve every language, because words are read as the sparse leg reads them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TypeVar

from ingest.chunk import split_sentences
from ingest.sparse import SparseEncoder, codes, one_script

# A word in letters, or one Chinese, Japanese or Korean character; numbers and codes are taken whole.
_WORD = re.compile(r"[A-Za-z0-9]+(?:[-.,:/'’][A-Za-z0-9]+)*|[^\W\d_a-zA-Z\u3400-\u9fff]+|[\u3400-\u9fff]")
# Words of the question this near to each other are looked for near to each other in the passage.
_NEAR_ASKED, _NEAR = 3, 4

Token = tuple[int, ...]
K = TypeVar("K")


@dataclass(frozen=True, slots=True)
class Closeness:
    """How a passage's words meet a question's, each 0 to 1, weighted by how rare the words are among the candidates.

    sentence:  share of the question's words in the passage's best sentence, with title and headings.
    sentences: the same for the best two sentences in a row.
    phrase:    share of the question's pairs of neighbouring words that are neighbours here.
    near:      share of its pairs of near words that are near each other here, in any order.
    head:      share of the question's words in the passage's title and headings.
    """

    sentence: float
    sentences: float
    phrase: float
    near: float
    head: float


@dataclass(frozen=True, slots=True)
class Tokens:
    """A passage's words in order, by sentence, and those of its title and headings."""

    sentences: tuple[tuple[Token, ...], ...]
    head: frozenset[Token]

    @property
    def length(self) -> int:
        """Words of the passage that are not stop words."""
        return sum(map(len, self.sentences))

    @property
    def all(self) -> frozenset[Token]:
        """Each word once."""
        return self.head.union(*self.sentences)


@lru_cache(maxsize=1)
def _encoder() -> SparseEncoder:
    return SparseEncoder()


@lru_cache(maxsize=200_000)
def _token(word: str) -> Token:
    """What the sparse leg makes of a word; empty for a stop word."""
    if code := next(codes(word), None):
        word = code
    return tuple(_encoder().encode_query(word).indices)


def _sequence(text: str) -> tuple[Token, ...]:
    return tuple(token for word in _WORD.findall(one_script(text)) if (token := _token(word.lower())))


@lru_cache(maxsize=20_000)
def tokens_of(text: str, head: str) -> Tokens:
    """Words of a passage; kept, because the same passages come back with every question on the same subject."""
    sentences = tuple(_sequence(sentence) for sentence in split_sentences(text))
    return Tokens(tuple(sentence for sentence in sentences if sentence), frozenset(_sequence(head)))


def compare(question: str, passages: Sequence[Tokens]) -> list[Closeness]:
    """The passages' wordings against a question's, in the order given; rarity is judged among these passages."""
    asked = _sequence(question)
    sets = [passage.all for passage in passages]
    weights = {
        token: math.log(1 + (len(sets) + 1) / (1 + sum(token in each for each in sets)))
        for token in dict.fromkeys(asked)
    }
    phrases = {pair: weights[pair[0]] + weights[pair[1]] for pair in pairwise(asked)}
    near = {
        (first, second): weights[first] + weights[second]
        for i, first in enumerate(asked)
        for second in asked[i + 1 : i + 1 + _NEAR_ASKED]
    }
    return [_compared(passage, weights, phrases, near) for passage in passages]


def _compared(
    passage: Tokens,
    weights: dict[Token, float],
    phrases: dict[tuple[Token, Token], float],
    near: dict[tuple[Token, Token], float],
) -> Closeness:
    head = passage.head & weights.keys()
    held = [frozenset(sentence) & weights.keys() for sentence in passage.sentences] or [frozenset()]
    pairs = zip(held, [*held[1:], frozenset()], strict=True)
    flat = [token for sentence in passage.sentences for token in sentence]
    places = [place for place, token in enumerate(flat) if token in weights]
    adjacent: set[tuple[Token, Token]] = set()
    close: set[tuple[Token, Token]] = set()
    for i, place in enumerate(places):
        for other in places[i + 1 : i + 1 + _NEAR]:
            if other - place > _NEAR:
                break
            pair = (flat[place], flat[other])
            close.update((pair, pair[::-1]))
            if other - place == 1:
                adjacent.add(pair)
    return Closeness(
        sentence=_share(weights, max((each | head for each in held), key=lambda each: sum(weights[t] for t in each))),
        sentences=_share(
            weights, max((a | b | head for a, b in pairs), key=lambda each: sum(weights[t] for t in each))
        ),
        phrase=_share(phrases, adjacent),
        near=_share(near, close),
        head=_share(weights, head),
    )


def _share(weights: Mapping[K, float], found: AbstractSet[K]) -> float:
    total = sum(weights.values())
    return sum(weights[key] for key in found if key in weights) / total if total else 0.0
