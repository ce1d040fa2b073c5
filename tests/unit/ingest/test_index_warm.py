"""Reading a shard ahead: everything is read where there is room, nothing where there is none."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ingest.index import warm


def shard(folder: Path, size: int) -> Path:
    path = folder / "shard" / "segments" / "one" / "payload_storage"
    path.mkdir(parents=True)
    (path / "page_0.dat").write_bytes(os.urandom(size))
    (path.parent / "matrix.dat").write_bytes(os.urandom(size))
    return folder / "shard"


def read_bytes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Counts what is read through Path.open from now on."""
    found: list[int] = []
    opened = Path.open

    def counted(self: Path, *args: object, **named: object) -> object:
        if "segments" in self.parts:
            found.append(self.stat().st_size)
        return opened(self, *args, **named)  # type: ignore[call-overload]  # passed on as it came

    monkeypatch.setattr(Path, "open", counted)
    return found


def test_all_files_of_a_shard_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shard(tmp_path, 10_000)
    found = read_bytes(monkeypatch)
    thread = warm.read_ahead(folder)
    assert thread is not None
    thread.join(10)
    assert found == [10_000, 10_000]


def test_a_shard_too_large_for_the_memory_is_left_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shard(tmp_path, 100_000)
    monkeypatch.setattr(warm, "available", lambda: 400_000)
    assert warm.read_ahead(folder) is None
    # 204,800 bytes allocated, a quarter of this is more.
    monkeypatch.setattr(warm, "available", lambda: 900_000)
    assert warm.read_ahead(folder) is not None


def test_holes_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "page_0.dat"
    with path.open("wb") as file:
        file.write(b"a" * 5000)
        file.seek(8_000_000)
        file.write(b"b" * 5000)
    if path.stat().st_blocks * 512 > 1_000_000:
        pytest.skip("this file system keeps no holes")
    read: list[int] = []
    opened = Path.open

    class Counted:
        def __init__(self, file: Any) -> None:
            self._file = file
            self.fileno, self.seek = file.fileno, file.seek

        def __enter__(self) -> Counted:
            return self

        def __exit__(self, *_: object) -> None:
            self._file.close()

        def read(self, size: int) -> Any:
            piece = self._file.read(size)
            read.append(len(piece))
            return piece

    monkeypatch.setattr(Path, "open", lambda self, *a, **k: Counted(opened(self, *a, **k)))
    warm._read([path])
    # Two pieces with the rest of their pages, and nothing of the eight millions between.
    assert 10_000 <= sum(read) <= 40_000


def test_a_file_that_goes_meanwhile_ends_nothing(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    there = tmp_path / "there"
    there.write_bytes(b"x")
    warm._read([gone, there])


def test_memory_that_can_be_had_is_told_in_bytes() -> None:
    # More than a megabyte, less than a petabyte: kB were not taken for bytes.
    assert 2**20 < warm.available() < 2**50


def test_where_the_system_says_nothing_nothing_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "nothing of use")
    assert warm.available() == 0
    assert warm.read_ahead(shard(tmp_path, 10)) is None


def test_a_segment_that_goes_while_it_is_counted_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = shard(tmp_path, 10)

    def gone(self: Path, **_: object) -> object:
        raise FileNotFoundError(self)

    monkeypatch.setattr(Path, "is_file", lambda _: True)
    monkeypatch.setattr(Path, "stat", gone)
    assert warm.read_ahead(folder) is None
