"""The application over fakes, as the tests of the HTTP side ask it: no server, no socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import Engine

from app.conversations import Conversations
from app.health import Checkup
from app.idempotency import IdempotencyKeys
from app.main import create_app
from app.metrics import Metrics
from app.rag.counts import CacheCounts
from app.service import Service
from app.settings import AppSettings
from app.workspace import Settings
from ingest.bindings import FixedPlaces
from ingest.catalog import Catalog
from ingest.errors import IndexUnavailable
from ingest.files import FileStore
from ingest.pipeline import Pipeline
from ingest.settings import IngestSettings
from ingest.sparse import SparseEncoder
from serving.settings import ServingSettings
from serving.tracing import Tracing
from tests.unit.app.rigging import desk

KEY = "a-key-of-more-than-sixteen-letters"
LOOPBACK = "http://127.0.0.1"


class FakeWorkspace:
    """What the routes reach of a workspace: real catalog, files and pipeline, fake index and embedder."""

    def __init__(self, engine: Engine, settings: Settings, folder: Path) -> None:
        self.engine = engine
        self.settings = settings
        self.catalog = Catalog(engine)
        given = desk()
        self.embedder, self.index = given.embedder, given.index
        self.places = FixedPlaces(self.index, self.embedder)
        self.engines: list[Any] = []
        self.cache_counts = CacheCounts()
        self.files = FileStore(folder / "files")
        self.pipeline = Pipeline(self.catalog, self.files, self.index, self.embedder, SparseEncoder(), chunk_tokens=64)
        if not self.catalog.knowledge_bases():
            self.catalog.create_knowledge_base("default")


class FakeIngestor:
    """Ingestion that has nothing to do."""

    alive, problem, running = True, "", ()

    def wake(self) -> None:
        pass

    def progress_of(self, version: object) -> None:
        return None


class Chain:
    """A chain that yields what it is given, then raises ``error`` or hangs; it keeps what it was asked."""

    def __init__(self, *events: Any, error: Exception | None = None, hangs: bool = False) -> None:
        self.events, self.error, self.hangs = events, error, hangs
        self.asked: list[Any] = []
        self.given_up = False

    async def stream(self, ask: Any) -> AsyncIterator[Any]:
        self.asked.append(ask)
        try:
            for event in self.events:
                yield event
            if self.error is not None:
                raise self.error
            if self.hangs:
                await asyncio.Event().wait()
        except (asyncio.CancelledError, GeneratorExit):
            self.given_up = True
            raise


def index_away() -> Chain:
    return Chain(error=IndexUnavailable("the Qdrant server does not answer"))


@dataclass
class Desks:
    """Makes clients of applications that share a database; ``service`` is that of the last one."""

    engine: Engine
    folder: Path
    made: list[Service] = field(default_factory=list)
    tracing: Tracing = field(default_factory=Tracing)

    @property
    def service(self) -> Service:
        return self.made[-1]

    def app(self, chain: Any = None, **values: Any) -> Any:
        settings = Settings(IngestSettings(), ServingSettings(), AppSettings(**values))
        workspace: Any = FakeWorkspace(self.engine, settings, self.folder)
        ingestor: Any = FakeIngestor()
        service = Service(
            workspace, chain or desk().chain(), Conversations(self.engine), IdempotencyKeys(self.engine), ingestor,
            Metrics(), Checkup(workspace, ingestor), tracing=self.tracing,
        )  # fmt: skip
        self.made.append(service)
        return create_app(service)

    def __call__(self, chain: Any = None, host: str = LOOPBACK, **values: Any) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app(chain, **values), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=host)


Make = Callable[..., httpx.AsyncClient]


def send(client: httpx.AsyncClient, method: str, path: str, **arguments: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        async with client:
            return await client.request(method, path, **arguments)

    return asyncio.run(run())


def fails(reply: httpx.Response) -> tuple[int, str]:
    """Status and type of an error, which must have the one shape."""
    error = reply.json()["error"]
    assert set(error) == {"message", "type", "code", "param", "request_id"}
    assert reply.headers["x-request-id"] == error["request_id"]
    return reply.status_code, error["type"]
