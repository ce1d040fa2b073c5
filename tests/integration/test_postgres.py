"""The catalog's tests once more, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from ingest.catalog import Catalog
from ingest.database import MIGRATIONS, Base, open_database
from ingest.errors import SettingsError
from ingest.files import FileStore
from ingest.pipeline import Pipeline, Upload
from ingest.records import State
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder, MemoryIndex

# The same test functions; the fixture `engine` below takes the place of SQLite's.
from tests.unit.ingest.test_catalog import *  # noqa: F403
from tests.unit.ingest.test_curation import *  # noqa: F403


@pytest.fixture
def engine(postgres: str) -> Iterator[Engine]:
    engine = open_database(postgres)
    yield engine
    with engine.begin() as connection:
        tables = ", ".join(table.name for table in Base.metadata.sorted_tables)
        connection.execute(text(f"TRUNCATE {tables} CASCADE"))
    engine.dispose()


def test_it_is_postgres(engine: Engine) -> None:
    assert engine.dialect.name == "postgresql"


def test_the_migrations_make_the_schema_that_the_code_uses(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, Base.metadata) == []


def test_migrations_go_down_and_up_again(engine: Engine) -> None:
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "base")
        assert inspect(connection).get_table_names() == ["alembic_version"]
        command.upgrade(config, "head")
        assert set(Base.metadata.tables) < set(inspect(connection).get_table_names())


def test_a_document_is_ingested(engine: Engine, tmp_path: Path) -> None:
    catalog, index = Catalog(engine), MemoryIndex()
    pipeline = Pipeline(catalog, FileStore(tmp_path / "store"), index, HashEmbedder(), SparseEncoder(), 64)
    kb = catalog.create_knowledge_base("网店")
    for content in ("退货需要七天。", "退货需要十天。"):
        (tmp_path / "退货.txt").write_text(content)
        assert [r.state for r in pipeline.ingest(kb, [Upload("退货.txt", tmp_path / "退货.txt")])] == [State.READY]
    assert index.count(kb.id) == 1
    pipeline.delete_knowledge_base(kb)
    assert (index.count(kb.id), catalog.knowledge_bases(), catalog.purges()) == (0, [], [])


def test_a_database_that_does_not_exist_hides_the_password(postgres: str) -> None:
    with pytest.raises(SettingsError, match=r"FRONTDESK_DATABASE_URL: cannot use .*nowhere") as caught:
        open_database(postgres.replace("/postgres", "/nowhere"))
    assert "hunter2" not in str(caught.value)
