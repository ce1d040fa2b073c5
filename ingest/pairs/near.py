"""Which texts are nearly the same, all of many against all: an exact join, no sampling. Pure functions.

Two questions are alike if their words, stop words left out, have a Jaccard similarity of .8 (.7 over characters and pairs of
characters for Chinese, where one more character changes two pairs); two passages, if three words in a row have one of .6.
Candidates share one of their rarest words: a set of n words that is alike another shares one of its n - ceil(t n) + 1 rarest
with it (Bayardo, Ma, Srikant: Scaling up all pairs similarity search, 2007), so that nothing is missed and few are compared.
Passages have too many frequent words for that; three in a row are rare.
"""

from __future__ import annotations

import math
import re
import sys
import unicodedata
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from ingest.cleaning.findings import wordset

THRESHOLD, HAN_THRESHOLD, PASSAGE_THRESHOLD = 0.8, 0.7, 0.6
_IN_A_ROW = 3
_TOKEN = re.compile(r"[㐀-鿿]|[^\W_]+(?:[-.,:/'’][^\W_]+)*", re.UNICODE)
_STOP = wordset(
    "a an and any are as at be been by can could did do does for from had has have how i if in into is it its may me must my "
    "of on or our shall should so such that the their them there these they this those to us was we were what when where which "
    "who whom whose why will with would you your tell please know like want need much many"
)
_SPELT = wordset("zero two three four five six seven eight nine ten eleven twelve hundred thousand half")
_HAN_STOP = frozenset("的了吗呢是在有和与及或我你您们请问什么吧啊")

Tokens = frozenset[str]
Shingles = frozenset[int]
T = TypeVar("T", str, int)


def tokens_of(text: str) -> Tokens:
    """What is compared of a text: stems of words, numbers and codes; Chinese characters, and pairs of them."""
    found: set[str] = set()
    before = ""
    for token in _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold()):
        if _is_han(token):
            if token in _HAN_STOP:
                before = ""
                continue
            found.add(sys.intern(token))
            if before:
                found.add(sys.intern(before + token))
            before = token
            continue
        before = ""
        if token not in _STOP:
            # Many texts are held at once, and few words: each is kept once.
            found.add(sys.intern(_stem(token)))
    return frozenset(found)


def shingles_of(text: str) -> Shingles:
    """What is compared of a passage: hashes of three words, or Chinese characters, in a row."""
    words = _TOKEN.findall(unicodedata.normalize("NFKC", text).casefold())
    return frozenset(zlib.crc32(" ".join(words[i : i + _IN_A_ROW]).encode()) for i in range(len(words) - _IN_A_ROW + 1))


def figures_of(tokens: Tokens) -> Tokens:
    """Those with a digit, numbers and codes; and numbers in English words."""
    return frozenset(token for token in tokens if token in _SPELT or any(char.isdigit() for char in token))


def jaccard(some: frozenset[T], others: frozenset[T]) -> float:
    """Share of what is in both; 1 for two empty sets."""
    union = len(some | others)
    return len(some & others) / union if union else 1.0


def alike(some: Tokens, others: Tokens, *, figures: bool = True) -> bool:
    """Whether two texts are nearly the same.

    figures: only if their numbers and codes are the same.
    """
    if figures and figures_of(some) != figures_of(others):
        return False
    han = _is_chinese(some)
    return han is _is_chinese(others) and jaccard(some, others) >= (HAN_THRESHOLD if han else THRESHOLD)


def links(
    texts: Sequence[Tokens], *, figures: bool = True, joined: Callable[[int, int], bool] = lambda a, b: False
) -> Iterator[tuple[int, int]]:
    """Places of texts that are alike, enough of them to tell which hang together.

    joined: whether two are known to hang together: they need not be compared.
    """
    groups: dict[tuple[bool, Tokens], list[int]] = defaultdict(list)
    firsts, same = _each_once(texts)
    yield from same
    for place in firsts:
        groups[_is_chinese(texts[place]), figures_of(texts[place]) if figures else frozenset()].append(place)
    for (han, _), group in groups.items():
        if len(group) > 1:
            yield from _join(texts, group, HAN_THRESHOLD if han else THRESHOLD, joined)


def passage_links(
    passages: Sequence[Shingles], joined: Callable[[int, int], bool] = lambda a, b: False
) -> Iterator[tuple[int, int]]:
    """The same for passages."""
    firsts, same = _each_once(passages)
    yield from same
    yield from _join(passages, firsts, PASSAGE_THRESHOLD, joined)


def _each_once(texts: Sequence[frozenset[T]]) -> tuple[list[int], list[tuple[int, int]]]:
    """The first place of each text, and the places of those that are the very same."""
    places: dict[frozenset[T], int] = {}
    same = [(first, place) for place, text in enumerate(texts) if (first := places.setdefault(text, place)) != place]
    return list(places.values()), same


def _join(
    texts: Sequence[frozenset[T]], group: Sequence[int], threshold: float, joined: Callable[[int, int], bool]
) -> Iterator[tuple[int, int]]:
    often = Counter(token for place in group for token in texts[place])
    by_token: dict[T, list[int]] = defaultdict(list)
    for place in sorted(group, key=lambda place: len(texts[place])):
        text = texts[place]
        size = len(text)
        # Rounded down a hair: .8 * 5 must be 4.
        rarest = sorted(text, key=lambda token: (often[token], token))[: size - math.ceil(threshold * size - 1e-9) + 1]
        candidates = {
            other for token in rarest for other in by_token[token] if len(texts[other]) >= threshold * size - 1e-9
        }
        for other in sorted(candidates):
            if not joined(other, place) and jaccard(texts[other], text) >= threshold:
                yield other, place
        for token in rarest:
            by_token[token].append(place)


def _is_han(token: str) -> bool:
    return "㐀" <= token[0] <= "鿿"


def _is_chinese(tokens: Tokens) -> bool:
    return sum(_is_han(token) for token in tokens) * 2 > len(tokens)


def _stem(word: str) -> str:
    word = word.removesuffix("'s").removesuffix("’s")
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss") and word.isalpha():
        return word[:-1]
    return word
