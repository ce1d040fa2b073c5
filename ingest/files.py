"""Received files on disk, named by their hash; a file is accepted once its bytes are synced."""

from __future__ import annotations

import fcntl
import hashlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_BLOCK = 1 << 20
_LOCK = ".lock"


class FileStore:
    """A folder of files under server-chosen names: the SHA-256 of the content.

    The same bytes are one file, whoever sent them: what is discarded for one document may be on its way in for another,
    or for the same one again. So storing and discarding take turns (``guard``), and nobody's file is deleted between
    its arrival and the moment that the catalog knows of it.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._turn = threading.Lock()

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self._folder

    def path(self, content_hash: str) -> Path:
        """Where the bytes of a hash lie."""
        return self._folder / content_hash[:2] / content_hash

    @contextmanager
    def guard(self) -> Iterator[None]:
        """Until the block ends nothing is discarded, by any process that shares the folder; keep the block short."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with self._turn, (self._folder / _LOCK).open("ab") as lock:
            # Released when the file is closed, by the kernel if need be.
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    @contextmanager
    def adding(self, reader: BinaryIO) -> Iterator[tuple[str, int]]:
        """Copy an open file in, from where it stands; gives its hash and its size in bytes, both safe on disk.

        Whoever needs the file must have said so in the catalog when the block ends.

        Raises:
            OSError: it cannot be read or the disk is full.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        digest, size = hashlib.sha256(), 0
        with tempfile.NamedTemporaryFile(dir=self._folder, delete=False) as writer:
            try:
                while block := reader.read(_BLOCK):
                    digest.update(block)
                    size += len(block)
                    writer.write(block)
                writer.flush()
                os.fsync(writer.fileno())
            except BaseException:
                Path(writer.name).unlink(missing_ok=True)
                raise
        with self.guard():
            self._place(Path(writer.name), digest.hexdigest())
            yield digest.hexdigest(), size

    def _place(self, copy: Path, content_hash: str) -> None:
        target = self.path(content_hash)
        target.parent.mkdir(exist_ok=True)
        copy.replace(target)
        _sync_folder(target.parent)

    def discard(self, hashes: AbstractSet[str], needed: Callable[[], AbstractSet[str]]) -> None:
        """Delete those of some files that are not among what is needed."""
        with self.guard():
            for content_hash in hashes - needed():
                self.path(content_hash).unlink(missing_ok=True)

    def keep_only(self, needed: Callable[[], AbstractSet[str]]) -> None:
        """Delete files that are not needed any more, and what a killed copy left."""
        with self.guard():
            kept = needed() | {_LOCK}
            for path in self._folder.rglob("*"):
                if path.is_file() and path.name not in kept:
                    path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
