"""Durable ingestion: killed, stopped, upgraded, cancelled, without an index, without a disk."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from app import workflows
from ingest import space
from ingest.errors import CANCELLED
from ingest.index.edge import EdgeIndex
from ingest.reading import Read
from ingest.records import State
from ingest.stages import WINDOW
from tests.integration.durable_rig import PATIENCE_S, Rig, eventually, opened, sections
from tests.stored import stored

ROOT = Path(__file__).parents[2]
LONG = 2 * WINDOW + 40
Child = Callable[[str, Path], None]


# Importing all of it takes a process seconds, so a parent that has done so forks one child a script.
PARENT = f"""
import json, os, signal, sys, time, traceback
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.integration.durable_rig import *
import dbos, psycopg

for line in sys.stdin:
    folder, script = json.loads(line)
    child = os.fork()
    if not child:
        # The parent's answers go over its stdout.
        os.dup2(2, 1)
        signal.alarm({int(PATIENCE_S * 3)})
        try:
            exec(script, globals() | dict(folder=Path(folder)))
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    """Runs a script over a folder in a process of its own; it must die with 9."""
    with subprocess.Popen(
        [sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        ask, answers = parent.stdin, parent.stdout

        def run(script: str, folder: Path) -> None:
            ask.write(json.dumps([str(folder), script]) + "\n")
            ask.flush()
            assert answers.readline() == "9\n"

        yield run
        ask.close()


def test_what_was_received_is_finished(tmp_path: Path) -> None:
    with opened(tmp_path) as rig:
        rig.receive("a.md", "# A\n\nOpen on Sundays.")
        rig.receive("broken.pdf", b"this is no PDF")
        rig.receive("b.txt", "Returns take seven days.")
        found = rig.until()
        assert found == {"a.md": State.READY, "broken.pdf": State.FAILED, "b.txt": State.READY}
        assert "not a PDF" in rig.catalog.document(rig.kb, "broken.pdf").latest.reason
        # What cannot pass is not tried again.
        assert rig.notes("read").count("broken.pdf") == 1
        assert rig.index.count(rig.kb.id) == 2
        # A version's state is told first; what was staged for it goes a moment later.
        assert eventually(lambda: not list((tmp_path / "staging").iterdir()))
        assert rig.pipeline.verify(rig.kb) == []


def test_small_files_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ingestion.AT_ONCE", 1)
    sizes = {"large.md": 400, "small.md": 3, "middle.md": 60}
    rig = Rig(tmp_path)
    for name, count in sizes.items():
        rig.receive(name, sections(name, count))
    rig.ingestor.start()
    try:
        rig.until()
    finally:
        rig.close()
    assert [result.document for result in rig.finished] == ["small.md", "middle.md", "large.md"]


def test_a_killed_process_goes_on_where_it_stood(tmp_path: Path, child: Child) -> None:
    script = f"""
rig = Rig(folder)
rig.receive("long.md", sections("salt", {LONG}))
rig.ingestor.start()
while len(rig.notes("embed")) < 2:
    time.sleep(0.01)
os._exit(9)
"""
    child(script, tmp_path)
    with opened(tmp_path) as rig:
        assert rig.until() == {"long.md": State.READY}
        # Neither parsed again, nor is the first window embedded again; the second was cut off.
        assert rig.notes("read") == ["long.md"]
        assert rig.notes("embed")[0] == str(WINDOW)
        assert rig.notes("embed").count(str(WINDOW)) <= 3
        assert rig.index.count(rig.kb.id) == LONG
        assert rig.pipeline.verify(rig.kb) == []


@pytest.mark.parametrize(
    ("where", "before"),
    [
        ("ingest.staging:Staging.keep", False),
        ("ingest.index.edge:EdgeIndex.upsert", True),
        ("ingest.index.edge:EdgeIndex.upsert", False),
        ("ingest.index.edge:EdgeIndex.set_live", False),
        ("ingest.catalog:Catalog.publish", False),
        ("ingest.index.edge:EdgeIndex.delete", True),
    ],
)
def test_killed_at_a_boundary(tmp_path: Path, child: Child, where: str, before: bool) -> None:
    with opened(tmp_path) as rig:
        rig.receive("a.md", sections("salt", 5))
        rig.until()
    module, _, name = where.partition(":")
    owner, _, method = name.partition(".")
    script = f"""
import {module} as module
whole = module.{owner}.{method}
def deadly(*given, **named):
    if {before}:
        os._exit(9)
    whole(*given, **named)
    os._exit(9)
module.{owner}.{method} = deadly
rig = Rig(folder)
rig.receive("a.md", sections("pepper", 6))
rig.ingestor.start()
time.sleep({PATIENCE_S * 2})
"""
    child(script, tmp_path)
    with opened(tmp_path) as rig:
        assert rig.until() == {"a.md": State.READY}
        rig.pipeline.purge()
        document = rig.catalog.document(rig.kb, "a.md")
        assert rig.index.count(rig.kb.id) == document.latest.chunks == 6
        hits = rig.index.points(rig.kb.id, document.latest.id, document.latest.generation)
        assert all("pepper" in hit.payload["text"] and hit.payload["live"] == 1 for hit in hits)
        assert rig.pipeline.verify(rig.kb) == []


def test_a_workflow_of_the_version_before_finishes(tmp_path: Path, child: Child) -> None:
    script = """
def hang(real, *given, **named):
    (folder / "hangs").touch()
    time.sleep(1000)
rig = Rig(folder, version="ingest-0", read=hang)
rig.receive("first.md", "# A\\n\\nOpen on Sundays.")
rig.ingestor.start()
while not (folder / "hangs").exists():
    time.sleep(0.05)
rig.receive("second.md", "# B\\n\\nReturns take seven days.")
while not len(rig.ingestor._seen) == 2:
    time.sleep(0.05)
os._exit(9)
"""
    child(script, tmp_path)
    assert workflows.APPLICATION_VERSION != "ingest-0"
    with opened(tmp_path, impatient=0.5) as rig:
        assert rig.until() == {"first.md": State.READY, "second.md": State.READY}
        assert rig.index.count(rig.kb.id) == 2
        assert rig.pipeline.verify(rig.kb) == []


def test_stopping_gives_up_nothing(tmp_path: Path) -> None:
    blocked = threading.Event()

    def hang(real: Callable[..., Read], *given: Any, **named: Any) -> Read:
        blocked.set()
        while True:
            time.sleep(0.05)
            named["progress"](1, 10)
            if named["cancelled"]():
                from ingest.errors import Cancelled

                raise Cancelled(CANCELLED)

    with opened(tmp_path, read=hang) as rig:
        rig.receive("a.md", "# A\n\nOpen on Sundays.")
        assert blocked.wait(30)
    assert rig.finished == []
    with opened(tmp_path) as rig:
        assert rig.until() == {"a.md": State.READY}


def test_cancelled_while_it_waits_and_in_the_middle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.ingestion.AT_ONCE", 1)
    blocked = threading.Event()

    def slow(real: Callable[..., Read], *given: Any, **named: Any) -> Read:
        blocked.set()
        for page in range(600):
            time.sleep(0.05)
            named["progress"](page, 600)
            if named["cancelled"]():
                from ingest.errors import Cancelled

                raise Cancelled(CANCELLED)
        raise AssertionError("nobody cancelled it")

    with opened(tmp_path, read=slow) as rig:
        middle = rig.receive("middle.md", "# A\n\nOpen on Sundays.")
        assert blocked.wait(30)
        waits = rig.receive("waits.md", "# B\n\nReturns take seven days. " + "x" * 5000)
        end = time.monotonic() + 20
        while (progress := rig.ingestor.progress_of(middle)) is None or progress.total != 600:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert (progress.stage, progress.stalled) == ("parsing", False)
        assert rig.ingestor.progress_of(waits) is None
        assert rig.ingestor.cancel(waits.document_id)
        assert rig.ingestor.cancel(middle.document_id)
        assert set(rig.until().values()) == {State.FAILED}
        for name in ("middle.md", "waits.md"):
            assert rig.catalog.document(rig.kb, name).latest.reason == CANCELLED
        assert not rig.ingestor.cancel(middle.document_id)


def test_an_index_that_is_away_is_waited_for(tmp_path: Path) -> None:
    class Flaky(EdgeIndex):
        away = 3

        def upsert(self, *given: Any) -> None:
            if Flaky.away:
                Flaky.away -= 1
                from ingest.errors import IndexUnavailable

                raise IndexUnavailable("the index does not answer")
            super().upsert(*given)

    with opened(tmp_path, index=Flaky(tmp_path / "index", 256)) as rig:
        rig.receive("a.md", "# A\n\nOpen on Sundays.")
        end = time.monotonic() + 30
        while rig.ingestor.problem != "the index does not answer":
            assert time.monotonic() < end
            time.sleep(0.02)
        assert rig.until() == {"a.md": State.READY}
        assert rig.notes("read") == ["a.md"]


def test_a_full_disk_fails_the_document_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path) as rig:
        rig.receive("before.md", "# A\n\nOpen on Sundays.")
        rig.until()
        usage = shutil.disk_usage(tmp_path)
        rig.receive("full.md", "# B\n\nReturns take seven days.")
        rig.until()
        monkeypatch.setattr(space.shutil, "disk_usage", lambda _path: usage._replace(free=1000))
        (tmp_path / "upload").write_text("# C\n\nNever mind.")
        content_hash, size = stored(rig.files, tmp_path / "upload")
        rig.pipeline.accept_stored(rig.kb, "full.md", content_hash, size)
        rig.ingestor.wake()
        end = time.monotonic() + 30
        while rig.state("full.md") is not State.FAILED:
            assert time.monotonic() < end
            time.sleep(0.05)
        assert "the disk is full" in rig.catalog.document(rig.kb, "full.md").latest.reason
        # What was live before stays live.
        assert rig.catalog.document(rig.kb, "full.md").live_version_id is not None
        monkeypatch.setattr(space.shutil, "disk_usage", shutil.disk_usage)
        monkeypatch.undo()
        rig.receive("after.md", "# D\n\nDoors open at nine.")
        end = time.monotonic() + 30
        while rig.state("after.md") is not State.READY:
            assert time.monotonic() < end
            time.sleep(0.05)


def zipped(**files: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.md", content)
    return made.getvalue()


def test_files_in_an_archive_are_documents_of_their_own(tmp_path: Path) -> None:
    with opened(tmp_path) as rig:
        rig.receive("all.zip", zipped(one="# One\n\nOpen on Sundays.", two="# Two\n\nReturns take seven days."))
        wanted = {"all.zip", "all.zip/one.md", "all.zip/two.md"}
        end = time.monotonic() + PATIENCE_S
        while set(rig.until()) != wanted:
            assert time.monotonic() < end, rig.until()
            time.sleep(0.05)
        assert set(rig.until().values()) == {State.READY}
        rig.receive("all.zip", zipped(one="# One\n\nOpen on Sundays.", three="# Three\n\nDoors open at nine."))
        wanted = {"all.zip", "all.zip/one.md", "all.zip/three.md"}
        while set(rig.until()) != wanted:
            assert time.monotonic() < end, rig.until()
            time.sleep(0.05)
        # What did not change was not read again.
        assert rig.notes("read").count("all.zip/one.md") == 1
        rig.pipeline.delete(rig.kb, "all.zip")
        assert rig.catalog.documents(rig.kb) == []
        assert rig.index.count(rig.kb.id) == 0
        assert not [path for path in (tmp_path / "files").rglob("*") if path.is_file() and path.name != ".lock"]


@pytest.fixture
def database(postgres: str) -> str:
    """A database of the test's own on the real PostgreSQL."""
    from sqlalchemy import create_engine, make_url, text

    name = f"durable_{time.monotonic_ns()}"
    admin = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    admin.dispose()
    return make_url(postgres).set(database=name).render_as_string(hide_password=False)


def test_work_of_a_process_that_never_returns_is_taken_over(tmp_path: Path, child: Child, database: str) -> None:
    shared = tmp_path / "shared"
    script = f"""
import shutil
rig = Rig(folder / "one", database={database!r})
rig.receive("long.md", sections("salt", {LONG}))
rig.ingestor.start()
while len(rig.notes("embed")) < 2:
    time.sleep(0.01)
os._exit(9)
"""
    child(script, tmp_path)
    # Another machine: files and index are shared, the folder with the executor's name and the staged text is not.
    shared.mkdir()
    for name in ("files", "index"):
        (tmp_path / "two").mkdir(exist_ok=True)
        shutil.copytree(tmp_path / "one" / name, tmp_path / "two" / name)
    with opened(tmp_path / "two", database=database, impatient=1.0) as rig:
        assert rig.until() == {"long.md": State.READY}
        assert rig.index.count(rig.kb.id) == LONG
        assert rig.pipeline.verify(rig.kb) == []
