"""Applications over fakes for the tests of the HTTP side."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.database import open_database
from tests.unit.app.http_rigging import Desks


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Desks]:
    """Makes clients of applications with given settings; the chain is that of a small base in memory."""
    engine = open_database(f"sqlite:///{tmp_path / 'http.db'}")
    yield Desks(engine, tmp_path)
    engine.dispose()
