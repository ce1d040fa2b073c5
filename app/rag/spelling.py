"""Slips of the pen in a question, corrected to words that the knowledge base knows. Pure: no I/O.

English only. A word is taken for a slip when the knowledge base does not hold it, no dictionary of English does, and one
that the knowledge base holds is one or two edits away (Damerau-Levenshtein, neighbours swapped are one edit). Chinese is left
out: it is typed by sound, so a slip is another word that exists, and nothing here tells which one was meant.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from rapidfuzz import process
from rapidfuzz.distance import OSA

# Letters from which one and two edits are believed; shorter words have too many neighbours.
ONE_EDIT, TWO_EDITS = 4, 8
LONGEST = 30
# Words looked at in one question.
MOST_WORDS = 40
_TOKEN = re.compile(r"\S+")
# Addresses, codes and numbers are never slips.
_NO_WORDS = re.compile(r"[@\d_]|://|^www\.", re.IGNORECASE)
_LETTERS = re.compile(r"(?<![^\W_])[A-Za-z]+(?![^\W_])")
_SENTENCE_END = re.compile(r"[.!?:;]\W*$")


def words_of(text: str) -> Iterator[re.Match[str]]:
    """The words of a text that can be slips, or be meant by them: in ASCII letters, and no part of a code or address."""
    for token in _TOKEN.finditer(text):
        if not _NO_WORDS.search(token.group()):
            yield from (
                match
                for match in _LETTERS.finditer(text, token.start(), token.end())
                if ONE_EDIT <= len(match.group()) <= LONGEST
            )


@dataclass(frozen=True, slots=True)
class Corrected:
    """A question with its slips corrected.

    names: whether a word that was corrected is a name, which may as well be another name.
    """

    text: str
    names: bool


class Vocabulary:
    """The words of a knowledge base, lower case.

    counts: how often each occurs.
    meant:  those that a slip may have meant; all, when there are none.
    whole:  whether no word is missing.
    """

    def __init__(self, counts: Counter[str], meant: Iterable[str] | None = None, *, whole: bool = True) -> None:
        self.whole = whole
        self._counts = dict(counts)
        self._by_length: dict[int, list[str]] = {}
        # The order makes equals the same choice each time.
        for word in sorted(self._counts if meant is None else meant, key=lambda each: (-self._counts[each], each)):
            self._by_length.setdefault(len(word), []).append(word)

    def __len__(self) -> int:
        return len(self._counts)

    def __contains__(self, word: str) -> bool:
        return word in self._counts

    def meant_by(self, word: str) -> str | None:
        """The word that a slip most probably meant: the fewest edits, then the same first letter, then the commonest."""
        edits = 2 if len(word) >= TWO_EDITS else 1
        found: list[tuple[int, bool, int, str]] = []
        for length in range(len(word) - edits, len(word) + edits + 1):
            near = process.extract(
                word, self._by_length.get(length, ()), scorer=OSA.distance, score_cutoff=edits, limit=None
            )
            found += [(int(far), other[0] != word[0], -self._counts[other], other) for other, far, _ in near]
        return min(found)[-1] if found else None


def corrected(text: str, vocabulary: Vocabulary, known: Callable[[str], bool]) -> Corrected | None:
    """The text with its slips corrected; None when there is none that can be.

    known: whether a word that the vocabulary does not hold is known all the same.
    """
    loud = text.isupper()
    parts: list[str] = []
    at, names = 0, False
    for number, match in enumerate(words_of(text)):
        word = match.group()
        # Short forms: "UEFA", "iOS".
        if number >= MOST_WORDS or (not loud and not (word.islower() or word.istitle())):
            continue
        plain = word.lower()
        if plain in vocabulary or known(plain):
            continue
        meant = vocabulary.meant_by(plain)
        if meant is None:
            continue
        names |= word.istitle() and not _begins(text, match.start())
        parts += [text[at : match.start()], meant.upper() if loud else meant.title() if word.istitle() else meant]
        at = match.end()
    return Corrected("".join([*parts, text[at:]]), names) if parts else None


def _begins(text: str, start: int) -> bool:
    """Whether a word is capitalised because a sentence begins with it."""
    before = text[:start].rstrip()
    return not before or bool(_SENTENCE_END.search(before))
