"""The tests of pairs once more, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from ingest.database import Base, open_database

# The same test functions; the fixture `engine` below takes the place of SQLite's.
from tests.unit.ingest.pairs.test_pairs_store import *  # noqa: F403


@pytest.fixture
def engine(postgres: str) -> Iterator[Engine]:
    engine = open_database(postgres)
    yield engine
    with engine.begin() as connection:
        tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {tables} CASCADE"))
    engine.dispose()
