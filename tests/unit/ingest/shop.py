"""A shop's knowledge base over a real catalog and an index in memory, for the tests of a document's life."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ingest.catalog import Catalog
from ingest.files import FileStore
from ingest.pipeline import Ingested, Pipeline, Upload
from ingest.records import KnowledgeBase
from ingest.schema import PUBLIC
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder, MemoryIndex


@dataclass
class Shop:
    """Everything that a pipeline works on, and a knowledge base."""

    folder: Path
    catalog: Catalog
    files: FileStore
    index: MemoryIndex
    embedder: HashEmbedder
    kb: KnowledgeBase = field(init=False)

    def __post_init__(self) -> None:
        self.kb = self.catalog.create_knowledge_base("shop")

    @property
    def pipeline(self) -> Pipeline:
        """A new one each time, as after a restart."""
        return Pipeline(self.catalog, self.files, self.index, self.embedder, SparseEncoder(), chunk_tokens=64)

    def upload(self, name: str, content: str | bytes, title: str = "") -> Upload:
        path = self.folder / f"source-{name}"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return Upload(name, path, title)

    def ingest(self, *uploads: Upload) -> list[Ingested]:
        base = self.catalog.knowledge_base("shop")
        return list(self.pipeline.ingest(base, uploads))

    def put(self, name: str, content: str) -> Ingested:
        (result,) = self.ingest(self.upload(name, content))
        return result

    def texts(self) -> list[str]:
        """What the index holds, hidden or not."""
        found = self.index.writings(self.kb.id)
        return sorted(hit.payload["text"] for pair in found for hit in self.index.points(self.kb.id, *pair))

    def answers(self, question: str) -> list[str]:
        """What a customer could be shown: live in the index, and live by the catalog."""
        vector = self.embedder.embed_query(question)
        hits = self.index.search(self.kb.id, dense=vector, sparse=None, principal=PUBLIC, limit=50).dense
        pairs = self.catalog.live_among((h.payload["version"], h.payload["generation"]) for h in hits)
        return [h.payload["text"] for h in hits if (h.payload["version"], h.payload["generation"]) in pairs]

    def stored(self) -> list[str]:
        return sorted(
            path.read_text() for path in (self.folder / "store").rglob("*") if path.is_file() and path.name != ".lock"
        )
