"""What the tests of ingestion share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.files import FileStore
from tests.fakes import HashEmbedder, MemoryIndex
from tests.unit.ingest.shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    yield Shop(tmp_path, Catalog(engine), FileStore(tmp_path / "store"), MemoryIndex(), HashEmbedder())
    engine.dispose()
