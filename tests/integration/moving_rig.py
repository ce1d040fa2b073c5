"""A data folder with two embedders and two engines to move between; opening it again is a restart."""

from __future__ import annotations

from pathlib import Path

from qdrant_client import QdrantClient

from app.rag.retrieve import HybridSearch
from ingest.bindings import BoundPlaces
from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.embed import Embedder
from ingest.errors import SettingsError
from ingest.files import FileStore
from ingest.index.base import VectorIndex
from ingest.index.edge import EdgeIndex
from ingest.index.routed import RoutedIndex
from ingest.index.server import ServerIndex
from ingest.moving import Mover
from ingest.pipeline import Pipeline, Upload
from ingest.records import KnowledgeBase, State
from ingest.snapshot import Snapshots
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder

TOKENS = 64
TOPICS = ("door", "window", "cellar", "garden", "engine", "battery", "warranty", "delivery")


class MovingRig:
    """Knowledge base "kb" with a document a topic; ``embedders`` by the names that the catalog knows them by."""

    def __init__(self, folder: Path, server: QdrantClient | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.engine = open_database(f"sqlite:///{folder / 'catalog.db'}")
        self.catalog = Catalog(self.engine)
        self.embedders: dict[str, Embedder] = {
            "hash": HashEmbedder(size=64),
            "other": HashEmbedder(size=96, name="other"),
        }
        self._server = server or QdrantClient(":memory:")
        default = self.embedders["hash"]
        self.index = RoutedIndex(self.catalog, "edge", lambda: (default.name, default.size), self._open)
        self.places = BoundPlaces(self.index, self._embedder)
        self.files = FileStore(folder / "files")
        self.sparse = SparseEncoder()
        self.pipeline = Pipeline(self.catalog, self.files, self.index, default, self.sparse, TOKENS, places=self.places)
        self.pipeline.reconciler.settle()
        self.mover = Mover(self.catalog, self.index, self.places, self.sparse, self.pipeline)
        self.snapshots = Snapshots(self.catalog, self.index, self.places, self.files, self.sparse)
        self.search = HybridSearch(self.index, self.catalog, default, self.sparse, self.places)

    def _open(self, engine: str, model: str, size: int) -> VectorIndex:
        return EdgeIndex(self.folder / "index", size) if engine == "edge" else ServerIndex(self._server, model, size)

    def _embedder(self, name: str) -> Embedder:
        if name not in self.embedders:
            raise SettingsError(f"FRONTDESK_EMBEDDING_MODEL: cannot load {name!r}")
        return self.embedders[name]

    @property
    def kb(self) -> KnowledgeBase:
        return self.catalog.knowledge_base("kb")

    def filled(self) -> MovingRig:
        """With a document a topic."""
        self.catalog.create_knowledge_base("kb")
        self.ingest(*((f"{topic}.txt", f"The {topic} is made of oak number {i}.") for i, topic in enumerate(TOPICS)))
        return self

    def ingest(self, *texts: tuple[str, str]) -> None:
        uploads = []
        for name, text in texts:
            path = self.folder / "in" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
            uploads.append(Upload(name, path))
        results = list(self.pipeline.ingest(self.kb, uploads))
        assert [result.state for result in results] == [State.READY] * len(texts), results

    def answers(self, topic: str) -> str:
        """The document that a question about a topic finds first, and that both legs know."""
        found = self.search.search(self.kb, f"What is the {topic} made of?")
        assert found.legs.dense, "the dense leg found nothing"
        assert found.legs.sparse, "the sparse leg found nothing"
        return str(found.fused[0].hit.payload["document"])

    def all_answer(self) -> bool:
        return all(self.answers(topic) == f"{topic}.txt" for topic in TOPICS)

    def shards(self) -> list[str]:
        return sorted(path.name for path in (self.folder / "index").iterdir())

    def close(self) -> None:
        self.index.close()
        self.engine.dispose()
