"""Folders kept in step over real shards: what changes, what leads out, what is killed."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import SourceError
from ingest.index.edge import EdgeIndex
from ingest.sources.base import LATER, Found, NotRead
from ingest.sources.folder import FolderStore
from tests.source_shop import SourceShop, md, opened

ROOT = str(Path(__file__).parents[2])


@pytest.fixture
def share(tmp_path: Path) -> Path:
    folder = tmp_path / "share"
    (folder / "sub").mkdir(parents=True)
    write(folder / "a.md", md("salt"))
    write(folder / "sub" / "保修.md", "# 保修\n\n压缩机保修十二年。")
    return folder


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[SourceShop]:
    with opened(tmp_path, lambda: EdgeIndex(tmp_path / "index", 256)) as made:
        yield made


def write(path: Path, content: str, age_s: int = 100) -> None:
    """A file that was written some time ago: fresh ones are read again each time."""
    path.write_text(content)
    time = path.stat().st_mtime - age_s
    os.utime(path, (time, time))


def test_a_folder_comes_changes_and_goes(shop: SourceShop, share: Path) -> None:
    (share / "sub" / ".hidden.md").write_text("# Hidden")
    (share / ".git").mkdir()
    (share / ".git" / "notes.md").write_text("# Hidden, too")
    (share / "program.exe").write_bytes(b"MZ")
    outcome = shop.look(str(share))
    assert sorted(outcome.new) == ["a.md", "sub/保修.md"]
    assert [note.file for note in outcome.skipped] == ["program.exe"]
    assert "十二年" in shop.texts()["sub/保修.md"]
    assert shop.rows.origins(shop.kb.id)["a.md"] == f"file://{share}/a.md"

    write(share / "a.md", md("salt, and how much of it"))
    (share / "sub" / "保修.md").rename(share / "sub" / "质保.md")
    outcome = shop.look(str(share))
    assert (outcome.new, outcome.changed, outcome.gone) == (["sub/质保.md"], ["a.md"], ["sub/保修.md"])
    assert set(shop.texts()) == {"a.md", "sub/质保.md"}
    assert shop.look(str(share)).unchanged == 2
    assert shop.held() == shop.chunks() == 2


def test_a_change_within_the_clocks_grain_is_seen(shop: SourceShop, share: Path) -> None:
    fresh = share / "fresh.md"
    write(fresh, "# One\n\nsalt", age_s=0)
    when = fresh.stat().st_mtime_ns
    shop.look(str(share))
    # Same size, same time: only the bytes tell.
    fresh.write_text("# One\n\nsalz")
    os.utime(fresh, ns=(when, when))
    assert shop.look(str(share)).changed == ["fresh.md"]


@pytest.mark.parametrize("empty", [False, True], ids=["the folder is gone", "the folder is empty"])
def test_a_share_that_is_not_mounted_deletes_nothing(shop: SourceShop, share: Path, empty: bool) -> None:
    shop.look(str(share))
    share.rename(share.with_name("elsewhere"))
    if empty:
        share.mkdir()
    with pytest.raises(SourceError, match="mounted"):
        shop.look(str(share))
    assert set(shop.texts()) == {"a.md", "sub/保修.md"}
    if empty:
        assert len(shop.look(str(share), allow_empty=True).gone) == 2
        assert shop.held() == 0


def test_links_that_lead_out_are_not_followed(shop: SourceShop, share: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    write(outside / "secret.md", md("the secret"))
    (share / "link.md").symlink_to(outside / "secret.md")
    (share / "folder").symlink_to(outside)
    (share / "up.md").symlink_to("../outside/secret.md")
    (share / "within.md").symlink_to("a.md")
    (share / "loop").symlink_to(".")
    (share / "dangling.md").symlink_to("nowhere.md")
    os.mkfifo(share / "pipe.md")
    outcome = shop.look(str(share))
    assert sorted(outcome.new) == ["a.md", "sub/保修.md", "within.md"]
    reasons = {note.file: note.reason for note in outcome.skipped}
    assert reasons["link.md"] == reasons["up.md"] == "a link that leads out of the folder"
    assert reasons["folder"] == reasons["loop"] == "a link to a folder is not followed"
    assert reasons["pipe.md"] == "not a file"
    assert reasons["dangling.md"] == "a link that leads nowhere"
    assert outcome.failed == []
    assert not any("secret" in text for text in shop.texts().values())


def test_a_link_that_is_put_there_after_the_listing_is_refused(share: Path, tmp_path: Path) -> None:
    (tmp_path / "secret.md").write_text("# Secret")
    store = FolderStore(share)
    found = next(found for found in store.list().files if found.path == "a.md")
    (share / "a.md").unlink()
    (share / "a.md").symlink_to(tmp_path / "secret.md")
    with pytest.raises(NotRead) as caught, store.open(found, ""):
        pytest.fail("it was opened")
    assert caught.value.skip


def test_a_file_that_grows_while_it_is_read_is_taken_next_time(share: Path) -> None:
    store = FolderStore(share)
    with store.open(Found("a.md", "a.md"), "") as reading:
        assert reading.read()
        with (share / "a.md").open("a") as file:
            file.write("more")
        with pytest.raises(NotRead, match=LATER):
            reading.mark()


def test_an_unreadable_folder_keeps_its_documents(
    shop: SourceShop, share: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.look(str(share))
    real = os.scandir

    def scandir(path: str) -> Any:
        if Path(path) == share / "sub":
            # As a share says it whose server is away; permissions would not hold root.
            raise OSError(errno.ESTALE, "Stale file handle", path)
        return real(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        outcome = shop.look(str(share))
    assert (outcome.gone, [note.file for note in outcome.failed]) == ([], ["sub"])
    assert len(shop.texts()) == 2


def test_names_that_are_no_text_are_skipped(shop: SourceShop, share: Path) -> None:
    (share / os.fsdecode(b"caf\xe9.md")).write_text("# Latin-1")
    outcome = shop.look(str(share))
    assert [note.reason for note in outcome.skipped] == ["its name is not valid text; rename it"]
    assert len(outcome.new) == 2
    # What is reported can be printed.
    outcome.skipped[0].file.encode()


CHILD = """
import os, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from ingest.files import FileStore
from ingest.index.edge import EdgeIndex
from ingest.pipeline import Pipeline
from ingest.sources.rows import Sources
from tests.source_shop import SourceShop

