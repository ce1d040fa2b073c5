"""The composition root of everything that works on a data folder: settings in, wired parts out.

What LangChain is part of is imported where it is made: it takes a second, which a command that asks nothing need not wait.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from app.rag.batching import BatchingEmbedder
from app.rag.counts import CacheCounts
from app.settings import AppSettings
from app.worker import Worker, WorkerEmbedder
from ingest.address import Address
from ingest.bindings import BoundPlaces
from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.embed import Embedder, LocalEmbedder, load_embedder
from ingest.errors import SettingsError
from ingest.files import FileStore
from ingest.glossary import Glossary
from ingest.home import DataFolder
from ingest.index.base import VectorIndex
from ingest.index.routed import RoutedIndex
from ingest.limits import limits_of
from ingest.moving import Mover
from ingest.pipeline import Pipeline
from ingest.sandbox import Sandbox
from ingest.settings import IngestSettings, load_settings
from ingest.snapshot import Snapshots
from ingest.sparse import SparseEncoder
from serving.settings import ServingSettings

if TYPE_CHECKING:
    from app.rag.chain import AnswerChain
    from app.rag.front import AnswerFront
    from app.rag.rerank import Reranking
    from app.rag.retrieve import HybridSearch
    from app.rag.rewordings import Rewordings
    from serving.engines import ChatEngine
    from serving.fleet import PackagedFleet
    from serving.release_store import ReleaseStore
    from serving.served import ServedModels
    from serving.verifier import Verifier

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
        self._others: dict[str, LocalEmbedder] = {}
        self._workers: dict[str, Worker] = {}
        self._for_questions: dict[str, Embedder] = {}
        self._for_documents: dict[str, Embedder] = {}
        self._making = threading.RLock()

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

    def embedder_named(self, name: str) -> Embedder:
        """What embeds questions for indexes of an embedder, be it the settings' or another.

        Raises:
            SettingsError: it cannot be loaded.
        """
        if name == self.settings.ingest.embedding_model:
            return self.embedder
        with self._making:
            if name not in self._for_questions:
                model = self._other(name)
                self._for_questions[name] = BatchingEmbedder(model) if self._beside else model
            return self._for_questions[name]

    def document_embedder_named(self, name: str) -> Embedder:
        """The same for documents; a program that answers meanwhile has them embedded by a child.

        Raises:
            SettingsError: it cannot be loaded.
        """
        if not self._beside:
            return self.embedder_named(name)
        with self._making:
            if name not in self._for_documents:
                questions = self.embedder_named(name)
                if name == self.settings.ingest.embedding_model:
                    worker = self.worker
                else:
                    worker = self._workers[name] = Worker(self._settings_with(name), self.sandbox)
                self._for_documents[name] = WorkerEmbedder(questions, worker)
            return self._for_documents[name]

    def _other(self, name: str) -> LocalEmbedder:
        if name not in self._others:
            self._others[name] = load_embedder(self._settings_with(name), for_documents=not self._beside)
        return self._others[name]

    def _settings_with(self, model: str) -> IngestSettings:
        # The languages that the settings name are those of the settings' embedder.
        return self.settings.ingest.model_copy(update={"embedding_model": model, "embedding_languages": None})

    @cached_property
    def index(self) -> RoutedIndex:
        """The vector engines: each knowledge base is asked where the catalog says its points are; writing ends cached answers."""
        self.catalog.bind_engines(self.settings.ingest.vector_engine)
        index = RoutedIndex(
            self.catalog,
            self.settings.ingest.vector_engine,
            lambda: (self.embedder.name, self.embedder.size),
            self._open_index,
            self.catalog.touch,
        )
        if self.settings.ingest.vector_engine == "server":
            # A server that is not there stops the start, not the first question.
            self._open_engine(index)
        return index

    def _open_engine(self, index: RoutedIndex) -> None:
        index.at(index.whole(Address("", "", 0, "")))

    def _open_index(self, engine: str, model: str, size: int) -> VectorIndex:
        settings = self.settings.ingest
        if engine == "edge":
            from ingest.index.edge import EdgeIndex

            return EdgeIndex(settings.home / "index", size, tuning=settings.tuning)
        from ingest.index.server import connect

        if not settings.qdrant_url:
            raise SettingsError("FRONTDESK_QDRANT_URL: FRONTDESK_VECTOR_ENGINE=server needs the server's address")
        key = settings.qdrant_api_key.get_secret_value() if settings.qdrant_api_key else None
        return connect(
            settings.qdrant_url, key, settings.qdrant_timeout_s, model, size, settings.tuning, settings.cluster
        )

    @cached_property
    def places(self) -> BoundPlaces:
        """Index and embedder of each knowledge base, as questions need them."""
        return BoundPlaces(self.index, self.embedder_named)

    @cached_property
    def mover(self) -> Mover:
        """Builds indexes beside those that answer, and puts them in their place."""
        return Mover(
            self.catalog,
            self.index,
            BoundPlaces(self.index, self.document_embedder_named),
            self.sparse,
            self.pipeline,
        )

    @cached_property
    def snapshots(self) -> Snapshots:
        """Knowledge bases in archives."""
        places = BoundPlaces(self.index, self.document_embedder_named)
        return Snapshots(self.catalog, self.index, places, self.files, self.sparse)

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
            embedder = self.document_embedder_named(self.settings.ingest.embedding_model)
            pipeline = Pipeline(
                *parts,
                embedder,
                self.sparse,
                tokens,
                self.worker.read,
                shared=self.settings.ingest.shared,
                places=BoundPlaces(self.index, self.document_embedder_named),
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
            places=self.places,
        )
        if waiting := pipeline.recover():
            log.warning("%d documents wait for their ingestion: the next one finishes them", len(waiting))
        return pipeline

    @cached_property
    def search(self) -> HybridSearch:
        """Hybrid retrieval."""
        from app.rag.retrieve import HybridSearch

        parts = (self.index, self.catalog, self.embedder, self.sparse, self.places, self.rewordings, self._reranking())
        return HybridSearch(*parts)

    @cached_property
    def rewordings(self) -> Rewordings:
        """Synonyms and corrected slips."""
        from app.rag.rewordings import Rewordings
        from app.rag.vocabulary import Vocabularies

        words = Vocabularies() if self.settings.app.spelling else None
        return Rewordings(Glossary(self.engine), self.sparse, words)

    def _reranking(self) -> Reranking | None:
        app = self.settings.app
        if not app.reranker:
            return None
        from app.rag.rerank import Reranking
        from serving.reranker import load_reranker

        scorer = load_reranker(app.reranker)
        return Reranking(scorer, app.rerank_candidates, app.rerank_share, app.rerank_timeout_s)

    @cached_property
    def verifier(self) -> Verifier | None:
        """What gives a second opinion on what can be answered, unless the settings say off."""
        from serving.verifier import PACKAGED, load_verifier

        name = self.settings.app.verifier
        if name in ("", "off"):
            return None
        return load_verifier(PACKAGED if name == "packaged" else Path(name).expanduser())

    @cached_property
    def releases(self) -> ReleaseStore:
        """The releases of the data folder."""
        from serving.loading import packaged_base
        from serving.release_store import ReleaseStore

        return ReleaseStore(self.settings.ingest.releases_folder, packaged_base)

    @cached_property
    def packaged(self) -> PackagedFleet:
        """The packaged model and releases of it; weights are loaded at the first answer."""
        from serving.fleet import PackagedFleet
        from serving.live import LiveReleases

        roles = LiveReleases(self.engine).roles
        return PackagedFleet(self.settings.ingest.models_folder, self.settings.serving, self.releases, roles)

    @cached_property
    def engines(self) -> list[ChatEngine]:
        """The rungs that write, best first; nothing is loaded or connected yet."""
        from serving.engines import endpoint_engine
        from serving.fleet import PackagedRung
        from serving.served import ServedRung, named

        settings = self.settings.serving
        # An endpoint that is named stands before servers that are found.
        served = ServedRung(self.served, self.packaged.release_of, lambda: self.packaged.canary, settings)
        endpoint = (
            endpoint_engine(settings, named(self.releases, settings, self.settings.ingest.models_folder)) or served
        )
        return [endpoint, PackagedRung(self.packaged)] if settings.packaged else [endpoint]

    @cached_property
    def served(self) -> ServedModels:
        """Model servers of this machine that `frontdesk serve-model` started."""
        from serving.served import ServedModels

        ingest = self.settings.ingest
        return ServedModels(ingest.home, ingest.models_folder, self.settings.serving)

    @cached_property
    def chain(self) -> AnswerChain:
        """Question to cited answer."""
        from app.rag.chain import AnswerChain

        # Opening the pipeline first settles what an earlier process left in the index.
        _ = self.pipeline
        app = self.settings.app
        parts = (self.search, self.embedder, self.engines, app.top_k, app.question_max, self.verifier)
        # The calibrations were fitted to the packaged embedder's cosines.
        calibrated = self.settings.ingest.embedding_model == "packaged"
        stable = app.passage_order == "stable"
        return AnswerChain(*parts, neighbours=app.neighbours, calibrated=calibrated, stable_order=stable)

    @cached_property
    def answers(self) -> AnswerFront:
        """The chain behind curated answers; a process that answers many questions keeps their answers, too."""
        from app.rag.wiring import front_of

        parts = (self.chain, self.catalog, self.embedder, self.engines, self.settings.app, self.cache_counts)
        return front_of(*parts, caching=self._beside)

    def close(self) -> None:
        """Let go of models, index and database."""
        for worker in self._workers.values():
            worker.stop()
        if "sandbox" in self.__dict__:
            self.sandbox.stop()
        if "packaged" in self.__dict__:
            self.packaged.close()
        if "rewordings" in self.__dict__:
            self.rewordings.close()
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
