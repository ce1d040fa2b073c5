"""A question in the other words of its knowledge base's glossary. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from ingest.glossary import GlossaryDraft
from ingest.terms import Place, Stems, find_terms, spellings_of

# Rewordings of one text at most: each is a search of its own.
MOST = 3


@dataclass(frozen=True, slots=True)
class Named:
    """A term of the glossary that a question holds: as it was asked, and what it also means."""

    term: str
    others: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rewording:
    """A text in other words; ``known``: whether passages hold the words that it was asked in, too."""

    text: str
    known: bool


class Thesaurus:
    """The glossary of a knowledge base, ready to look questions through."""

    def __init__(self, drafts: Iterable[GlossaryDraft] = ()) -> None:
        self._others: dict[Stems, tuple[str, ...]] = {}
        self._words: set[str] = set()
        for draft in drafts:
            self._words.update(word for term in draft.terms for word in re.findall(r"[^\W\d_]+", term.casefold()))
            for term in draft.leading:
                others = tuple(other for other in draft.terms if other != term)
                for stems in spellings_of(term):
                    self._others.setdefault(stems, others)
        self._longest = max(map(len, self._others), default=0)

    def __bool__(self) -> bool:
        return bool(self._others)

    def knows(self, word: str) -> bool:
        """Whether a word is part of a term, lower case."""
        return word in self._words

    def named(self, text: str) -> list[Named]:
        """Terms of the glossary in a text, each once."""
        found = (Named(text[place.start : place.end], place.value) for place in self._places(text))
        return list({each.term: each for each in found}.values())

    def rewordings(self, text: str, held: Callable[[str], bool]) -> list[Rewording]:
        """The text with its terms replaced: all by their first synonym, then by their second, and so on.

        held: whether a passage holds a term; synonyms that none holds are left out.
        """
        found = [(place, [other for other in place.value if held(other)]) for place in self._places(text)]
        places = [Place(place.start, place.end, others[:MOST]) for place, others in found if others]
        if not places:
            return []
        known = all(held(text[place.start : place.end]) for place in places)
        most = max(len(place.value) for place in places)
        texts = dict.fromkeys(_replaced(text, places, nth) for nth in range(most))
        return [Rewording(each, known) for each in texts if each != text]

    def _places(self, text: str) -> list[Place[tuple[str, ...]]]:
        return find_terms(text, self._others, self._longest) if self._others else []


def _replaced(text: str, places: Sequence[Place[list[str]]], nth: int) -> str:
    parts, at = [], 0
    for place in places:
        parts += [text[at : place.start], place.value[min(nth, len(place.value) - 1)]]
        at = place.end
    return "".join([*parts, text[at:]])
