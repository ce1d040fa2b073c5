"""Terms in texts: where a name of one or several words stands, however it is written there. Pure: no I/O.

Words are compared by the stems that the sparse leg searches by, so "e-bikes" holds "e-bike"; letters and digits are words of
their own, so "WM900" and "wm 900" hold "WM-900"; Chinese is compared character by character, in one script.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import Generic, TypeVar

from ingest.sparse import SparseEncoder, one_script

_WORD = re.compile(r"[\u3400-\u9fff\uf900-\ufaff]|\d+|[^\W\d_\u3400-\u9fff\uf900-\ufaff]+")
# What may stand between two words of a term; nothing between Chinese characters, or a letter and a digit.
_BETWEEN = re.compile(r"[\s\-\u2010-\u2015_./·&'’]{0,3}")
_HYPHEN = re.compile(r"(?<=[^\W\d_])[\-\u2010\u2011](?=[^\W\d_])")

Stems = tuple[str, ...]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Place(Generic[T]):
    """A term in a text, ``text[start:end]``, and what it was looked up for."""

    start: int
    end: int
    value: T


def stems_of(term: str) -> Stems:
    """What a term is compared by; empty for one without a letter or digit."""
    return tuple(stem for stem, _, _ in _stems(term))


def spellings_of(term: str) -> set[Stems]:
    """The same, and that of its closed spelling where it has a hyphen: "ebike" is "e-bike"."""
    return {stems for stems in (stems_of(term), stems_of(_HYPHEN.sub("", term))) if stems}


def find_terms(text: str, known: Mapping[Stems, T], longest: int | None = None) -> list[Place[T]]:
    """Terms in a text, from left to right, the longest where several begin; they do not overlap.

    longest: words of the longest term, where the caller knows it.
    """
    words = list(_stems(text))
    longest = max(map(len, known), default=0) if longest is None else longest
    found: list[Place[T]] = []
    at = 0
    while at < len(words):
        for last in range(min(longest, len(words) - at), 0, -1):
            part = words[at : at + last]
            stems = tuple(stem for stem, _, _ in part)
            if stems in known and _together(text, part):
                found.append(Place(part[0][1], part[-1][2], known[stems]))
                at += last - 1
                break
        at += 1
    return found


def holds(text: str, term: str) -> bool:
    """Whether a term stands in a text."""
    return bool(find_terms(text, dict.fromkeys(spellings_of(term), True)))


def _together(text: str, words: list[tuple[str, int, int]]) -> bool:
    return all(_BETWEEN.fullmatch(text, before[2], after[1]) for before, after in pairwise(words))


def _stems(text: str) -> Iterator[tuple[str, int, int]]:
    for match in _WORD.finditer(text):
        yield _stem(match.group()), match.start(), match.end()


@lru_cache(maxsize=1)
def _encoder() -> SparseEncoder:
    return SparseEncoder()


@lru_cache(maxsize=50_000)
def _stem(word: str) -> str:
    folded = one_script(unicodedata.normalize("NFKC", word)).casefold()
    if len(folded) == 1 or not folded.isalpha():
        return folded
    # A stop word has no stem, and is a word of a name all the same.
    return " ".join(map(str, _encoder().encode_query(folded).indices)) or folded
