"""A folder on this machine, or on a share that is mounted here."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from ingest.errors import SourceError
from ingest.sources.base import LATER, Found, Listing, Note, NotRead, taken

# A file changed this short a while ago may change again without its time showing it.
RACY_S = 2.0


class FolderStore:
    """All files below a folder, but hidden ones and links that lead out of it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def list(self) -> Listing:
        """Every file, in a stable order.

        Raises:
            SourceError: the folder is not there or cannot be read.
        """
        listing, real = Listing(), os.path.realpath(self._root)

        def unreadable(exc: OSError) -> None:
            folder = Path(os.fsdecode(exc.filename))
            if folder == self._root:
                raise SourceError(
                    f"the folder {self._root} cannot be read ({exc.strerror}): is it there, and its share mounted?"
                ) from exc
            listing.unread.append(Note(self._relative(folder), f"the folder cannot be read ({exc.strerror})"))

        if not self._root.is_dir():
            raise SourceError(f"the folder {self._root} is not there: is the path right, and its share mounted?")
        for folder, below, names in os.walk(self._root, onerror=unreadable):
            here = Path(folder)
            links = [name for name in below if (here / name).is_symlink() and not name.startswith(".")]
            listing.skipped += [
                Note(self._relative(here / name), "a link to a folder is not followed") for name in links
            ]
            below[:] = sorted(name for name in below if not name.startswith(".") and name not in links)
            for name in sorted(names):
                if not name.startswith("."):
                    self._add(here / name, real, listing)
        return listing

    def _add(self, path: Path, real: str, listing: Listing) -> None:
        relative = self._relative(path)
        try:
            if path.is_symlink() and not _inside(os.path.realpath(path), real):
                listing.skipped.append(Note(relative, "a link that leads out of the folder"))
                return
            status = path.stat()
        except OSError as exc:
            if path.is_symlink():
                listing.skipped.append(Note(relative, "a link that leads nowhere"))
            else:
                listing.unread.append(Note(relative, f"it cannot be read ({exc.strerror})"))
            return
        if not stat.S_ISREG(status.st_mode):
            listing.skipped.append(Note(relative, "not a file"))
            return
        found = taken(relative, _mark(status))
        if isinstance(found, Found):
            listing.files.append(found)
        else:
            listing.skipped.append(found)

    def _relative(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    @contextmanager
    def open(self, found: Found, known_mark: str) -> Iterator[_OpenFile]:
        """Open a file that was listed.

        Raises:
            NotRead: it cannot be read, or is another one by now.
        """
        real = os.path.realpath(self._root / found.path)
        try:
            # The path has no link in it now; one that was put there since is refused, and no pipe is waited for.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            with os.fdopen(os.open(real, flags), "rb") as file:
                status = os.fstat(file.fileno())
                again = os.stat(os.path.realpath(real))
                if (
                    not stat.S_ISREG(status.st_mode)
                    or not _inside(os.path.realpath(real), os.path.realpath(self._root))
                    or (status.st_dev, status.st_ino) != (again.st_dev, again.st_ino)
                ):
                    raise NotRead(LATER, skip=True)
                yield _OpenFile(found.name, folder_address(self._root / found.path), file, status)
        except OSError as exc:
            if exc.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
                raise NotRead(LATER, skip=True) from exc
            raise NotRead(f"it cannot be read ({exc.strerror})") from exc


class _OpenFile:
    """A file that is being read."""

    def __init__(self, name: str, address: str, file: BinaryIO, status: os.stat_result) -> None:
        self.name = name
        self.address = address
        self._file = file
        self._status = status

    def read(self, size: int = -1, /) -> bytes:
        """Some bytes; b"" at the end."""
        try:
            return self._file.read(size)
        except OSError as exc:
            raise NotRead(f"it cannot be read ({exc.strerror})", away=exc.errno in (errno.EIO, errno.ESTALE)) from exc

    def mark(self) -> str:
        """Size and time of what was read; "" when it is too fresh for them to tell."""
        now = os.fstat(self._file.fileno())
        if _mark(now) != _mark(self._status):
            raise NotRead(LATER, skip=True)
        return "" if abs(time.time() - now.st_mtime) < RACY_S else _mark(now)


def folder_address(path: Path) -> str:
    """A path as an address; only what an address would take for something else is escaped."""
    return "file://" + str(path).replace("%", "%25").replace("?", "%3F").replace("#", "%23")


def _mark(status: os.stat_result) -> str:
    return f"{status.st_size}-{status.st_mtime_ns}"


def _inside(path: str, folder: str) -> bool:
    return os.path.commonpath([path, folder]) == folder
