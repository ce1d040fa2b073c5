"""Files that want to do harm: each ends in the right state, the worker lives, nothing leaves the scratch folder."""

from __future__ import annotations

import socket
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.errors import LimitExceeded, ParseError
from ingest.files import FileStore
from ingest.index.edge import EdgeIndex
from ingest.pipeline import Pipeline, Upload
from ingest.reading import Read
from ingest.records import State
from ingest.sandbox import Sandbox, SandboxLimits
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder
from tests.hostile.archives import BAD_NAMES
from tests.hostile.honest import write_good
from tests.hostile.make_corpus import Hostile, corpus
from tests.integration.counting import packaged_counter

SECRET = "the-secret-of-the-house-4711"
MIB = 1 << 20
# Small, so that what is slow or large is stopped soon; honest files of this size take a tenth of it.
LIMITS = SandboxLimits(memory_bytes=640 * MIB, base_s=8, s_per_mib=0.1, s_per_page=0.001, longest_s=12)
# Between two looks of the watch a process takes what it can.
OVERSHOOT = 160 * MIB
ESCAPES = [Path("/etc/frontdesk-escape.txt"), Path("/tmp/frontdesk-escape"), Path("/frontdesk-escape.txt")]


class Lures:
    """A file that nobody may read and a port that nobody may knock at."""

    def __init__(self, folder: Path) -> None:
        self.secret = folder / "secret.txt"
        self.secret.write_text(SECRET)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.visitors = 0
        threading.Thread(target=self._listen, daemon=True).start()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self._listener.getsockname()[1]}/x.png"

    def _listen(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            self.visitors += 1
            visitor.close()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture(scope="module")
def lures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lures]:
    made = Lures(tmp_path_factory.mktemp("lures"))
    yield made
    made.close()


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(packaged_counter(), 256, LIMITS)
    made.start()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def files(lures: Lures) -> dict[str, Hostile]:
    return {hostile.name: hostile for hostile in corpus(str(lures.secret), lures.address)}


ALL = {hostile.name: hostile.heavy for hostile in corpus()}
LIGHT = [name for name, heavy in ALL.items() if not heavy]
HEAVY = [name for name, heavy in ALL.items() if heavy]


def read(sandbox: Sandbox, hostile: Hostile, lures: Lures, folder: Path) -> Read | ParseError:
    """What became of a file; sees to it that nothing else came of it."""
    stored, scratch = folder / "stored", folder / "scratch"
    content = hostile.make()
    stored.write_bytes(content)
    before = set(folder.iterdir()) | {scratch}
    sandbox.peak_bytes = 0
    outcome: Read | ParseError
    try:
        outcome = sandbox.read(stored, hostile.name, "", scratch=scratch)
    except ParseError as exc:
        outcome = exc
    assert sandbox.peak_bytes < LIMITS.memory_bytes + OVERSHOOT
    assert stored.read_bytes() == content
    assert set(folder.iterdir()) == before
    assert not [path for path in ESCAPES if path.exists()]
    kept = {file.path for file in outcome.attachments} if isinstance(outcome, Read) else set()
    assert {path for path in scratch.rglob("*") if not path.is_dir()} == kept
    assert all(stat.S_ISREG(path.lstat().st_mode) for path in kept)
    assert lures.visitors == 0
    # The next one is read as if nothing had been.
    good = sandbox.read(write_good(folder), "good.md", "", scratch=folder / "scratch")
    assert [chunk.text for chunk in good.chunks] == ["A call-out costs 65 pounds."]
    return outcome


def check(hostile: Hostile, outcome: Read | ParseError) -> None:
    if isinstance(outcome, Read):
        assert hostile.outcome in ("ready", "")
        texts = [outcome.title, *outcome.warnings, *(chunk.text for chunk in outcome.chunks)]
        assert not [text for text in texts if SECRET in text]
        return
    reason = str(outcome)
    assert hostile.outcome in ("failed", ""), reason
    assert reason
    assert len(reason.splitlines()) == 1
    assert len(reason) < 700
    assert SECRET not in reason
    for technical in ("Traceback", "site-packages", ".py", "0x", "ModuleNotFoundError"):
        assert technical not in reason


@pytest.mark.parametrize("name", LIGHT)
def test_a_hostile_file_ends_well(
    name: str, sandbox: Sandbox, lures: Lures, files: dict[str, Hostile], tmp_path: Path
) -> None:
    check(files[name], read(sandbox, files[name], lures, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize("name", HEAVY)
def test_a_heavy_hostile_file_ends_well(
    name: str, sandbox: Sandbox, lures: Lures, files: dict[str, Hostile], tmp_path: Path
) -> None:
    check(files[name], read(sandbox, files[name], lures, tmp_path))


def test_names_in_containers_lead_nowhere(
    sandbox: Sandbox, lures: Lures, files: dict[str, Hostile], tmp_path: Path
) -> None:
    for number, name in enumerate(("names.zip", "names.eml")):
        folder = tmp_path / str(number)
        folder.mkdir()
        found = read(sandbox, files[name], lures, folder)
        assert isinstance(found, Read)
        names = [file.name for file in found.attachments]
        assert len(names) >= len(BAD_NAMES) - 3
        assert len(set(names)) == len(names)
        for given in names:
            assert not given.startswith("/")
            assert ".." not in given.split("/")
            assert not set(given) & set("\\\0\n")
            assert max(len(part.encode()) for part in given.split("/")) <= 255


def test_archives_within_archives_end(sandbox: Sandbox, files: dict[str, Hostile], tmp_path: Path) -> None:
    path = tmp_path / "deep.zip"
    path.write_bytes(files["deep.zip"].make())

    def unpack(depth: int) -> Path:
        found = sandbox.read(path, "again.zip", "", scratch=tmp_path / f"scratch-{depth}", depth=depth)
        return found.attachments[0].path

    for depth in range(LIMITS.depth):
        path = unpack(depth)
    with pytest.raises(LimitExceeded, match="within"):
        unpack(LIMITS.depth)


def test_the_pipeline_says_what_became_of_each(sandbox: Sandbox, files: dict[str, Hostile], tmp_path: Path) -> None:
    names = ["bomb-lying.zip", "entities-file.docx", "page-tree-loop.pdf", "noise.docx", "names.eml", "actions.pdf"]
    uploads = []
    for name in names:
        (tmp_path / name).write_bytes(files[name].make())
        uploads.append(Upload(name, tmp_path / name))
    uploads.append(Upload("good.md", write_good(tmp_path)))
    engine = open_database(f"sqlite:///{tmp_path / 'catalog.db'}")
    index, catalog = EdgeIndex(tmp_path / "index", 256), Catalog(engine)
    parts = (catalog, FileStore(tmp_path / "store"), index, HashEmbedder(), SparseEncoder(), 64)
    kb = catalog.create_knowledge_base("shop")
    results = {result.document: result for result in Pipeline(*parts, read=sandbox.read).ingest(kb, uploads)}
    index.close()
    engine.dispose()
    failed = {name for name in names if results[name].state is State.FAILED}
    assert failed == {"bomb-lying.zip", "entities-file.docx", "page-tree-loop.pdf", "noise.docx"}
    assert all(len(results[name].reason.splitlines()) == 1 for name in failed)
    assert {results[name].state for name in ("names.eml", "actions.pdf", "good.md")} == {State.READY}
    assert sandbox.alive
