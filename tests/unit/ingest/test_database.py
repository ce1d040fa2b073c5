"""SQLite as it must be opened, the schema as Alembic makes it, and errors that hide the password."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, text

from ingest.database import Base, open_database
from ingest.errors import SettingsError


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    engine = open_database(f"sqlite:///{tmp_path / 'new folder' / 'catalog.db'}")
    yield engine
    engine.dispose()


@pytest.mark.parametrize(
    ("pragma", "expected"), [("journal_mode", "wal"), ("synchronous", 2), ("foreign_keys", 1), ("busy_timeout", 10000)]
)
def test_pragmas(engine: Engine, pragma: str, expected: str | int) -> None:
    with engine.connect() as one, engine.connect() as other:
        assert [c.scalar(text(f"PRAGMA {pragma}")) for c in (one, other)] == [expected, expected]


def test_the_migrations_make_the_schema_that_the_code_uses(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_opening_again_keeps_the_data(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO purges (knowledge_base_id, version_id, generation) VALUES ('kb', '', 0)"))
    again = open_database(engine.url.render_as_string(hide_password=False))
    with again.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM purges")) == 1
    again.dispose()


@pytest.mark.parametrize(
    "url",
    [
        "not a url",
        "nosuchdatabase://me:hunter2@127.0.0.1/x",
        "postgresql+nosuchdriver://me:hunter2@127.0.0.1/x",
        "postgresql+psycopg://me:hunter2@127.0.0.1:1/x?connect_timeout=2",
        "sqlite:////proc/nowhere.db",
    ],
)
def test_a_database_that_cannot_be_used(url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        open_database(url)
    assert str(caught.value).startswith("FRONTDESK_DATABASE_URL: ")
    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)
