"""The running service: everything that requests share, opened once and closed in order."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from cachetools import LRUCache

from app.bases import BaseLookup
from app.conversations import Conversations
from app.durable import workflow_database
from app.errors import UsageError
from app.health import Checkup
from app.idempotency import IdempotencyKeys
from app.indexing import IndexTasks
from app.ingestion import Ingestor
from app.metrics import Metrics
from app.metrics_of_parts import PackagedMetrics, PartMetrics, ServerMetrics
from app.model_servers import watch_of
from app.pair_work import PairWork
from app.pairs import KnowledgePairs, pairs_of
from app.rag.chain import AnswerChain
from app.rag.front import AnswerFront
from app.rag.wiring import front_of
from app.sources import Keeper
from app.telling import Telling
from app.training_runs import TrainingRuns
from app.workspace import Settings, Workspace, open_workspace
from serving.server_watch import ServerWatch
from serving.tracing import Tracing, tracing_of

# Threads that wait for database, index and embedder; computing is bounded by the cores anyway.
THREADS = 32
# Texts whose tokens are remembered.
COUNTED = 2000


@dataclass(slots=True)
class Service:
    """What requests share; ``stopping`` is set when the program is about to end.

    answers: the chain with its caches and curated answers in front; what customers are answered by.
    """

    workspace: Workspace
    chain: AnswerChain
    conversations: Conversations
    idempotency: IdempotencyKeys
    ingestor: Ingestor
    metrics: Metrics
    checkup: Checkup
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    sources: Keeper = field(init=False)
    indexes: IndexTasks = field(init=False)
    pairs: KnowledgePairs = field(init=False)
    pair_work: PairWork = field(init=False)
    training: TrainingRuns = field(init=False)
    answers: AnswerFront = field(init=False)
    bases: BaseLookup = field(init=False)
    telling: Telling = field(init=False)
    servers: ServerWatch = field(init=False)
    # Off, unless whoever opens the service turns it on.
    tracing: Tracing = field(default_factory=Tracing)
    # Tokens of texts that were counted lately; of the event loop.
    counted: LRUCache[str, int] = field(default_factory=lambda: LRUCache(COUNTED))

    def __post_init__(self) -> None:
        self.sources = Keeper(self.workspace, self.ingestor.wake)
        self.indexes = IndexTasks(self.workspace, self.ingestor.wake)
        self.pairs = pairs_of(self.workspace)
        self.pair_work = PairWork()
        self.training = TrainingRuns(self.settings.ingest.home, self.settings.ingest.sqlalchemy_url)
        work = self.workspace
        parts = (work.catalog, work.embedder, work.engines, work.settings.app, work.cache_counts)
        self.answers = front_of(self.chain, *parts)
        self.servers = watch_of(work)
        self.metrics.watch_caches(work.cache_counts)
        self.metrics.watch(ServerMetrics(self.servers.seen))
        self.metrics.watch(PartMetrics(lambda: self.checkup.components))
        self.bases = BaseLookup(work.engine)
        self.telling = Telling(work.engine)

    @property
    def settings(self) -> Settings:
        """The settings of all layers."""
        return self.workspace.settings

    def check_question(self, question: str) -> None:
        """See that a question can be asked.

        Raises:
            UsageError: it is empty or too long.
        """
        most = self.settings.app.question_max
        if not question.strip():
            raise UsageError("the question is empty; write what you want to know")
        if len(question) > most:
            raise UsageError(f"the question has {len(question)} characters, {most} are allowed; ask a shorter one")


@asynccontextmanager
async def open_service(settings: Settings) -> AsyncIterator[Service]:
    """Open the data folder and start ingestion; everything slow happens in threads.

    Raises:
        DataFolderBusy: another process holds the data folder.
        SettingsError: a setting is wrong.
    """
    loop = asyncio.get_running_loop()
    threads = ThreadPoolExecutor(THREADS, thread_name_prefix="frontdesk")
    loop.set_default_executor(threads)
    opened = open_workspace(settings, beside=True)
    workspace = await asyncio.to_thread(opened.__enter__)
    try:
        service = await asyncio.to_thread(_assemble, workspace)
        service.ingestor.start()
        service.sources.start()
        service.indexes.start()
        service.servers.start()
        await service.checkup.probe()
        if settings.serving.packaged and settings.serving.endpoint_url is None:
            # It is the first rung then: nobody shall wait for its weights.
            threading.Thread(target=workspace.packaged.warm_up, name="warm-up", daemon=True).start()
        watching = asyncio.create_task(service.checkup.watch())
        try:
            yield service
        finally:
            service.stopping.set()
            watching.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await watching
            service.indexes.stop()
            await asyncio.to_thread(service.pair_work.stop)
            await asyncio.to_thread(service.training.close)
            await asyncio.to_thread(service.sources.stop)
            await asyncio.to_thread(service.servers.stop)
            await asyncio.to_thread(service.ingestor.stop)
            service.bases.close()
            await asyncio.to_thread(service.tracing.close)
    finally:
        await asyncio.to_thread(opened.__exit__, None, None, None)


def _assemble(workspace: Workspace) -> Service:
    metrics, tracing = Metrics(), tracing_of(os.environ)
    # Recovers what an earlier process left behind; loads the embedder, so that the first customer does not wait for it.
    chain = workspace.chain
    workspace.embedder.embed_query("warm up")
    conversations = Conversations(workspace.engine)
    conversations.recover()
    idempotency = IdempotencyKeys(workspace.engine)
    idempotency.recover()
    default = workspace.settings.app.kb
    if default not in {kb.name for kb in workspace.catalog.knowledge_bases()}:
        # A page that cannot upload before somebody knows what a knowledge base is has lost a newcomer.
        workspace.catalog.create_knowledge_base(default)
    ingest = workspace.settings.ingest
    ingestor = Ingestor(
        workspace.catalog,
        workspace.pipeline,
        workspace.worker,
        metrics.ingested,
        home=ingest.home,
        database_url=workflow_database(ingest.sqlalchemy_url),
    )
    metrics.waiting.set_function(lambda: workspace.catalog.count_waiting())
    metrics.generating.set_function(lambda: workspace.packaged.queued)
    metrics.watch(PackagedMetrics(lambda: workspace.packaged.written, lambda: workspace.packaged.canary_share))
    checkup = Checkup(workspace, ingestor)
    return Service(workspace, chain, conversations, idempotency, ingestor, metrics, checkup, tracing=tracing)
