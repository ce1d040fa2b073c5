"""A knowledge base that is kept in step with sources: real catalog, files and pipeline; the index is handed in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app.sources import Uploads
from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.errors import NotFound
from ingest.files import FileStore
from ingest.pipeline import Pipeline, Upload
from ingest.records import KnowledgeBase, State
from ingest.settings import IngestSettings
from ingest.sources.addresses import normal_address, open_store
from ingest.sources.base import Store
from ingest.sources.rows import Source, Sources
from ingest.sources.sync import Look, Outcome, Sync
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder


@dataclass
class SourceShop:
    """Opening it again on its folder is a restart."""

    folder: Path
    index: Any
    settings: IngestSettings = field(default_factory=IngestSettings)

    def __post_init__(self) -> None:
        self.engine = open_database(f"sqlite:///{self.folder / 'catalog.db'}")
        self.catalog = Catalog(self.engine)
        self.rows = Sources(self.engine)
        self.files = FileStore(self.folder / "store")
        self.pipeline = Pipeline(self.catalog, self.files, self.index, HashEmbedder(), SparseEncoder(), chunk_tokens=64)
        self.pipeline.recover()

    @property
    def kb(self) -> KnowledgeBase:
        try:
            return self.catalog.knowledge_base("shop")
        except NotFound:
            return self.catalog.create_knowledge_base("shop")

    def source(self, address: str, prefix: str | None = None) -> Source:
        return self.rows.keep(self.kb.id, address, prefix, None)

    def look(self, address: str, store: Store | None = None, *, prefix: str | None = None, **options: Any) -> Outcome:
        """Look at a source; ingest what came."""
        source = self.source(normal_address(address), prefix)
        kb = self.kb
        self.pipeline.check_index(kb)
        try:
            sync = Sync(kb, source, self.rows, self.files, Uploads(self.pipeline), Look(**options))
            return sync.run(store or open_store(source.address, self.settings))
        finally:
            list(self.pipeline.work_off())

    def upload(self, name: str, content: str) -> None:
        path = self.folder / f"upload-{Path(name).name}"
        path.write_text(content)
        (result,) = self.pipeline.ingest(self.kb, [Upload(name, path)])
        assert result.state is State.READY

    def texts(self) -> dict[str, str]:
        """What the index holds of each document, live."""
        found: dict[str, str] = {}
        for document in self.catalog.documents(self.kb):
            for version in self.catalog.versions(document):
                if version.live:
                    points = self.index.points(self.kb.id, version.id, version.generation)
                    parts = sorted(points, key=lambda hit: int(hit.payload["ordinal"]))
                    found[document.name] = "\n".join(str(hit.payload["text"]) for hit in parts)
        return found

    def held(self) -> int:
        """Points in the index, hidden ones too."""
        return int(self.index.count(self.kb.id))

    def chunks(self) -> int:
        """Points that the catalog knows of."""
        return sum(v.chunks for d in self.catalog.documents(self.kb) for v in self.catalog.versions(d) if v.live)

    def close(self) -> None:
        self.index.close()
        self.engine.dispose()


@contextmanager
def opened(folder: Path, index: Callable[[], Any], settings: IngestSettings | None = None) -> Iterator[SourceShop]:
    shop = SourceShop(folder, index(), settings or IngestSettings())
    try:
        yield shop
    finally:
        shop.close()


Opener = Callable[..., AbstractContextManager[SourceShop]]


def md(word: str) -> str:
    return f"# About {word}\n\nThis is what we say about {word}.\n"