def deadly(kind, method, call, before):
    calls, real = [], getattr(kind, method)
    def wrapped(self, *arguments, **named):
        calls.append(1)
        if len(calls) == call and before:
            os._exit(9)
        result = real(self, *arguments, **named)
        if len(calls) == call:
            os._exit(9)
        return result
    setattr(kind, method, wrapped)

folder = Path({folder!r})
shop = SourceShop(folder, EdgeIndex(folder / "index", 256))
deadly({kind}, {method!r}, {call}, {before})
shop.look({address!r})
"""


@pytest.mark.parametrize(
    ("kind", "method", "call", "before"),
    [
        ("FileStore", "_place", 3, True),
        ("FileStore", "_place", 3, False),
        ("Sources", "claim", 3, False),
        ("Pipeline", "accept_stored", 3, False),
        ("Sources", "settle", 3, False),
        ("Pipeline", "delete", 1, True),
        ("Pipeline", "delete", 1, False),
        ("Sources", "forget", 1, False),
        ("Pipeline", "work_off", 1, True),
    ],
)
def test_a_killed_look_is_gone_on_with(
    tmp_path: Path, share: Path, kind: str, method: str, call: int, before: bool
) -> None:
    def start() -> EdgeIndex:
        return EdgeIndex(tmp_path / "index", 256)

    write(share / "gone.md", md("what goes"))
    with opened(tmp_path, start) as shop:
        shop.look(str(share))
    (share / "gone.md").unlink()
    write(share / "a.md", md("salt again"))
    for number in range(5):
        write(share / f"n{number}.md", md(f"thing {number}"))
    code = CHILD.format(
        root=ROOT, folder=str(tmp_path), kind=kind, method=method, call=call, before=before, address=str(share)
    )
    child = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=False)
    assert child.returncode == 9, child.stderr
    with opened(tmp_path, start) as shop:
        outcome = shop.look(str(share))
        assert outcome.failed == []
        assert outcome.skipped == []
        wanted = {"a.md", "sub/保修.md", *(f"n{number}.md" for number in range(5))}
        assert set(shop.texts()) == wanted
        assert "salt again" in shop.texts()["a.md"]
        assert shop.held() == shop.chunks() == len(wanted)
        assert set(shop.rows.origins(shop.kb.id)) == wanted
        assert shop.pipeline.verify(shop.kb) == []
        again = shop.look(str(share))
        assert (again.unchanged, again.new, again.changed, again.gone) == (len(wanted), [], [], [])


def test_a_large_file_is_streamed(shop: SourceShop, share: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    real: Callable[..., Any] = FolderStore.open

    class Spy:
        def __init__(self, reading: Any) -> None:
            self._reading = reading
            self.name, self.address, self.mark = reading.name, reading.address, reading.mark

        def read(self, size: int = -1, /) -> bytes:
            asked.append(size)
            block: bytes = self._reading.read(size)
            return block

    from contextlib import contextmanager

    @contextmanager
    def spied(self: FolderStore, found: Found, known: str) -> Iterator[Any]:
        with real(self, found, known) as reading:
            yield Spy(reading)

    monkeypatch.setattr(FolderStore, "open", spied)
    with tempfile.NamedTemporaryFile(dir=share, suffix=".pdf", delete=False) as big:
        big.write(b"%PDF-1.7 ")
        big.truncate(20_000_000)
    outcome = shop.look(str(share))
    assert len(outcome.new) == 3
    assert len(asked) > 20
    assert 0 < max(asked) <= 1 << 20
    assert min(asked) > 0
