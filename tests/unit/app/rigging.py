"""A small knowledge base in memory: real search, judge and chain over the fakes' index and embedder."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from app.rag.chain import AnswerChain
from app.rag.retrieve import HybridSearch
from ingest.index.base import Point, chunk_id
from ingest.language import detect_language
from ingest.records import KnowledgeBase
from ingest.schema import EVERYTHING, Filters
from ingest.sparse import SparseEncoder
from serving.engines import ChatEngine
from tests.fakes import HashEmbedder, MemoryIndex, ScriptedChatModel

KB = KnowledgeBase("kb1", "default", "default", "hash", 256, "f", datetime(2026, 1, 1, tzinfo=UTC))
TEXTS = {
    "warranty.docx": "The motor of the WM-900 is guaranteed for 10 years. The motor of the WM-700 is guaranteed for 5 years.",
    "fees.md": "A visit that finds no fault is charged at £65.",
    "returns.pdf": "We charge £25 to collect a large appliance that you return because you have changed your mind.",
    "shops.csv": "The shop in Leeds opens at 9:00.",
    "bx.docx": "RF-360N 的变频压缩机保修 12 年。上门费每次 60 元。",
    "tuigui.pdf": "签收后七天内可以无理由退货。",
}


@dataclass
class Live:
    """A catalog that calls everything live but what it is told."""

    dead: set[tuple[str, int]] = field(default_factory=set)

    def live_among(
        self, pairs: Iterable[tuple[str, int]], filters: Filters = EVERYTHING, at: datetime | None = None
    ) -> set[tuple[str, int]]:
        return set(pairs) - self.dead


def version_of(document: str) -> str:
    return f"v-{document}"


@dataclass
class Desk:
    """The parts of a chain, each within reach of a test."""

    embedder: HashEmbedder = field(default_factory=lambda: HashEmbedder(languages=("en",)))
    index: MemoryIndex = field(default_factory=MemoryIndex)
    catalog: Live = field(default_factory=Live)
    sparse: SparseEncoder = field(default_factory=SparseEncoder)

    def add(self, texts: dict[str, str], **payload: Any) -> Desk:
        points = []
        for document, text in texts.items():
            language, version = detect_language(text), version_of(document)
            fields = {
                "tenant": "default",
                "acl": ["public"],
                "document": document,
                "title": document.split(".")[0],
                "version": version,
                "generation": 1,
                "live": 1,
                "ordinal": 0,
                "text": text,
                "heading_path": [],
                "pages": [],
                "sheet": None,
                "language": language,
                **payload,
            }
            dense = self.embedder.embed_documents([text])[0] if self.embedder.knows(language) else None
            points.append(Point(chunk_id(version, 1, 0), self.sparse.encode_document(text), fields, dense))
        self.index.upsert(KB.id, points)
        return self

    @property
    def search(self) -> HybridSearch:
        return HybridSearch(self.index, self.catalog, self.embedder, self.sparse)

    def chain(self, *engines: ChatEngine, **options: int) -> AnswerChain:
        return AnswerChain(self.search, self.embedder, engines, **options)


def desk(texts: dict[str, str] | None = None) -> Desk:
    return Desk().add(TEXTS if texts is None else texts)


def engine(
    name: str = "endpoint", languages: Sequence[str] = ("*",), small: bool = False, total_s: float = 5.0, **script: Any
) -> ChatEngine:
    model = ScriptedChatModel(**script)
    return ChatEngine(name, f"{name}-release", model, languages, 800, total_s, lambda text: len(text) // 4, small=small)
