"""Zip archives of files: nothing to read themselves, each file inside becomes a document of its own."""

from __future__ import annotations

import zipfile
from pathlib import Path

from ingest.errors import DamagedFile, LimitExceeded, NoText
from ingest.parse.archive import (
    LIMITS,
    ArchiveLimits,
    Unpacked,
    entry_blocks,
    is_file,
    is_junk,
    open_zip,
    refuse_encrypted,
)
from ingest.parse.encodings import decode
from ingest.schema import ParsedDocument

_UTF8_NAME = 0x800


def parse_zip(
    path: Path, name: str, scratch: Path | None = None, depth: int = 0, limits: ArchiveLimits = LIMITS
) -> ParsedDocument:
    """The files of an archive as attachments; folders, links and what operating systems leave behind are skipped.

    Raises:
        PasswordProtected: an entry is encrypted.
        LimitExceeded: too many files, bytes, or archives within archives.
        DamagedFile: an entry is not what it promises.
        NoText: there is no file in it.
    """
    if depth >= limits.depth:
        raise LimitExceeded(
            f"{name}: it is an archive within {depth} others, which is deeper than is read; unpack it and upload it."
        )
    with open_zip(path, name, limits) as archive:
        refuse_encrypted(archive, name)
        unpacked = Unpacked(scratch, name, path.stat().st_size, limits)
        files = [(e, inner) for e, inner in _named(archive) if is_file(e) and not is_junk(inner) and e.file_size]
        if not files:
            raise NoText(f"{name}: there is no file in the archive.")
        for entry, inner in files:
            unpacked.add(inner, entry_blocks(archive, entry, name))
    return ParsedDocument("zip", (), warnings=unpacked.warnings, attachments=tuple(unpacked.attachments))


def _named(archive: zipfile.ZipFile) -> list[tuple[zipfile.ZipInfo, str]]:
    """Entries with their names; those of old programs are in the encoding of the machine that packed them."""
    entries = archive.infolist()
    old = [e for e in entries if not e.flag_bits & _UTF8_NAME and not e.filename.isascii()]
    # zipfile has read them as code page 437. All together tell their encoding better than one.
    joined = b"\n".join(e.filename.encode("cp437", errors="replace") for e in old)
    try:
        names = decode(joined, "names").split("\n")
    except DamagedFile:
        names = []
    found = dict(zip((id(e) for e in old), names, strict=False)) if len(names) == len(old) else {}
    return [(e, found.get(id(e), e.filename)) for e in entries]
