"""Zip containers without harm: counted before they are opened, never believed, unpacked under names of ours.

Office files, e-books and archives are all zips, and a zip says of itself how large it is. What it says is compared
with what comes out, block by block, so that neither a bomb nor a lie reaches a library that reads whole parts.
"""

from __future__ import annotations

import copy
import re
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ingest.errors import DamagedFile, LimitExceeded, PasswordProtected, UnsupportedFormat
from ingest.schema import Attachment


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What a container may unpack to.

    entries:     files in one container.
    total_bytes: all of them together, unpacked.
    ratio:       unpacked to packed size; only looked at past 10 MiB, since tiny parts compress well and do no harm.
    depth:       containers within containers.
    """

    entries: int = 1000
    total_bytes: int = 1 << 30
    ratio: int = 200
    depth: int = 3


LIMITS = ArchiveLimits()
_HARMLESS = 10 << 20
_BLOCK = 1 << 20
# bzip2 and lzma hand out all that a block of input holds; a small block bounds it.
_SMALL_BLOCK = 4096
_DIRECTORY_PER_ENTRY = 2048
_LONGEST_NAME = 200
_JUNK_NAMES = {".ds_store", "thumbs.db", "desktop.ini", "ehthumbs.db"}
_ENTITY = tuple("<!ENTITY".encode(encoding) for encoding in ("utf-8", "utf-16-le", "utf-16-be"))
_XML = (".xml", ".rels", ".xhtml", ".html", ".htm", ".opf", ".ncx", ".vml")


def open_zip(path: Path, name: str, limits: ArchiveLimits = LIMITS) -> zipfile.ZipFile:
    """A zip whose list of entries is known to be bearable; the caller closes it.

    Raises:
        DamagedFile: it is cut off or no zip.
        LimitExceeded: it holds more entries than allowed.
    """
    try:
        if _directory_bytes(path) > limits.entries * _DIRECTORY_PER_ENTRY:
            raise LimitExceeded(_too_many(name, limits))
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as exc:
        raise DamagedFile(f"{name}: the file is cut off or damaged; save it again.") from exc
    if len(archive.infolist()) > limits.entries:
        archive.close()
        raise LimitExceeded(_too_many(name, limits))
    return archive


def check_zip(path: Path, name: str, limits: ArchiveLimits = LIMITS, *, xml: bool = True) -> None:
    """Unpack a zip to nowhere and count; call it before a library gets the file.

    xml: its parts are a document's: an XML part that declares entities is refused, as no office program writes one.

    Raises:
        DamagedFile: cut off, or it holds more than its directory says, or declares XML entities.
        PasswordProtected: entries are encrypted.
        LimitExceeded: more entries, bytes or compression than allowed.
    """
    with open_zip(path, name, limits) as archive:
        packed = path.stat().st_size
        total = 0
        refuse_encrypted(archive, name)
        declared = sum(entry.file_size for entry in archive.infolist())
        _check_size(declared, packed, name, limits)
        for entry in archive.infolist():
            own = 0
            scan = xml and entry.filename.lower().endswith(_XML)
            before = b""
            for block in _raw_blocks(archive, entry):
                own += len(block)
                total += len(block)
                _check_size(total, packed, name, limits)
                if own > entry.file_size:
                    raise DamagedFile(f"{name}: {entry.filename!r} in it holds more than it says; save the file again.")
                if scan and any(mark in before + block for mark in _ENTITY):
                    raise DamagedFile(
                        f"{name}: a part of the file declares XML entities, which is refused; save it again."
                    )
                before = block[-16:]


def refuse_encrypted(archive: zipfile.ZipFile, name: str) -> None:
    """Raise PasswordProtected, naming the first encrypted entry."""
    for entry in archive.infolist():
        if entry.flag_bits & 1:
            raise PasswordProtected(
                f"{name}: the file is encrypted ({entry.filename!r} needs a password); save a copy without a password."
            )


def read_part(archive: zipfile.ZipFile, part: str, name: str) -> bytes:
    """A whole part of a container that check_zip has passed; raises DamagedFile when it cannot be read."""
    try:
        return archive.read(part)
    except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as exc:
        raise DamagedFile(f"{name}: the part {part!r} of the file is missing or damaged; save it again.") from exc


class Unpacked:
    """Takes files found inside a file: cleans their names, writes them into a folder, keeps within the limits."""

    def __init__(self, scratch: Path | None, name: str, packed: int, limits: ArchiveLimits = LIMITS) -> None:
        """``packed``: bytes of the container itself; ``scratch`` None: files are counted and named, not written."""
        self._scratch, self._name, self._packed, self._limits = scratch, name, packed, limits
        self._total = 0
        self._taken: set[str] = set()
        self._listed: list[str] = []
        self._left_out: list[str] = []
        self.attachments: list[Attachment] = []

    def add(self, inner: str, blocks: Iterable[bytes]) -> None:
        """One file under the name its container gives it; of no kind that is read: left out, with a warning."""
        name = clean_name(inner, self._taken)
        if len(self._taken) > self._limits.entries:
            raise LimitExceeded(_too_many(self._name, self._limits))
        if self._scratch is None:
            self._listed.append(name)
            return
        path = self._scratch / f"a{len(self._taken):04}"
        with path.open("xb") as file:
            for block in blocks:
                self._total += len(block)
                _check_size(self._total, self._packed, self._name, self._limits)
                file.write(block)
        from ingest.parse.sniff import detect

        try:
            detect(path, name)
        except UnsupportedFormat:
            path.unlink()
            self._left_out.append(name)
            return
        except (DamagedFile, PasswordProtected):
            pass  # Its own document says so.
        self.attachments.append(Attachment(name, path))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What was not taken, one line each."""
        lines = []
        if self._listed:
            lines.append(f"Files inside were not read: {_named(self._listed)}.")
        if self._left_out:
            lines.append(f"Left out, this kind of file is not read: {_named(self._left_out)}.")
        return tuple(lines)


