"""Answers that a person wrote, given as they stand: for the very question, or for one that means the same."""

from __future__ import annotations

import asyncio
import re
import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cachetools import LRUCache

from app.rag.answer import Answer, Ask, Citation, Outcome
from app.rag.leaning import Lacks, leaning
from app.rag.semantic import QuestionShelf
from ingest.curated import CuratedAnswer, CuratedAnswers, is_address
from ingest.embed import Embedder
from ingest.records import KnowledgeBase
from ingest.schema import EVERYTHING
from ingest.wording import normal_question

CURATED_ENGINE = "curated"
_BASES = 256
# Messages before a question that it may lean on.
_RECENT = 4
_MARK = re.compile(r"\[\d{1,2}\]")
# A mark at the end of such a line would become a part of it.
_BLOCK_END = re.compile(r"(?:\||```|~~~)\s*$")


@dataclass(frozen=True, slots=True)
class Match:
    """A curated answer, and the question of it that was asked; ``cosine`` is 1 for the very question."""

    curated: CuratedAnswer
    question: str
    cosine: float = 1.0


@dataclass(slots=True)
class _Shelf:
    """The curated answers of a knowledge base as of a corpus version."""

    corpus_version: int
    by_question: dict[str, CuratedAnswer]
    by_meaning: QuestionShelf[CuratedAnswer] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class CuratedShelf:
    """Curated answers in memory, read again whenever their knowledge base has changed.

    threshold: cosine from which a question may mean the same; None to match the very questions only.
    """

    def __init__(self, rows: CuratedAnswers, embedder: Embedder, threshold: float | None) -> None:
        self._rows = rows
        self._embedder = embedder
        self._threshold = threshold
        self._shelves: LRUCache[str, _Shelf] = LRUCache(_BASES)
        self._lock = threading.Lock()

    @staticmethod
    def asks(ask: Ask) -> bool:
        """Whether a question is one that a person may have answered.

        Not one that leans on what was said before, is asked of some documents only, or wants one engine or a bare fact.
        """
        plain = ask.engine is None and ask.style == "sentence" and ask.filters == EVERYTHING
        own = ask.principal.tenant == ask.knowledge_base.tenant
        if not (plain and own and ask.question.strip()):
            return False
        recent = " ".join(message.content for message in ask.history[-_RECENT:])
        return not ask.history or leaning(ask.question, recent).lacks is Lacks.NOTHING

    def exact(self, ask: Ask) -> Match | None:
        """The answer to the very question, where the shelf is in memory."""
        shelf = self._in_memory(ask.knowledge_base)
        if shelf is None or not shelf.by_question or not self.asks(ask):
            return None
        question = normal_question(ask.question)
        found = shelf.by_question.get(question)
        return Match(found, ask.question) if found is not None and found.given(datetime.now(UTC)) else None

    async def find(self, ask: Ask) -> Match | None:
        """The answer to the very question, or to one that means the same."""
        if self._in_memory(ask.knowledge_base) is None:
            await asyncio.to_thread(self._load, ask.knowledge_base)
        found = self.exact(ask)
        if found is not None or self._threshold is None:
            return found
        shelf = self._in_memory(ask.knowledge_base)
        if shelf is None or not shelf.by_question:
            return None
        return await asyncio.to_thread(self._by_meaning, shelf, self._threshold, ask.question)

    def answer(self, match: Match, ask: Ask, milliseconds: float) -> Answer:
        """The answer as customers get it, its curated entry the first source, the source that it names the second."""
        curated, draft = match.curated, match.curated.draft
        own = Citation(
            n=1,
            document=f"curated/{curated.id}",
            title=draft.questions[0],
            version=curated.updated_at.isoformat(),
            page=None,
            sheet=None,
            heading="",
            text=draft.answer,
        )
        citations = (own, *_source(curated))
        how = "the very question" if match.cosine == 1.0 else f"it means {match.question!r}, {match.cosine:.3f}"
        return Answer(
            answer=_marked(draft.answer, len(citations)),
            outcome=Outcome.ANSWERED,
            citations=citations,
            engine=CURATED_ENGINE,
            timings_ms={"curated": milliseconds, "total": milliseconds},
            language=draft.language,
            standalone_question=ask.question.strip(),
            verdict=f"a person wrote the answer ({how})",
        )

    def _in_memory(self, kb: KnowledgeBase) -> _Shelf | None:
        with self._lock:
            shelf = self._shelves.get(kb.id)
        # One that is newer than the question's knowledge is as good.
        return shelf if shelf is not None and shelf.corpus_version >= kb.corpus_version else None

    def _load(self, kb: KnowledgeBase) -> None:
        found = self._rows.all(kb.id)
        by_question = {normal_question(text): each for each in found for text in each.draft.questions}
        made = _Shelf(kb.corpus_version, by_question)
        with self._lock:
            known = self._shelves.get(kb.id)
            if known is None or known.corpus_version <= kb.corpus_version:
                self._shelves[kb.id] = made

    def _by_meaning(self, shelf: _Shelf, threshold: float, question: str) -> Match | None:
        # Embedded before the lock is taken; it is remembered.
        self._embedder.embed_query(question)
        now = datetime.now(UTC)
        with shelf.lock:
            if shelf.by_meaning is None:
                by_meaning: QuestionShelf[CuratedAnswer] = QuestionShelf(self._embedder, threshold)
                by_meaning.add([(text, each) for each in shelf.by_question.values() for text in each.draft.questions])
                shelf.by_meaning = by_meaning
            found = shelf.by_meaning.find(question, lambda each: each.given(now))
        return Match(found[2], found[0], found[1]) if found is not None else None


def _source(curated: CuratedAnswer) -> tuple[Citation, ...]:
    source, document = curated.draft.source, curated.document
    if not source:
        return ()
    if is_address(source):
        return (Citation(2, source, source, "", None, None, "", source),)
    if document is None:
        return ()
    return (Citation(2, source, document.title or source, document.version, None, None, "", document.title or source),)


def _marked(text: str, sources: int) -> str:
    """The text with its marks; one that a person wrote with marks keeps them."""
    if _MARK.search(text):
        return text
    marks = "".join(f"[{n}]" for n in range(1, sources + 1))
    return f"{text}\n\n{marks}" if _BLOCK_END.search(text) else f"{text} {marks}"
