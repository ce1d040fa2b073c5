"""Words that carry meaning, how many of them two texts share, and questions that are nearly the same. Pure: no I/O."""

from __future__ import annotations

import re
from collections import defaultdict
from functools import lru_cache

from rapidfuzz.fuzz import ratio

from ingest.pairs.topics import is_chinese
from ingest.sparse import SparseEncoder, codes
from ingest.wording import normal_question

_STOP_EN = frozenset(
    [
        "a",
        "an",
        "the",
        "of",
        "in",
        "on",
        "at",
        "to",
        "for",
        "by",
        "with",
        "from",
        "and",
        "or",
        "is",
        "are",
        "was",
        "were",
        "be",
        "been",
        "do",
        "does",
        "did",
        "can",
        "could",
        "may",
        "might",
        "must",
        "shall",
        "should",
        "will",
        "would",
        "have",
        "has",
        "had",
        "i",
        "my",
        "me",
        "we",
        "our",
        "you",
        "your",
        "it",
        "its",
        "what",
        "which",
        "who",
        "whom",
        "whose",
        "when",
        "where",
        "why",
        "how",
        "there",
        "that",
        "this",
        "these",
        "those",
        "as",
        "if",
        "any",
        "regarding",
        "about",
        "please",
        "tell",
    ]
)
_STOP_ZH = re.compile(
    r"关于|请问|什么|多少|怎么|如何|怎样|哪些|哪里|哪个|几|是|的|了|吗|呢|吧|啊|我|你|您|们|想|知道|一下|和|与|在|时|有"
)
_WORD = re.compile(r"[a-z0-9]+(?:[\-.'][a-z0-9]+)*|[\u3400-\u9fff]")
# Of these the order of two names matters: "from A to B".
_DIRECTED = re.compile(r"\b(?:from|to|into|than|before|after)\b|从|到|至|比|换成|转")
_SLIP = 75


@lru_cache(maxsize=1)
def _encoder() -> SparseEncoder:
    return SparseEncoder()


@lru_cache(maxsize=1)
def _stop_tokens() -> frozenset[int]:
    words = [
        *_STOP_EN,
        *[
            "什么",
            "多少",
            "怎么",
            "如何",
            "怎样",
            "哪些",
            "哪里",
            "哪个",
            "关于",
            "请问",
            "是",
            "的",
            "了",
            "吗",
            "呢",
            "几",
            "我",
            "你",
            "您",
            "可以",
            "需要",
            "时候",
        ],
    ]
    return frozenset(index for word in words for index in _encoder().encode_query(word).indices)


@lru_cache(maxsize=20_000)
def content(text: str) -> frozenset[int]:
    """Hashes of the words that carry meaning, stemmed and segmented as the sparse leg does; numbers and codes too."""
    return frozenset(_encoder().encode_query(text).indices) - _stop_tokens()


def overlap(question: str, text: str) -> float:
    """Which share of a question's words stand in a text, 0 to 1; 0 for a question without any."""
    asked = content(question)
    return len(asked & content(text)) / len(asked) if asked else 0.0


class KnownQuestions:
    """Questions seen so far, each in a group of its own; looked up in time that does not grow with their number.

    Two are near-duplicates when their words are the same but for one at most, which is spelt alike, and their numbers and
    codes are the same: "the price of FD-200" and "the price of FD-250" are two questions.
    """

    def __init__(self) -> None:
        self._by_words: dict[tuple[str, frozenset[str]], list[tuple[str, ...]]] = defaultdict(list)
        self._by_parts: dict[tuple[str, frozenset[str]], list[tuple[str, ...]]] = defaultdict(list)

    def add(self, question: str, group: str = "") -> None:
        """Remember a question."""
        words = _words(question)
        key = _key(question, words)
        self._by_words[group, key].append(words)
        for part in _parts(key):
            self._by_parts[group, part].append(words)

    def like(self, question: str, group: str = "") -> str:
        """The words of a known question that is nearly the same; "" for none."""
        words = _words(question)
        key = _key(question, words)
        for known in self._by_words.get((group, key), ()):
            if known == words or not _DIRECTED.search(question.lower()):
                return " ".join(known)
        own = frozenset(words)
        for part in _parts(key):
            for known in (*self._by_parts.get((group, part), ()), *self._by_words.get((group, part), ())):
                mine, theirs = own - frozenset(known), frozenset(known) - own
                if _same_but_slip(mine, theirs):
                    return " ".join(known)
        return ""


def _words(question: str) -> tuple[str, ...]:
    text = normal_question(question)
    if is_chinese(text):
        text = _STOP_ZH.sub(" ", text)
    return tuple(word for word in _WORD.findall(text) if word not in _STOP_EN)


def _key(question: str, words: tuple[str, ...]) -> frozenset[str]:
    return frozenset((*words, *(f"#{code}" for code in codes(question))))


def _parts(key: frozenset[str]) -> list[frozenset[str]]:
    """The words with one left out, never a number or code."""
    if len(key) < 3:
        return []
    return [key - {word} for word in key if not any(char.isdigit() for char in word)]


def _same_but_slip(mine: frozenset[str], theirs: frozenset[str]) -> bool:
    if len(mine) > 1 or len(theirs) > 1:
        return False
    if not mine or not theirs:
        # One Chinese character more may be another thing; of English a plural's apostrophe or an "also".
        extra = next(iter(mine | theirs), "")
        return extra in ("also", "exactly", "just", "currently", "usually", "normally", "s")
    one, other = next(iter(mine)), next(iter(theirs))
    if one.isascii() != other.isascii() or not one.isascii() or any(c.isdigit() for c in one + other):
        return False
    return one[:2] == other[:2] and ratio(one, other) >= _SLIP