def clean_name(name: str, taken: set[str]) -> str:
    """A container's name for a file made harmless, and added to ``taken``; "x (2).pdf" where there is an "x.pdf".

    >>> clean_name("C:\\\\temp\\\\..\\\\a\\x00b.txt", set())
    'temp/ab.txt'
    """
    name = unicodedata.normalize("NFC", name.replace("\\", "/"))
    # Control, format (right-to-left overrides), surrogate and unassigned characters only deceive.
    name = "".join(c for c in name if unicodedata.category(c)[0] != "C")
    parts = [part.strip() for part in name.split("/")]
    parts = [part.replace(":", "_") for part in parts if part.strip(".") and not re.fullmatch(r"[A-Za-z]:", part)]
    path = _shortened(parts) if parts else "file"
    stem, suffix = _split(path)
    count = 1
    while path.casefold() in taken:
        count += 1
        path = f"{stem} ({count}){suffix}"
    taken.add(path.casefold())
    return path


def is_junk(name: str) -> bool:
    """Whether an entry is an operating system's own note, or hidden."""
    parts = [part for part in name.replace("\\", "/").split("/") if part]
    if not parts or parts[-1].lower() in _JUNK_NAMES or "__MACOSX" in parts:
        return True
    return any(part.startswith(".") and part.strip(".") for part in parts)


def is_file(entry: zipfile.ZipInfo) -> bool:
    """Whether an entry is a plain file: no folder, no link, no device."""
    kind = stat.S_IFMT(entry.external_attr >> 16)
    return not entry.is_dir() and not entry.filename.endswith("\\") and kind in (0, stat.S_IFREG)


def _shortened(parts: list[str]) -> str:
    path = "/".join(parts)
    if len(path) <= _LONGEST_NAME:
        return path
    stem, suffix = _split(parts[-1])
    return stem[: _LONGEST_NAME - len(suffix)] + suffix


def _split(path: str) -> tuple[str, str]:
    dot = path.rfind(".")
    if dot <= path.rfind("/") + 1 or len(path) - dot > 12:
        return path, ""
    return path[:dot], path[dot:]


def _named(names: list[str]) -> str:
    return ", ".join(names[:10]) + (f" and {len(names) - 10} more" if len(names) > 10 else "")


def _too_many(name: str, limits: ArchiveLimits) -> str:
    return f"{name}: more than {limits.entries} files are in it; split it and upload the parts."


def _check_size(size: int, packed: int, name: str, limits: ArchiveLimits) -> None:
    if size > limits.total_bytes or (size > _HARMLESS and size > limits.ratio * max(packed, 1)):
        raise LimitExceeded(
            f"{name}: the file unpacks to {size >> 20} MiB or more, which is refused; split it or save it again."
        )


def entry_blocks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, name: str) -> Iterator[bytes]:
    """An entry's content, checked against its sum; raises DamagedFile when it is not what it promises."""
    try:
        with archive.open(entry) as file:
            yield from _blocks(file, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as exc:
        raise DamagedFile(f"{name}: {entry.filename!r} in it is damaged; pack it again.") from exc


def _raw_blocks(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    # zipfile stops at the size that the directory declares, but reading a whole part at once, as libraries do, unpacks
    # what is really there first. So the declared size and sum are taken off, and the rest is counted too.
    probe = copy.copy(entry)
    probe.file_size = 1 << 62
    del probe.CRC
    try:
        with archive.open(probe) as file:
            yield from _blocks(file, entry)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError):
        # Whoever needs this part will say that it is damaged; many are pictures that nobody reads.
        return


def _blocks(file: IO[bytes], entry: zipfile.ZipInfo) -> Iterator[bytes]:
    size = _BLOCK if entry.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED) else _SMALL_BLOCK
    while block := file.read(size):
        yield block


def _directory_bytes(path: Path) -> int:
    """Size of the list of entries, read from the end record before zipfile makes an object of each entry."""
    with path.open("rb") as file:
        size = file.seek(0, 2)
        tail_at = max(0, size - 66_000)
        file.seek(tail_at)
        tail = file.read()
        end = tail.rfind(b"PK\x05\x06")
        if end < 0:
            raise zipfile.BadZipFile("no end record")
        (directory,) = struct.unpack_from("<L", tail, end + 12)
        locator = tail[end - 20 : end] if end >= 20 else b""
        if locator.startswith(b"PK\x06\x07"):
            (record_at,) = struct.unpack_from("<Q", locator, 8)
            file.seek(min(record_at, size))
            record = file.read(56)
            if record.startswith(b"PK\x06\x06"):
                (directory,) = struct.unpack_from("<Q", record, 40)
    return int(min(directory, size))
