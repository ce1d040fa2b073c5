"""Received files on disk, named by their hash; a file is accepted once its bytes are synced."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Set as AbstractSet
from pathlib import Path
from typing import BinaryIO

_BLOCK = 1 << 20


class FileStore:
    """A folder of files under server-chosen names: the SHA-256 of the content."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def folder(self) -> Path:
        """Where they lie."""
        return self._folder

    def path(self, content_hash: str) -> Path:
        """Where the bytes of a hash lie."""
        return self._folder / content_hash[:2] / content_hash

    def add(self, source: Path) -> tuple[str, int]:
        """Copy a file in; returns its hash and its size in bytes once both are safe on disk.

        Raises:
            OSError: the source cannot be read or the disk is full.
        """
        with source.open("rb") as reader:
            return self.add_from(reader)

    def add_from(self, reader: BinaryIO) -> tuple[str, int]:
        """The same for an open file, from where it stands."""
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
        target = self.path(digest.hexdigest())
        target.parent.mkdir(exist_ok=True)
        Path(writer.name).replace(target)
        _sync_folder(target.parent)
        return digest.hexdigest(), size

    def discard(self, hashes: AbstractSet[str]) -> None:
        """Delete the files of these hashes."""
        for content_hash in hashes:
            self.path(content_hash).unlink(missing_ok=True)

    def keep_only(self, needed: AbstractSet[str]) -> None:
        """Delete files that no version needs any more, and what a killed copy left."""
        if self._folder.is_dir():
            for path in self._folder.rglob("*"):
                if path.is_file() and path.name not in needed:
                    path.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
