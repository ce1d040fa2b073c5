"""Further wordings of a question, from what its knowledge base knows: synonyms of its glossary, slips corrected."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from cachetools import LRUCache

from app.rag.question import Wording
from app.rag.spelling import Corrected, corrected
from app.rag.synonyms import Named, Thesaurus
from app.rag.vocabulary import Vocabularies
from ingest.bindings import Place
from ingest.english import is_english
from ingest.glossary import Glossary, GlossaryDraft
from ingest.records import KnowledgeBase
from ingest.schema import Principal
from ingest.sparse import SparseEncoder
from ingest.terms import Stems, holds, stems_of
from serving.passages import content_tokens

# Say of a further wording beside the one that it is made of: of a synonym where passages hold both, of one of a term that
# none holds, of a corrected slip. docs/experiments.md tells what else was tried.
SYNONYM_WEIGHT, INSTEAD_WEIGHT, CORRECTED_WEIGHT = 0.5, 2.0, 2.0
# Further wordings of one question: each is a search of its own.
MOST_FURTHER = 4
# Best passages by a term that are looked at for it, and terms for which that is remembered.
_LOOKED_AT, _TERMS = 5, 20_000
_BASES = 256

# Space, corpus version, who asks, stems.
_Term = tuple[str, int, Principal, Stems]
Reworded = tuple[Sequence[Wording], tuple[Named, ...]]


class Reworder(Protocol):
    """Gives further wordings of questions."""

    def reworded(
        self, kb: KnowledgeBase, place: Place, wordings: Sequence[Wording], language: str, principal: Principal
    ) -> Reworded:
        """The wordings, then further ones; and the terms of the glossary that they hold.

        place:    where the knowledge base's passages are.
        language: the question's, ISO 639-1.
        """
        ...


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The glossary of a knowledge base as of a corpus version."""

    corpus_version: int
    drafts: tuple[GlossaryDraft, ...]
    thesaurus: Thesaurus


class Rewordings:
    """Both kinds of further wordings; blocking, for many threads.

    vocabularies: None to leave slips as they are.
    """

    def __init__(
        self,
        glossary: Glossary,
        sparse: SparseEncoder,
        vocabularies: Vocabularies | None,
        synonym_weight: float = SYNONYM_WEIGHT,
        instead_weight: float = INSTEAD_WEIGHT,
        corrected_weight: float = CORRECTED_WEIGHT,
    ) -> None:
        self._synonym_weight, self._instead_weight = synonym_weight, instead_weight
        self._corrected_weight = corrected_weight
        self._glossary = glossary
        self._sparse = sparse
        self._vocabularies = vocabularies
        self._shelves: LRUCache[str, _Shelf] = LRUCache(_BASES)
        self._held_before: LRUCache[_Term, bool] = LRUCache(_TERMS)
        self._lock = threading.Lock()

    def reworded(
        self, kb: KnowledgeBase, place: Place, wordings: Sequence[Wording], language: str, principal: Principal
    ) -> Reworded:
        """The wordings, then further ones; and the terms of the glossary that they hold."""
        thesaurus = self._thesaurus(kb)
        further: list[Wording] = []

        def held(term: str) -> bool:
            return self._held(kb, place, term, principal)

        named: dict[str, Named] = {}
        for wording in wordings:
            right = self._corrected(kb, place, wording.text, thesaurus, language, held)
            text, judged = wording.text, wording.judged
            if right is not None:
                # A name that nobody knows may be another name: it helps to find, and answers nothing.
                text, judged = right.text, judged and not right.names
                further.append(_further(wording, text, self._corrected_weight, judged))
            for other in thesaurus.rewordings(text, held):
                weight = self._synonym_weight if other.known else self._instead_weight
                further.append(_further(wording, other.text, weight, judged))
            named |= {each.term: each for each in thesaurus.named(text)} if judged else {}
        return (*wordings, *further[:MOST_FURTHER]), tuple(named.values())

    def prepare(self, kb: KnowledgeBase, place: Place) -> None:
        """Wait until the words of a knowledge base are read, for those who measure."""
        if self._vocabularies is not None:
            self._vocabularies.of(kb, place, wait_s=None)

    def close(self) -> None:
        """End what is done beside questions; the index may be closed then."""
        if self._vocabularies is not None:
            self._vocabularies.close()

    def _thesaurus(self, kb: KnowledgeBase) -> Thesaurus:
        with self._lock:
            shelf = self._shelves.get(kb.id)
        # One that is newer than the question's knowledge is as good.
        if shelf is not None and shelf.corpus_version >= kb.corpus_version:
            return shelf.thesaurus
        drafts = tuple(entry.draft for entry in self._glossary.all(kb.id))
        # A large one takes a second to make; most changes are of documents.
        same = shelf is not None and shelf.drafts == drafts
        made = _Shelf(kb.corpus_version, drafts, shelf.thesaurus if shelf and same else Thesaurus(drafts))
        with self._lock:
            known = self._shelves.get(kb.id)
            if known is None or known.corpus_version <= kb.corpus_version:
                self._shelves[kb.id] = made
        return made.thesaurus

    def _corrected(
        self,
        kb: KnowledgeBase,
        place: Place,
        text: str,
        thesaurus: Thesaurus,
        language: str,
        held: Callable[[str], bool],
    ) -> Corrected | None:
        if self._vocabularies is None or language != "en":
            return None
        vocabulary = self._vocabularies.of(kb, place)
        if not vocabulary:
            return None

        def known(word: str) -> bool:
            # Words of a sample say nothing of those that are not in it.
            return thesaurus.knows(word) or is_english(word) or (not vocabulary.whole and held(word))

        found = corrected(text, vocabulary, known)
        if found is None or content_tokens(found.text) == content_tokens(text):
            return None
        return found

    def _held(self, kb: KnowledgeBase, place: Place, term: str, principal: Principal) -> bool:
        """Whether a passage that the asker may see holds a term."""
        key = (place.space, kb.corpus_version, principal, stems_of(term))
        with self._lock:
            before = self._held_before.get(key)
        if before is not None:
            return before
        sparse = self._sparse.encode_query(term)
        if not sparse.indices:
            # Stop words alone cannot be searched for.
            return True
        hits = place.index.search(place.space, dense=None, sparse=sparse, principal=principal, limit=_LOOKED_AT).sparse
        found = any(holds(_text(hit.payload), term) for hit in hits)
        with self._lock:
            self._held_before[key] = found
        return found


def _further(wording: Wording, text: str, weight: float, judged: bool) -> Wording:
    return replace(wording, text=text, weight=weight * wording.weight, judged=judged, instead_of=wording.text)


def _text(payload: dict[str, Any]) -> str:
    return "\n".join((payload.get("title", ""), *payload.get("heading_path", ()), payload.get("text", "")))
