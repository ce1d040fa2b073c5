"""Two processes that share a PostgreSQL and an index, as machines share a catalog and a Qdrant server."""

from __future__ import annotations

import copy
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from multiprocessing.managers import BaseManager
from pathlib import Path
from typing import Any, Protocol, cast

from sqlalchemy import text

from ingest import moving
from ingest.bindings import BoundPlaces
from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.files import FileStore
from ingest.index.base import VectorIndex
from ingest.index.routed import RoutedIndex
from ingest.moving import Mover
from ingest.pipeline import Pipeline, Upload
from ingest.records import KnowledgeBase, State
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder, MemoryIndex

TOKENS = 64
FIRST = {f"{topic}.txt": f"The {topic} is made of oak." for topic in ("door", "window", "cellar", "garden", "engine")}
# One there and back: an index of a name that was used before is another one.
MODELS = ("other", "hash", "other")
_WRITES = ("upsert", "set_live", "set_payload", "delete", "drop")
_KEY = b"loopback, for one test"


class Asked(Protocol):
    """The engines, here or in another process."""

    def ask(self, model: str, method: str, *arguments: Any, **named: Any) -> Any:
        """Call a method of an index."""
        ...

    def written(self) -> int:
        """How often an index was written to."""
        ...


class Engines:
    """One index an embedder, for all processes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._indexes: dict[str, MemoryIndex] = {}
        self._writes = 0

    def ask(self, model: str, method: str, *arguments: Any, **named: Any) -> Any:
        with self._lock:
            self._writes += method in _WRITES
            found = getattr(self._indexes.setdefault(model, MemoryIndex()), method)(*arguments, **named)
            return list(found) if isinstance(found, Iterator) else copy.deepcopy(found)

    def written(self) -> int:
        return self._writes

    def held(self) -> dict[str, dict[str, int]]:
        """Points of each space of each index, empty ones left out."""
        spaces = {
            model: {name: len(points) for name, points in index._spaces.items() if points}
            for model, index in self._indexes.items()
        }
        return {model: held for model, held in spaces.items() if held}


class Remote(BaseManager):
    """Lends the engines of the test's process to others."""


def serve(engines: Engines) -> tuple[str, int]:
    """Lend engines; the address at which they are asked for."""

    class Lender(BaseManager):
        pass

    Lender.register("engines", callable=lambda: engines)
    server = Lender(("127.0.0.1", 0), _KEY).get_server()
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return cast("tuple[str, int]", server.address)


def borrow(address: tuple[str, int]) -> Asked:
    """The engines of another process."""
    Remote.register("engines")
    remote = Remote(address, _KEY)
    remote.connect()
    return cast("Asked", remote.engines())  # type: ignore[attr-defined]  # made by register


class SharedIndex:
    """An index of the engines: every method is asked of them."""

    engine = "server"

    def __init__(self, engines: Asked, model: str) -> None:
        self._engines = engines
        self._model = model

    def __getattr__(self, method: str) -> Any:
        return partial(self._engines.ask, self._model, method)


class SharedRig:
    """One process: knowledge base "kb" of a PostgreSQL, its index in the engines."""

    def __init__(self, folder: Path, url: str, engines: Asked) -> None:
        self.folder = folder
        self.database = open_database(url)
        self.catalog = Catalog(self.database)
        embedders = {"hash": HashEmbedder(size=64), "other": HashEmbedder(size=96, name="other")}
        self.index = RoutedIndex(
            self.catalog,
            "server",
            lambda: ("hash", 64),
            lambda _engine, model, _size: cast("VectorIndex", SharedIndex(engines, model)),
            self.catalog.touch,
        )
        places, sparse = BoundPlaces(self.index, embedders.__getitem__), SparseEncoder()
        files = FileStore(folder / "files")
        self.pipeline = Pipeline(
            self.catalog, files, self.index, embedders["hash"], sparse, TOKENS, shared=True, places=places
        )
        self.mover = Mover(self.catalog, self.index, places, sparse, self.pipeline)

    @property
    def kb(self) -> KnowledgeBase:
        return self.catalog.knowledge_base("kb")

    def ingest(self, texts: dict[str, str]) -> None:
        uploads = []
        for name, content in texts.items():
            path = self.folder / "in" / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
            uploads.append(Upload(name, path))
        results = list(self.pipeline.ingest(self.kb, uploads))
        assert [result.state for result in results] == [State.READY] * len(texts), results


def write(folder: Path, url: str, address: tuple[str, int]) -> tuple[dict[str, str], dict[str, list[str]]]:
    """The process that adds, replaces, tags and deletes documents until there is a file ``stop``.

    Returns the text and the tags of each document that shall be there.
    """
    rig = SharedRig(folder, url, borrow(address))
    texts, tags, number = dict(FIRST), {}, 0
    while number < 2 or not (folder / "stop").exists():
        number += 1
        changed = {
            f"new {number}.txt": f"The chimney is of brick {number}.",
            "door.txt": f"The door is of steel {number}.",
        }
        rig.ingest(changed)
        texts |= changed
        document = rig.catalog.document(rig.kb, "window.txt")
        said = [f"tag {number}"]
        rig.pipeline.stages.curator.change(rig.kb, document, lambda before, to=said: replace(before, tags=tuple(to)))
        tags["window.txt"] = said
        if number > 2:
            rig.pipeline.delete(rig.kb, f"new {number - 2}.txt")
            del texts[f"new {number - 2}.txt"]
    rig.database.dispose()
    return texts, tags


def migrate(folder: Path, url: str, address: tuple[str, int]) -> list[int]:
    """The process that moves the knowledge base through MODELS, each time with somebody waiting at the closed gate.

    Returns how often each index was written to while the gate was closed.
    """
    moving.WINDOW = 2
    engines = borrow(address)
    rig = SharedRig(folder, url, engines)
    written: list[int] = []

    def report(_kb: str, stage: str, *_: int) -> None:
        if stage == "comparing":
            before = engines.written()
            until_somebody_waits(rig)
            written.append(engines.written() - before)

    for model in MODELS:
        assert rig.mover.migrate(rig.kb, report, model=model).switched
    (folder / "stop").touch()
    rig.database.dispose()
    return written


def until_somebody_waits(rig: SharedRig) -> None:
    """Until another connection waits for a row's lock."""
    waiting = text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
    end = time.monotonic() + 60
    with rig.database.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        while not connection.execute(waiting).scalar():
            assert time.monotonic() < end, "nobody came to write"
            time.sleep(0.02)


def texts_and_tags(rig: SharedRig) -> tuple[dict[str, str], dict[str, list[str]]]:
    """What customers are answered from, as the index has it; a document's passages must be one."""
    hits = list(rig.index.payloads(rig.kb.id, live=True))
    assert set(Counter(hit.payload["document"] for hit in hits).values()) == {1}
    texts = {hit.payload["document"]: hit.payload["text"] for hit in hits}
    return texts, {hit.payload["document"]: hit.payload["tags"] for hit in hits if hit.payload.get("tags")}
