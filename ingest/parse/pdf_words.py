"""Which hyphens at line ends belong to their word, told by the other words of the document."""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Za-zÀ-ÿ]+(?:-[A-Za-zÀ-ÿ]+)*")
# First parts that hardly ever are the first syllable of an undivided word.
_FIRST_PARTS = frozenset(
    [
        "self",
        "well",
        "cross",
        "high",
        "low",
        "long",
        "short",
        "real",
        "third",
        "first",
        "second",
        "two",
        "three",
        "four",
        "full",
        "part",
        "end",
        "all",
        "ex",
        "mid",
        "state",
        "open",
        "large",
        "small",
        "single",
        "multi",
        "non",
        "one",
        "user",
        "cost",
        "time",
        "data",
        "decision",
        "so",
    ]
)
_MOST_WORDS = 200_000


class Words:
    """The words of a document as far as it was read."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def add(self, text: str) -> None:
        """Take in the words of a line; the last and the first may be halves and do not count."""
        if len(self._seen) < _MOST_WORDS:
            self._seen.update(word.lower() for word in _WORD.findall(text)[1:-1] if len(word) > 3)

    def keep_hyphen(self, left: str, right: str) -> bool:
        """Whether "left-" at a line's end and "right" on the next are a compound.

        What the document says elsewhere decides; a word that it never says is taken for a divided one, unless its
        first part is one that compounds begin with.
        """
        left, right = left.lower(), right.lower()
        if left + right in self._seen:
            return False
        return f"{left}-{right}" in self._seen or left in _FIRST_PARTS
