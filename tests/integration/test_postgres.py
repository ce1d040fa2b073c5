"""The catalog's tests once more, on a real PostgreSQL that is started for them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
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


def _as_postgres(command: list[str]) -> list[str]:
    """initdb and postgres refuse to run as root."""
    return ["runuser", "-u", "postgres", "--", *command] if os.geteuid() == 0 else command


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of a PostgreSQL of this session's own, on a free loopback port."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    if not found:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    programs = found[-1].parent
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Not below pytest's own folder: that one is closed to the user postgres.
    folder = Path(tempfile.mkdtemp(prefix="frontdesk-postgres-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        data = folder / "data"
        initdb = [
            str(programs / "initdb"),
            "-D",
            str(data),
            "-A",
            "trust",
            "-U",
            "frontdesk",
            "-E",
            "UTF8",
            "--no-sync",
        ]
        subprocess.run(_as_postgres(initdb), check=True, capture_output=True, cwd=folder)
        options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={folder}", "-c", "fsync=off"]
        start = [str(programs / "postgres"), "-D", str(data), "-p", str(port), *options]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(_as_postgres(start), stdout=log, stderr=log, cwd=folder)
        try:
            url = f"postgresql+psycopg://frontdesk:hunter2@127.0.0.1:{port}/postgres"
            _wait(port, process, folder / "log")
            yield url
        finally:
            stop = [str(programs / "pg_ctl"), "-D", str(data), "-m", "immediate", "stop"]
            subprocess.run(_as_postgres(stop), check=False, capture_output=True, cwd=folder)
            process.wait(20)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    import psycopg

    for _ in range(200):
        try:
            psycopg.connect(f"postgresql://frontdesk@127.0.0.1:{port}/postgres").close()
        except psycopg.OperationalError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        else:
            return
    pytest.fail(f"PostgreSQL did not start: {log.read_text()}")


@pytest.fixture
def engine(server: str) -> Iterator[Engine]:
    engine = open_database(server)
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


def test_a_database_that_does_not_exist_hides_the_password(server: str) -> None:
    with pytest.raises(SettingsError, match=r"FRONTDESK_DATABASE_URL: cannot use .*nowhere") as caught:
        open_database(server.replace("/postgres", "/nowhere"))
    assert "hunter2" not in str(caught.value)
