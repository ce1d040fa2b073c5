"""Durable ingestion over real shards and a real workflow database, with an embedder that costs nothing."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, cast

from app import ingestion
from app.durable import workflow_database
from app.ingestion import Ingestor
from app.worker import Worker
from app.workflows import APPLICATION_VERSION
from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.embed import Vectors
from ingest.errors import NotFound
from ingest.files import FileStore
from ingest.index.base import VectorIndex
from ingest.index.edge import EdgeIndex
from ingest.pipeline import Pipeline, Upload
from ingest.reading import Read, Reader, read_document
from ingest.records import KnowledgeBase, State, Version
from ingest.sparse import SparseEncoder
from ingest.stages import Ingested
from tests.fakes import HashEmbedder

TOKENS = 64
PATIENCE_S = 60.0


class NoWorker:
    """Files are read in this process here."""

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass


class CountingEmbedder(HashEmbedder):
    """Notes how many texts it was asked for, in a file that outlives the process."""

    def __init__(self, note: Path) -> None:
        super().__init__()
        self._note = note

    def embed_documents(self, texts: Any) -> Vectors:
        with self._note.open("a") as note:
            note.write(f"embed {len(texts)}\n")
        return super().embed_documents(texts)


class Rig:
    """A data folder opened with real parts; opening it again is a restart.

    read: takes the place of reading, given the real one.
    """

    def __init__(
        self,
        folder: Path,
        *,
        database: str | None = None,
        index: VectorIndex | None = None,
        read: Callable[..., Read] | None = None,
        version: str = APPLICATION_VERSION,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.note = folder / "note"
        url = database or f"sqlite:///{folder / 'catalog.db'}"
        self.engine = open_database(url)
        self.catalog = Catalog(self.engine)
        self.index = index or EdgeIndex(folder / "index", 256)
        embedder = CountingEmbedder(self.note)
        real = partial(read_document, embedder=embedder, chunk_tokens=TOKENS)

        def noted(*given: Any, **named: Any) -> Read:
            with self.note.open("a") as note:
                note.write(f"read {given[1]}\n")
            return (partial(read, real) if read else real)(*given, **named)

        self.files = FileStore(folder / "files")
        self.pipeline = Pipeline(
            self.catalog, self.files, self.index, embedder, SparseEncoder(), TOKENS, cast("Reader", noted)
        )
        self.pipeline.reconciler.settle()
        self.finished: list[Ingested] = []
        self.ingestor = Ingestor(
            self.catalog,
            self.pipeline,
            cast("Worker", NoWorker()),
            self.finished.append,
            home=folder,
            database_url=workflow_database(url),
            application_version=version,
        )

    @property
    def kb(self) -> KnowledgeBase:
        try:
            return self.catalog.knowledge_base("shop")
        except NotFound:
            return self.catalog.create_knowledge_base("shop")

    def receive(self, name: str, content: str | bytes) -> Version:
        path = self.folder / "upload"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        found = self.pipeline.accept(self.kb, Upload(name, path))
        self.ingestor.wake()
        assert isinstance(found, Version), found
        return found

    def state(self, name: str) -> State:
        return self.catalog.document(self.kb, name).latest.state

    def until(self, *states: State, seconds: float = PATIENCE_S) -> dict[str, State]:
        """Wait until every document is in one of these states; ready or failed when none is named."""
        wanted = states or (State.READY, State.FAILED)
        end = time.monotonic() + seconds
        while True:
            found = {document.name: document.latest.state for document in self.catalog.documents(self.kb)}
            if found and all(state in wanted for state in found.values()):
                return found
            assert time.monotonic() < end, (found, self.ingestor.problem)
            time.sleep(0.05)

    def notes(self, verb: str) -> list[str]:
        lines = self.note.read_text().splitlines() if self.note.exists() else []
        return [line.split(" ", 1)[1] for line in lines if line.startswith(f"{verb} ")]

    def close(self) -> None:
        self.ingestor.stop()
        self.index.close()
        self.engine.dispose()


def eventually(holds: Callable[[], object], seconds: float = PATIENCE_S) -> bool:
    """Whether something comes true in time."""
    end = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@contextmanager
def opened(folder: Path, *, impatient: float | None = None, **options: Any) -> Iterator[Rig]:
    """A rig whose ingestion runs.

    impatient: seconds of silence after which work is taken over; it also looks more often then.
    """
    usual = ingestion.SILENCE, ingestion.IDLE_S
    if impatient is not None:
        ingestion.SILENCE, ingestion.IDLE_S = timedelta(seconds=impatient), impatient / 3
    rig = Rig(folder, **options)
    rig.ingestor.start()
    try:
        yield rig
    finally:
        rig.close()
        ingestion.SILENCE, ingestion.IDLE_S = usual


def sections(word: str, count: int) -> str:
    """A document of so many chunks."""
    return "\n\n".join(f"# Heading {i}\n\nSection {i} tells about {word}." for i in range(count))
