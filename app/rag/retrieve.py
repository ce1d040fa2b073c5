"""Hybrid retrieval: question to passages, through LangChain's retriever interface."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from pydantic import ConfigDict

from app.rag.collapse import collapsed
from app.rag.fusion import Fused, merge
from app.rag.question import Wording, wordings_of
from app.rag.ranking import rank
from app.rag.rerank import Reranking
from app.rag.rewordings import Reworder
from app.rag.synonyms import Named
from app.rag.widen import ROOM, neighbours_of, widened
from ingest.bindings import FixedPlaces, Place, Places, still_answers
from ingest.embed import Embedder, Vectors
from ingest.errors import VectorIndexError
from ingest.index.base import Hit, LegHits, VectorIndex, writing_of
from ingest.language import detect_language
from ingest.records import KnowledgeBase
from ingest.schema import EVERYTHING, PUBLIC, Filters, Principal
from ingest.sparse import SparseEncoder
from serving.passages import Part, Passage, content_tokens

LEG_LIMIT = 50
T = TypeVar("T")


class LiveVersions(Protocol):
    """What retrieval asks the catalog: which of these (version, generation) pairs may answer at a moment."""

    def live_among(
        self, pairs: Iterable[tuple[str, int]], filters: Filters = EVERYTHING, at: datetime | None = None
    ) -> set[tuple[str, int]]:
        """Those that are live, enabled, within their time, and among what is asked for."""
        ...


@dataclass(frozen=True, slots=True)
class Retrieved:
    """Fused passages with what each leg found, for answering and for the retrieval-test screen alike.

    vectors:  unit vectors of the wordings, by text; empty where the embedder does not know the language.
    wordings: what was searched for; the verdict asks the same.
    named:    terms of the glossary that they hold.
    nearest:  best cosine that any of the wordings found; None where the dense leg was not asked, or found nothing.
    """

    fused: list[Fused]
    legs: LegHits
    language: str
    timings_ms: dict[str, float]
    vectors: Mapping[str, Vectors] = field(default_factory=dict)
    wordings: tuple[Wording, ...] = ()
    named: tuple[Named, ...] = ()
    nearest: float | None = None

    def passages(self, limit: int) -> list[Passage]:
        """The best passages that say different things, numbered from 1."""
        return [_passage(n, f, same) for n, (f, same) in enumerate(collapsed(self.fused, limit), start=1)]


class HybridSearch:
    """Dense and sparse legs over one index, fused; blocking, so the event loop calls it in a thread.

    reworder: gives further wordings of questions, with synonyms and without slips; None for none.
    """

    def __init__(
        self,
        index: VectorIndex,
        catalog: LiveVersions,
        embedder: Embedder,
        sparse: SparseEncoder,
        places: Places | None = None,
        reworder: Reworder | None = None,
        reranking: Reranking | None = None,
    ) -> None:
        self._catalog = catalog
        self._embedder = embedder
        self._sparse = sparse
        self._places = places or FixedPlaces(index, embedder)
        self._reworder = reworder
        self._reranking = reranking

    def over(self, index: VectorIndex, embedder: Embedder) -> HybridSearch:
        """The same retrieval over another index of the same passages, which nobody is answered from yet."""
        places = FixedPlaces(index, embedder)
        return HybridSearch(index, self._catalog, embedder, self._sparse, places, self._reworder, self._reranking)

    def search(
        self,
        kb: KnowledgeBase,
        question: str,
        principal: Principal = PUBLIC,
        filters: Filters = EVERYTHING,
        wordings: Sequence[Wording] = (),
    ) -> Retrieved:
        """Passages for a standalone question, best first; only live versions that the principal may see.

        A question that met a switch to another index is asked once more, of the new one: never of half of each.

        wordings: ways to put it, each searched for by itself; the question and its parts when there are none.

        Raises:
            IndexMismatch: the embedder that the knowledge base is bound to cannot be had.
        """
        asked = tuple(wordings) or wordings_of(question)
        return self._at_one_place(kb, lambda place: self._search(kb, place, question, asked, principal, filters))

    def _at_one_place(self, kb: KnowledgeBase, ask: Callable[[Place], T]) -> T:
        while True:
            try:
                found = ask(self._places.of(kb))
            except VectorIndexError as exc:
                kb = still_answers(self._places, kb, exc)
                continue
            now = self._places.moved(kb)
            if now is None:
                return found
            kb = now

    def _search(
        self,
        kb: KnowledgeBase,
        place: Place,
        question: str,
        wordings: Sequence[Wording],
        principal: Principal,
        filters: Filters,
    ) -> Retrieved:
        # One moment for all legs and the catalog: a document must not end between two of them.
        now = datetime.now(UTC)
        language = detect_language(question)
        # A leg whose model does not know the language would vote at random.
        knows = place.embedder.knows(language)
        timings = {"embed": 0.0, "search": 0.0, "rank": 0.0}
        named: tuple[Named, ...] = ()
        if self._reworder is not None:
            clock = time.perf_counter()
            wordings, named = self._reworder.reworded(kb, place, wordings, language, principal)
            timings["reword"] = 1e3 * (time.perf_counter() - clock)
        found: list[tuple[Wording, LegHits]] = []
        vectors: dict[str, Vectors] = {}
        for wording in wordings:
            clock = time.perf_counter()
            dense = place.embedder.embed_query(wording.text) if knows else None
            # The judge compares with the settings' embedder, which its thresholds were fitted to.
            if dense is not None and place.embedder.name == self._embedder.name:
                vectors[wording.text] = dense
            embedded = time.perf_counter()
            sparse = self._sparse.encode_query(wording.text)
            legs = place.index.search(
                place.space,
                dense=dense,
                sparse=sparse,
                principal=principal,
                limit=LEG_LIMIT,
                filters=filters,
                at=now.timestamp(),
            )
            found.append((wording, self._live(legs, filters, now)))
            timings["embed"] += 1e3 * (embedded - clock)
            timings["search"] += 1e3 * (time.perf_counter() - embedded)
        clock = time.perf_counter()
        ranked = [rank(wording.text, legs) for wording, legs in found]
        fused = merge(ranked, [wording.weight for wording in wordings])
        timings["rank"] = 1e3 * (time.perf_counter() - clock)
        if self._reranking is not None:
            clock = time.perf_counter()
            fused = self._reranking.order(question, fused)
            timings["rerank"] = 1e3 * (time.perf_counter() - clock)
        # Cosines of another embedder, in the middle of a migration, are on another scale.
        nearest = _nearest(found) if place.embedder.name == self._embedder.name else None
        return Retrieved(fused, found[0][1], language, timings, vectors, tuple(wordings), named, nearest)

    def passages(
        self,
        kb: KnowledgeBase,
        found: Retrieved,
        limit: int,
        principal: Principal = PUBLIC,
        filters: Filters = EVERYTHING,
        *,
        neighbours: bool = False,
    ) -> list[Passage]:
        """The best passages as they are judged and answered from.

        neighbours: with the chunks that they go on in, where a list, a table or a sentence was cut in two; costs one more
                    request to the index where a cut shows, and none where none does.
        """
        shown = collapsed(found.fused, limit)
        wanted = neighbours_of([fused for fused, _ in shown]) if neighbours else {}
        there = self._fetched(kb, {identity for ids in wanted.values() for identity in ids}, principal, filters)
        passages, room = [], ROOM
        for n, (fused, same) in enumerate(shown, start=1):
            parts = widened(fused.hit, [there[i] for i in wanted.get(fused.hit.id, ()) if i in there], room)
            # A chunk between two passages is shown with the better one only.
            for part in parts:
                there.pop(part.id, None)
            room -= sum(int(part.payload.get("tokens", 0)) for part in parts if part is not fused.hit)
            passages.append(_passage(n, fused, same, parts))
        return passages

    def _fetched(
        self, kb: KnowledgeBase, ids: Collection[str], principal: Principal, filters: Filters
    ) -> dict[str, Hit]:
        """Those of some chunks that may be shown, by id. Of the writings that were found, which the catalog calls live."""
        if not ids:
            return {}
        now = datetime.now(UTC).timestamp()

        def ask(place: Place) -> list[Hit]:
            return place.index.fetch(place.space, sorted(ids), principal=principal, filters=filters, at=now)

        return {hit.id: hit for hit in self._at_one_place(kb, ask)}

    def titles_like(
        self, kb: KnowledgeBase, text: str, principal: Principal = PUBLIC, filters: Filters = EVERYTHING
    ) -> list[str]:
        """Titles and headings of the live passages that share most words with a text; no embedding is made."""
        now = datetime.now(UTC)
        sparse = self._sparse.encode_query(text)
        legs = self._at_one_place(
            kb,
            lambda place: place.index.search(
                place.space,
                dense=None,
                sparse=sparse,
                principal=principal,
                limit=LEG_LIMIT,
                filters=filters,
                at=now.timestamp(),
            ),
        )
        payloads = [hit.payload for hit in self._live(legs, filters, now).sparse]
        headings = (h for p in payloads for h in p["heading_path"] if len(content_tokens(h)) > 1)
        return list(dict.fromkeys([*(p["title"] for p in payloads if p["title"]), *headings]))

    def _live(self, legs: LegHits, filters: Filters, now: datetime) -> LegHits:
        # The catalog is the truth: what the points say may be a moment older.
        writings = {writing_of(hit.payload) for hit in (*legs.dense, *legs.sparse)}
        live = self._catalog.live_among(writings, filters, now)

        def keep(hits: Sequence[Hit]) -> list[Hit]:
            return [hit for hit in hits if writing_of(hit.payload) in live]

        return LegHits(keep(legs.dense), keep(legs.sparse))


class FrontdeskRetriever(BaseRetriever):
    """Our hybrid search as a LangChain retriever, bound to a knowledge base and a principal."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    search: HybridSearch
    knowledge_base: KnowledgeBase
    principal: Principal = PUBLIC
    filters: Filters = EVERYTHING
    limit: int = 5

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        found = self.search.search(self.knowledge_base, query, self.principal, self.filters)
        return [_document(passage) for passage in found.passages(self.limit)]

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun
    ) -> list[Document]:
        found = await asyncio.to_thread(self.search.search, self.knowledge_base, query, self.principal, self.filters)
        return [_document(passage) for passage in found.passages(self.limit)]


