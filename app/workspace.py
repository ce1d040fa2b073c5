"""The composition root of everything that works on a data folder: settings in, wired parts out.

What LangChain is part of is imported where it is made: it takes a second, which a command that asks nothing need not wait.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from app.rag.batching import BatchingEmbedder
from app.rag.counts import CacheCounts
from app.settings import AppSettings
from app.worker import Worker, WorkerEmbedder
from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.embed import Embedder, LocalEmbedder, load_embedder
from ingest.errors import SettingsError
from ingest.files import FileStore
from ingest.home import DataFolder
from ingest.index.base import VectorIndex
from ingest.index.watched import WatchedIndex
from ingest.limits import limits_of
from ingest.pipeline import Pipeline
from ingest.sandbox import Sandbox
from ingest.settings import IngestSettings, load_settings
from ingest.sparse import SparseEncoder
from serving.settings import ServingSettings

if TYPE_CHECKING:
    from app.rag.chain import AnswerChain
    from app.rag.front import AnswerFront
    from app.rag.retrieve import HybridSearch
    from serving.engines import ChatEngine
    from serving.packaged import PackagedModel

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of all layers, read and checked together."""

    ingest: IngestSettings
    serving: ServingSettings
    app: AppSettings

    @classmethod
    def load(cls) -> Settings:
        """Read the environment and ``.env``.

        Raises:
            SettingsError: naming the first variable that is wrong.
        """
        return cls(load_settings(IngestSettings), load_settings(ServingSettings), load_settings(AppSettings))


class Workspace:
    """An open data folder. Heavy parts (embedder, index, models) are made when first asked for.

    beside: files are parsed and embedded in a process of their own, because this one answers customers.
    """

    def __init__(self, settings: Settings, engine: Engine, *, beside: bool = False) -> None:
        self._beside = beside
        self.settings = settings
        self.engine = engine
        self.catalog = Catalog(engine)

    @cached_property
    def embedder(self) -> Embedder:
        """The embedding model; loading it takes seconds."""
        if not self._beside:
            return self.model
        return BatchingEmbedder(self.model, self.settings.app.cache_queries, self.cache_counts)

    @cached_property
    def cache_counts(self) -> CacheCounts:
        """How often each cache had what was asked for."""
        return CacheCounts()

    @cached_property
    def model(self) -> LocalEmbedder:
        """The model behind the embedder."""
        return load_embedder(self.settings.ingest, for_documents=not self._beside)

    @cached_property
    def index(self) -> VectorIndex:
        """The vector engine that the settings name; what is written to it ends cached answers."""
        return WatchedIndex(self._engine(), self.catalog.touch)

    def _engine(self) -> VectorIndex:
        settings = self.settings.ingest
        if settings.vector_engine == "edge":
            from ingest.index.edge import EdgeIndex

            return EdgeIndex(settings.home / "index", self.embedder.size)
        from ingest.index.server import connect

        if not settings.qdrant_url:
            raise SettingsError("FRONTDESK_QDRANT_URL: FRONTDESK_VECTOR_ENGINE=server needs the server's address")
        key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
        return connect(settings.qdrant_url, key, settings.qdrant_timeout_s, self.embedder.name, self.embedder.size)

    @cached_property
    def sparse(self) -> SparseEncoder:
        """The BM25 encoder."""
        return SparseEncoder()

    @cached_property
    def files(self) -> FileStore:
        """Received files."""
        return FileStore(self.settings.ingest.files_folder)

    @cached_property
    def worker(self) -> Worker:
        """The processes that parse and embed, for a program that answers meanwhile."""
        return Worker(self.settings.ingest, self.sandbox)

    @cached_property
    def sandbox(self) -> Sandbox:
        """Reads files in processes of their own; the first one waits some seconds for them to start."""
        settings = self.settings.ingest
        return Sandbox(lambda: self.model.counter(), settings.chunk_tokens, limits_of(settings), ahead=self._beside)

    @cached_property
    def pipeline(self) -> Pipeline:
        """Ingestion; what a dead process left behind is settled before it is handed out."""
        parts = (self.catalog, self.files, self.index)
        tokens = self.settings.ingest.chunk_tokens
        if self._beside:
            embedder = WorkerEmbedder(self.embedder, self.worker)
            pipeline = Pipeline(
                *parts, embedder, self.sparse, tokens, self.worker.read, shared=self.settings.ingest.shared
            )
            # What was begun goes on by itself, as durable workflows.
            pipeline.reconciler.settle()
            return pipeline
        pipeline = Pipeline(
            *parts,
            self.embedder,
            self.sparse,
            tokens,
            self.sandbox.read,
            shared=self.settings.ingest.shared,
            readers=max(2, os.cpu_count() or 1),
        )
        if waiting := pipeline.recover():
            log.warning("%d documents wait for their ingestion: the next one finishes them", len(waiting))
        return pipeline

    @cached_property
    def search(self) -> HybridSearch:
        """Hybrid retrieval."""
        from app.rag.retrieve import HybridSearch

        return HybridSearch(self.index, self.catalog, self.embedder, self.sparse)

    @cached_property
    def packaged(self) -> PackagedModel:
        """The packaged model; its weights are loaded at the first answer."""
        from serving.packaged import PackagedModel

        return PackagedModel(self.settings.ingest.models_folder, self.settings.serving.packaged_dtype)

    @cached_property
    def engines(self) -> list[ChatEngine]:
        """The rungs that write, best first; nothing is loaded or connected yet."""
        from serving.engines import endpoint_engine, packaged_engine

        settings = self.settings.serving
        endpoint = endpoint_engine(settings)
        packaged = packaged_engine(self.packaged, settings) if settings.packaged else None
        return [engine for engine in (endpoint, packaged) if engine is not None]

    @cached_property
    def chain(self) -> AnswerChain:
        """Question to cited answer."""
        from app.rag.chain import AnswerChain

        # Opening the pipeline first settles what an earlier process left in the index.
        _ = self.pipeline
        app = self.settings.app
        return AnswerChain(self.search, self.embedder, self.engines, app.top_k, app.question_max)

    @cached_property
    def answers(self) -> AnswerFront:
        """The chain behind curated answers; a process that answers many questions keeps their answers, too."""
        from app.rag.wiring import front_of

        parts = (self.chain, self.catalog, self.embedder, self.engines, self.settings.app, self.cache_counts)
        return front_of(*parts, caching=self._beside)

    def close(self) -> None:
        """Let go of models, index and database."""
        if "sandbox" in self.__dict__:
            self.sandbox.stop()
        if "packaged" in self.__dict__:
            self.packaged.close()
        if "index" in self.__dict__:
            self.index.close()
        self.engine.dispose()


@contextmanager
def open_workspace(settings: Settings | None = None, *, own: bool = True, beside: bool = False) -> Iterator[Workspace]:
    """Open the data folder that the settings name.

    own:    hold it for this process; only commands that read nothing but the catalog do without.
    beside: see Workspace.

    Raises:
        DataFolderBusy: another process holds it.
        SettingsError: a setting is wrong.
    """
    settings = settings or Settings.load()
    with DataFolder(settings.ingest.home) if own else nullcontext():
        workspace = Workspace(settings, open_database(settings.ingest.sqlalchemy_url), beside=beside)
        try:
            yield workspace
        finally:
            workspace.close()
