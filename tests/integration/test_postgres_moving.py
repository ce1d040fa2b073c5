"""One process writes documents while another moves their index to another embedder, over a real PostgreSQL."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from sqlalchemy import Engine, text

from tests.integration.shared_rig import FIRST, MODELS, Engines, SharedRig, migrate, serve, texts_and_tags, write
from tests.integration.test_postgres import engine  # noqa: F401  # the fixture


def deadlocks_of(database: Engine) -> int:
    """How many dead-locks the database has had to end."""
    with database.connect() as connection:
        said = text("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
        return int(connection.execute(said).scalar_one())


def test_what_is_written_while_another_process_migrates_is_in_the_new_index_and_nowhere_else(
    postgres: str,
    engine: Engine,  # noqa: F811  # the fixture; it empties the tables afterwards
    tmp_path: Path,
) -> None:
    engines = Engines()
    address = serve(engines)
    rig = SharedRig(tmp_path, postgres, engines)
    rig.catalog.create_knowledge_base("kb")
    rig.ingest(FIRST)
    assert list(engines.held()) == ["hash"]
    deadlocks = deadlocks_of(engine)

    with ProcessPoolExecutor(2, get_context("spawn")) as processes:
        moving = processes.submit(migrate, tmp_path, postgres, address)
        writing = processes.submit(write, tmp_path, postgres, address)
        try:
            # Nobody writes to an index whose gate another process has closed.
            assert moving.result(100) == [0] * len(MODELS)
        finally:
            (tmp_path / "stop").touch()
        texts, tags = writing.result(60)

    assert (rig.kb.embedding_model, rig.kb.embedding_size) == ("other", 96)
    assert texts_and_tags(rig) == (texts, tags)
    assert rig.index.writings(rig.kb.id) == dict.fromkeys(rig.catalog.writings(rig.kb.id), 1)
    # No old point: the one index there is holds the documents that there are.
    assert engines.held() == {"other": {rig.kb.address.space: len(texts)}}
    assert rig.catalog.builds() == rig.catalog.purges() == rig.pipeline.verify(rig.kb) == []
    assert deadlocks_of(engine) == deadlocks
    rig.database.dispose()
