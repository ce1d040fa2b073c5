"""Received files: named by content, accepted once synced."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from ingest.files import FileStore
from tests.stored import stored


@pytest.fixture
def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store")


def source(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "source.txt"
    path.write_bytes(content)
    return path


def held(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "store").rglob("*") if path.is_file() and path.name != ".lock")


@pytest.mark.parametrize("content", [b"", b"hello", os.urandom((1 << 20) + 17)], ids=["empty", "short", "two blocks"])
def test_a_file_is_named_by_its_hash(store: FileStore, tmp_path: Path, content: bytes) -> None:
    content_hash, size = stored(store, source(tmp_path, content))
    assert (content_hash, size) == (hashlib.sha256(content).hexdigest(), len(content))
    assert store.path(content_hash).read_bytes() == content


def test_the_same_bytes_are_kept_once(store: FileStore, tmp_path: Path) -> None:
    first, _ = stored(store, source(tmp_path, b"same"))
    second, _ = stored(store, source(tmp_path, b"same"))
    assert held(tmp_path) == [first] == [second]


def test_bytes_and_name_are_synced_before_the_file_is_accepted(
    store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def spy(descriptor: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{descriptor}"))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", spy)
    content_hash, _ = stored(store, source(tmp_path, b"bytes"))
    assert len(synced) == 2
    assert Path(synced[0]).parent == tmp_path / "store"  # the copy, under its first name
    assert Path(synced[1]) == store.path(content_hash).parent


def test_a_copy_that_fails_leaves_nothing(store: FileStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        stored(store, source(tmp_path, b"bytes"))
    assert held(tmp_path) == []


def test_a_missing_source_is_an_oserror(store: FileStore, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        stored(store, tmp_path / "nowhere")


def test_discard_and_keep_only(store: FileStore, tmp_path: Path) -> None:
    a, b, c = (stored(store, source(tmp_path, content))[0] for content in (b"a", b"b", b"c"))
    store.discard({a, b, "0" * 64}, lambda: {b})
    assert held(tmp_path) == sorted([b, c])
    (tmp_path / "store" / "tmphalfcopy").write_bytes(b"half")
    store.keep_only(lambda: {b})
    assert held(tmp_path) == [b]


def test_keep_only_before_anything_was_stored(store: FileStore) -> None:
    store.keep_only(set)


@pytest.mark.parametrize("same_store", [True, False], ids=["a thread", "another process"])
def test_nothing_is_discarded_before_the_catalog_knows_of_it(
    store: FileStore, tmp_path: Path, same_store: bool
) -> None:
    needed: set[str] = set()
    other = store if same_store else FileStore(tmp_path / "store")
    content_hash = hashlib.sha256(b"again").hexdigest()
    with source(tmp_path, b"again").open("rb") as reader, store.adding(reader):
        discarding = threading.Thread(target=other.discard, args=({content_hash}, lambda: set(needed)))
        discarding.start()
        discarding.join(0.2)
        assert discarding.is_alive()
        needed.add(content_hash)
    discarding.join(10)
    assert held(tmp_path) == [content_hash]
