"""A knowledge base of a few texts, with a writer and filters that can be told what to do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Engine

from app.pairs import KnowledgePairs, PairParts, WriterParts
from ingest.catalog import Catalog
from ingest.index.base import Point, chunk_id
from ingest.index.routed import RoutedIndex
from ingest.pairs.near import tokens_of
from ingest.pairs.records import Draft, FoundChunk, Judged, PairKind, SourceChunk, Style
from ingest.records import KnowledgeBase, Version
from ingest.schema import Chunk
from ingest.sparse import SparseVector
from tests.fakes import MemoryIndex

REFUSAL = "NOT_FOUND"


class Writer:
    """Asks after each sentence of a passage; it can be told to fail at a text."""

    def __init__(self, name: str = "rules", version: str = "1") -> None:
        self.name, self.version = name, version
        self.asked: list[str] = []
        self.fails_at = ""

    def write(self, chunk: SourceChunk) -> Iterator[Draft]:
        if self.fails_at and self.fails_at in chunk.text:
            raise RuntimeError("the writer is gone")
        self.asked.append(chunk.text)
        for sentence in chunk.text.split(". "):
            said = sentence.strip(". ")
            yield Draft(
                f"What of {chunk.title}: {said}?", f"{said}.", (chunk,), f"{self.name}:sentence", chunk.language, evidence=said
            )  # fmt: skip


class Judge:
    """Drops what says "rubbish", and questions that it has seen."""

    def __init__(self) -> None:
        self.remembered: set[str] = set()

    def judge(self, draft: Draft) -> Judged:
        if "rubbish" in draft.answer:
            return Judged(draft, {"parse": "ok"}, "quality", "it is rubbish")
        if draft.question in self.remembered:
            return Judged(draft, {"parse": "ok"}, "duplicate", "seen before")
        self.remembered.add(draft.question)
        return Judged(draft, {"parse": "ok", "quality": "good"})

    def remember(self, question: str) -> None:
        self.remembered.add(question)


class Shelf:
    """A catalog with an index that tells it of changes, one knowledge base, and pairs over it."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.catalog = Catalog(engine)
        self.memory = MemoryIndex()
        self.index = RoutedIndex(
            self.catalog, "memory", lambda: ("hash", 256), lambda *_: self.memory, self.catalog.touch
        )
        self.base = self.catalog.create_knowledge_base("kb")
        self.writer, self.judge = Writer(), Judge()
        self.pairs = KnowledgePairs(self.catalog, self.index, self._parts)

    def _parts(self, kb: KnowledgeBase) -> PairParts:
        # A run has filters of its own, that remember nothing of the last one.
        self.judge = Judge()
        return PairParts(self.judge, self, lambda _: WriterParts([self.writer]))

    def find(self, question: str, limit: int = 5) -> Sequence[FoundChunk]:
        """Passages by words in common: retrieval for the filters and for imports."""
        words = tokens_of(question)
        hits = self.index.payloads(self.base.id, live=True)
        found = [
            FoundChunk(
                h.id, h.payload["text_hash"], h.payload["text"], float(len(words & tokens_of(h.payload["text"])))
            )
            for h in hits
        ]
        return sorted(found, key=lambda each: -each.score)[:limit]

    def put(self, document: str, *texts: str | tuple[tuple[str, ...], str], kb: KnowledgeBase | None = None) -> Version:
        """Publish a document of some passages, each with its headings or with one of its own."""
        base = kb or self.base
        content = repr(texts)
        version = self.catalog.begin_version(base, document, str(hash(content)), "f", 1)
        assert version is not None
        before = self.catalog.live_writing(version.document_id)
        points = []
        for ordinal, given in enumerate(texts):
            path, text = ((f"Section {ordinal}",), given) if isinstance(given, str) else given
            chunk = Chunk(ordinal, text, path)
            payload = {
                "tenant": base.tenant, "acl": ["public"], "document": document, "title": document.removesuffix(".md"),
                "version": version.id, "generation": version.generation, "live": 0, "ordinal": ordinal, "text": text,
                "text_hash": chunk.text_hash, "heading_path": list(path), "language": "en",
            }  # fmt: skip
            identity = chunk_id(version.id, version.generation, ordinal)
            points.append(Point(identity, SparseVector([1], [1.0]), payload))
        self.index.upsert(base.id, points)
        self.index.set_live(base.id, version.id, version.generation)
        assert self.catalog.publish(version, title=document, format="md", pages=None, chunks=len(texts))
        if before is not None:
            self.index.delete(base.id, *before)
        return version

    def delete(self, document: str) -> None:
        version = self.catalog.document(self.base, document).latest
        self.catalog.delete_document(self.base, document)
        self.index.delete(self.base.id, version.id, version.generation)

    def make(self, limit: int | None = None) -> None:
        self.pairs.make(self.base, quiet, limit=limit)

    def all(self) -> list[tuple[str, bool]]:
        """Each answer, and whether it is stale."""
        return [(pair.answer, pair.stale) for pair in self.pairs.page(self.base, limit=1000).found]


def quiet(*_: object) -> None:
    """Nobody is told of the progress."""


def draft(question: str, answer: str, *sources: SourceChunk, **what: object) -> Draft:
    """A pair by hand."""
    return Draft(question, answer, sources, "person", "en", **what)  # type: ignore[arg-type] # a test names what it needs


__all__ = ["REFUSAL", "Judge", "PairKind", "Shelf", "Style", "Writer", "draft", "quiet"]
