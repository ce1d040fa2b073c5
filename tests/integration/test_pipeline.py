"""Ingestion over real shards, and what a killed process leaves behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.errors import NotFound
from ingest.files import FileStore
from ingest.index.edge import EdgeIndex
from ingest.pipeline import Pipeline, Upload
from ingest.records import KnowledgeBase, State
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder

ROOT = str(Path(__file__).parents[2])
SECTIONS = 300  # more than one window


class Shop:
    """A data folder opened with real parts; opening it again is a restart."""

    def __init__(self, folder: Path, index_type: type[EdgeIndex] = EdgeIndex) -> None:
        self._engine = open_database(f"sqlite:///{folder / 'catalog.db'}")
        self.folder = folder
        self.catalog = Catalog(self._engine)
        self.index = index_type(folder / "index", 256)
        files = FileStore(folder / "store")
        self.pipeline = Pipeline(self.catalog, files, self.index, HashEmbedder(), SparseEncoder(), 64)

    @property
    def kb(self) -> KnowledgeBase:
        try:
            return self.catalog.knowledge_base("shop")
        except NotFound:
            return self.catalog.create_knowledge_base("shop")

    def ingest(self, content: str) -> State:
        path = self.folder / "a.md"
        path.write_text(content)
        (result,) = self.pipeline.ingest(self.kb, [Upload("a.md", path)])
        return result.state

    def held(self) -> int:
        return self.index.count(self.kb.id)


@contextmanager
def opened(folder: Path) -> Iterator[Shop]:
    shop = Shop(folder)
    try:
        yield shop
    finally:
        shop.index.close()
        shop._engine.dispose()


def long(word: str) -> str:
    return "\n\n".join(f"# Heading {i}\n\nSection {i} about {word}." for i in range(SECTIONS))


def test_versions_come_and_go_without_leaving_points(tmp_path: Path) -> None:
    with opened(tmp_path) as shop:
        for word in ("salt", "pepper", "salt"):
            assert shop.ingest(long(word)) is State.READY
            assert shop.held() == SECTIONS
        latest = shop.catalog.document(shop.kb, "a.md").latest
        assert shop.index.writings(shop.kb.id) == {(latest.id, 3): SECTIONS}
        shop.pipeline.delete(shop.kb, "a.md")
        assert shop.held() == 0
    with opened(tmp_path) as shop:
        assert shop.held() == 0
        assert shop.pipeline.recover() == []


CHILD = """
import os, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from ingest.index.edge import EdgeIndex
from tests.integration.test_pipeline import Shop, long

class Deadly(EdgeIndex):
    calls = 0
    def {method}(self, *arguments):
        Deadly.calls += 1
        if Deadly.calls == {call} and {before}:
            os._exit(9)
        super().{method}(*arguments)
        if Deadly.calls == {call}:
            os._exit(9)

Shop(Path({folder!r}), Deadly).ingest(long("pepper"))
"""


@pytest.mark.parametrize(
    ("method", "call", "before"),
    [("upsert", 1, False), ("set_live", 1, True), ("set_live", 1, False)],
    ids=["between points", "before going live", "live in the index, not in the catalog"],
)
def test_a_killed_ingestion_is_cleaned_up_and_finished(tmp_path: Path, method: str, call: int, before: bool) -> None:
    with opened(tmp_path) as shop:
        assert shop.ingest("# Old\n\nThe old text.") is State.READY
    code = CHILD.format(root=ROOT, folder=str(tmp_path), method=method, call=call, before=before)
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert child.returncode == 9, child.stderr
    with opened(tmp_path) as shop:
        assert [v.document for v in shop.pipeline.recover()] == ["a.md"]
        assert shop.catalog.document(shop.kb, "a.md").latest.state is State.RECEIVED
        assert shop.held() == 1
        assert shop.pipeline.verify(shop.kb) == []
        assert [r.state for r in shop.pipeline.work_off()] == [State.READY]
        assert shop.held() == SECTIONS


def test_a_killed_deletion_is_finished(tmp_path: Path) -> None:
    with opened(tmp_path) as shop:
        assert shop.ingest(long("salt")) is State.READY
    code = CHILD.format(root=ROOT, folder=str(tmp_path), method="delete", call=1, before=True)
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert child.returncode == 9, child.stderr
    with opened(tmp_path) as shop:
        # The new version was published; the points of the old one were still to be deleted.
        assert shop.held() == 2 * SECTIONS
        assert shop.pipeline.recover() == []
        assert shop.held() == SECTIONS
        assert shop.catalog.document(shop.kb, "a.md").latest.state is State.READY
        assert shop.pipeline.verify(shop.kb) == []
