"""Questions that the knowledge base does not answer, each with proof: withheld sections, swapped entities, out of scope."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

from ingest.cleaning.instructions import FLAGGED, instruction_score
from ingest.pairs.general import GENERAL
from ingest.pairs.likeness import content, overlap
from ingest.pairs.records import Draft, FoundChunk, PairKind, PassageFinder, SourceChunk, Style
from ingest.pairs.topics import Corpus, is_chinese, naming_codes
from ingest.pairs.units import squeezed
from ingest.sparse import product_codes, product_names, without_product_codes

# Neighbours that are looked at, and that become sources.
_LOOKED_AT, _SOURCES = 12, 3
# A passage that holds this share of an answer's words may say the same in other words.
_SAYS_AS_MUCH = 0.6
# A passage with this share of a question's words may answer it, whatever the answer's words are there.
_ASKS_AS_MUCH = 0.75
# A passage that speaks of the swapped entity and holds this share of the rest of the question may answer it.
_SPEAKS_OF_IT = 0.5
_CANDIDATES = 12
Lookup = Callable[[str], SourceChunk | None]


class UnanswerableQuestions:
    """Makes questions without an answer out of pairs that were kept.

    finder: retrieval over the knowledge base.
    lookup: a live passage by its id.
    """

    def __init__(self, finder: PassageFinder, corpus: Corpus, lookup: Lookup) -> None:
        self._finder, self._corpus, self._lookup = finder, corpus, lookup

    def withheld(self, draft: Draft) -> Draft | None:
        """The question, its section left out: its sources are the neighbours that retrieval finds and that do not hold the answer.

        None where too little is left, or where a neighbour may answer as well.
        """
        if draft.kind is not PairKind.ANSWERABLE or draft.history or not draft.sources:
            return None
        sections = {source.section for source in draft.sources}
        absent = tuple(text for text in (draft.evidence, draft.short) if len(squeezed(text)) >= 3)
        neighbours = []
        for chunk in self._chunks(self._finder.find(draft.question, _LOOKED_AT)):
            # Whether a passage in another language says the same cannot be told: it is no neighbour, and proves nothing.
            if chunk.section in sections:
                continue
            if chunk.language != draft.language:
                if _may_tell(chunk, draft.question):
                    return None
                continue
            if _holds(chunk, draft, absent):
                # It answers as well: in the whole knowledge base the question stays answerable, and so would it here.
                return None
            neighbours.append(chunk)
        if not neighbours or not absent:
            return None
        return _unanswerable(draft, draft.question, tuple(neighbours[:_SOURCES]), Style.WITHHELD, absent)

    def swapped(self, draft: Draft) -> Draft | None:
        """The question about another product of the knowledge base, of which no passage says what is asked; None where there is none."""
        named = naming_codes(draft.question)
        if draft.kind is not PairKind.ANSWERABLE or draft.history or len(named) != 1:
            return None
        (code,) = named
        written = next((name for name in product_names(draft.question) if code in product_codes(name)), "")
        others = sorted(
            (other for other in self._corpus.written if other != code and _same_form(other, code)),
            key=lambda other: hashlib.sha256(f"{draft.question}{other}".encode()).hexdigest(),
        )
        rest = without_product_codes(draft.question)
        for other in others[:_CANDIDATES]:
            if not written or not content(rest) or self._speaks(other, rest, draft.language):
                continue
            question = draft.question.replace(written, self._corpus.written[other])
            found = self._finder.find(question, _LOOKED_AT)
            if any(other in product_codes(f.text) and overlap(rest, f.text) >= _SPEAKS_OF_IT for f in found):
                continue
            sources = tuple(c for c in self._chunks(found) if c.language == draft.language)[:_SOURCES]
            if sources and naming_codes(question) == {other}:
                return _unanswerable(draft, question, sources, Style.SWAPPED, ())
        return None

    def out_of_scope(self, language: str, most: int, seed: str = "") -> Iterator[Draft]:
        """General questions that no passage is near to; which ones is the same in every run of a seed."""
        drawn = sorted(GENERAL[language], key=lambda q: hashlib.sha256(f"{seed}{q}".encode()).hexdigest())
        made = 0
        for question in drawn:
            if made == most:
                return
            if all(overlap(question, found.text) < _SAYS_AS_MUCH for found in self._finder.find(question, 5)):
                made += 1
                yield Draft(
                    question, "", (), "rule:general", language, kind=PairKind.UNANSWERABLE, style=Style.OUT_OF_SCOPE
                )

    def _chunks(self, found: Sequence[FoundChunk]) -> Iterable[SourceChunk]:
        """Live passages of what was found, without poisoned ones: nothing is trained on these."""
        chunks = (self._lookup(passage.chunk_id) for passage in found)
        return (chunk for chunk in chunks if chunk is not None and instruction_score(chunk.text) < FLAGGED)

    def _speaks(self, code: str, rest: str, language: str) -> bool:
        """Whether any passage that holds a code may say of it what the rest of a question asks."""
        for chunk_id in self._corpus.spoken.get(code, ()):
            chunk = self._lookup(chunk_id)
            if chunk is None:
                return True
            text = "\n".join((*chunk.heading_path, chunk.text))
            # Words of another language cannot be compared; a table there may hold anything.
            foreign = is_chinese(chunk.text) != (language == "zh")
            if (foreign and "|" in chunk.text) or overlap(rest, text) >= _SPEAKS_OF_IT:
                return True
        return False


def _holds(chunk: SourceChunk, draft: Draft, absent: Sequence[str]) -> bool:
    """Whether a neighbour holds the answer: word for word, or nearly all of its words or of the question's."""
    text = squeezed(chunk.text)
    if any(squeezed(part) in text for part in absent):
        return True
    asked = overlap(draft.question, "\n".join((*chunk.heading_path, chunk.text)))
    answered = overlap(draft.short or draft.answer, chunk.text)
    return asked >= _ASKS_AS_MUCH or (answered >= _SAYS_AS_MUCH and asked >= _SPEAKS_OF_IT)


def _may_tell(chunk: SourceChunk, question: str) -> bool:
    """Whether a passage in another language may answer: it speaks of the same products."""
    named = naming_codes(question)
    return bool(named) and named <= naming_codes(chunk.text)


def _same_form(one: str, other: str) -> bool:
    """Whether two codes look alike: as many letters before the first figure, about as many figures behind."""
    return _letters(one) == _letters(other) and abs(len(one) - len(other)) <= 1


def _letters(code: str) -> int:
    return next((i for i, char in enumerate(code) if char.isdigit()), len(code))


def _unanswerable(
    draft: Draft, question: str, sources: tuple[SourceChunk, ...], style: Style, absent: tuple[str, ...]
) -> Draft:
    return replace(
        draft,
        question=question,
        answer="",
        short="",
        evidence="",
        sources=sources,
        kind=PairKind.UNANSWERABLE,
        style=style,
        absent=absent,
    )