def _nearest(found: Iterable[tuple[Wording, LegHits]]) -> float | None:
    return max((legs.dense[0].score for _, legs in found if legs.dense), default=None)


def _passage(n: int, fused: Fused, same: Sequence[Fused] = (), parts: Sequence[Hit] = ()) -> Passage:
    payload = fused.hit.payload
    several = parts if len(parts) > 1 else ()
    return Passage(
        n=n,
        chunk_id=fused.hit.id,
        document=payload["document"],
        title=payload["title"],
        version=payload["version"],
        text="\n\n".join(part.payload["text"] for part in several) or payload["text"],
        heading_path=tuple(payload["heading_path"]),
        pages=tuple(payload["pages"]),
        sheet=payload["sheet"],
        language=payload["language"],
        score=fused.score,
        parts=tuple(Part(part.payload["text"], tuple(part.payload["pages"])) for part in several),
        also=tuple(dict.fromkeys(d for each in same if (d := each.hit.payload["document"]) != payload["document"])),
    )


def _document(passage: Passage) -> Document:
    return Document(
        id=passage.chunk_id,
        page_content=passage.text,
        metadata={
            "n": passage.n,
            "document": passage.document,
            "title": passage.title,
            "version": passage.version,
            "heading_path": list(passage.heading_path),
            "pages": list(passage.pages),
            "sheet": passage.sheet,
            "language": passage.language,
            "score": passage.score,
        },
    )
