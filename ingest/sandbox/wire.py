"""What the child says to the parent: frames of JSON, built by the one and taken apart without trust by the other.

    kind (1 byte: P, R, E) | length (4 bytes, big endian) | payload

P: pages done and pages, two unsigned 32-bit numbers. R: a read document. E: why it could not be read. A hostile file
may own the child, so the parent believes neither types nor sizes nor names; what is not exactly what an honest child writes
raises Garbled.
"""

from __future__ import annotations

import json
import math
import os
import re
import stat
import struct
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from ingest.reading import Read
from ingest.schema import Attachment, Box, Chunk

PROGRESS, RESULT, ERROR = b"P", b"R", b"E"
_HEAD = struct.Struct(">cI")
_PROGRESS = struct.Struct(">II")
_LONGEST_NAME = 4096
_LONGEST_WORD = 200
_LANGUAGE = re.compile(r"[a-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
# Lone surrogates cannot be stored as UTF-8, NUL not in PostgreSQL; no reader misses either.
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Garbled(Exception):
    """The child sent what no honest child sends."""


def progress_frame(done: int, total: int) -> bytes:
    """Pages done, and all of them."""
    most = 2**32 - 1
    return _HEAD.pack(PROGRESS, _PROGRESS.size) + _PROGRESS.pack(max(0, min(done, most)), max(0, min(total, most)))


def result_frame(read: Read, scratch: Path) -> bytes:
    """A read document; attachments are named by their place in the scratch folder."""
    document = {
        "title": read.title,
        "format": read.format,
        "pages": read.pages,
        "warnings": list(read.warnings),
        "chunks": [_chunk_fields(chunk) for chunk in read.chunks],
        "attachments": [[file.name, file.path.relative_to(scratch).as_posix()] for file in read.attachments],
    }
    return _framed(RESULT, document)


def error_frame(kind: str, message: str, trace: str = "") -> bytes:
    """Why it could not be read: the name of the error's class, its message, and a trace for the log."""
    return _framed(ERROR, {"kind": kind, "message": message[:4000], "trace": trace[-8000:]})


def _framed(kind: bytes, content: object) -> bytes:
    text = json.dumps(content, ensure_ascii=False, separators=(",", ":"), default=_plain)
    # Lone surrogates have no UTF-8 and no meaning.
    payload = text.encode("utf-8", "ignore")
    return _HEAD.pack(kind, len(payload)) + payload


def _plain(number: Any) -> Any:
    """A number of numpy's as one of Python's."""
    return number.item()


def _chunk_fields(chunk: Chunk) -> list[object]:
    return [getattr(chunk, name) for name in Chunk.__dataclass_fields__]


class Frames:
    """Puts together what arrives in pieces.

    limit: bytes that may arrive in all.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._held = bytearray()
        self._seen = 0

    @property
    def overrun(self) -> bool:
        """Whether more has arrived than may."""
        return self._seen > self._limit

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """The (kind, payload) of each frame that is whole by now."""
        self._seen += len(data)
        self._held += data
        start = 0
        while len(self._held) - start >= _HEAD.size:
            kind, length = _HEAD.unpack_from(self._held, start)
            if length > self._limit:
                raise Garbled("a frame longer than allowed")
            if len(self._held) - start < _HEAD.size + length:
                break
            start += _HEAD.size
            yield kind, bytes(self._held[start : start + length])
            start += length
        del self._held[:start]


def read_progress(payload: bytes) -> tuple[int, int]:
    """Pages done and pages."""
    if len(payload) != _PROGRESS.size:
        raise Garbled("progress")
    done, total = _PROGRESS.unpack(payload)
    return min(done, total), total


def read_error(payload: bytes) -> tuple[str, str, str]:
    """Kind, message (one line) and trace."""
    fields = _object(_json(payload), {"kind", "message", "trace"})
    message = " ".join(_CONTROL.sub(" ", _text(fields["message"], _LONGEST_NAME)).split())
    return _text(fields["kind"], _LONGEST_WORD), message, _text(fields["trace"], 10_000)


def read_result(payload: bytes, scratch: Path, largest_file: int, most_files: int) -> Read:
    """A read document, checked: only known fields, of their types, within their bounds; files are in the scratch.

    Raises:
        Garbled: it is not what an honest child writes.
    """
    fields = _object(_json(payload), {"title", "format", "pages", "warnings", "chunks", "attachments"})
    try:
        return Read(
            title=_text(fields["title"]),
            format=_text(fields["format"], _LONGEST_WORD),
            pages=None if fields["pages"] is None else _number(fields["pages"], 0),
            warnings=tuple(_text(line) for line in _list(fields["warnings"])),
            chunks=[_chunk(place, chunk) for place, chunk in enumerate(_list(fields["chunks"]))],
            attachments=tuple(
                _attachment(file, scratch, largest_file) for file in _list(fields["attachments"], most_files)
            ),
        )
    except (TypeError, ValueError, OSError) as exc:
        raise Garbled(str(exc)) from exc


def _chunk(place: int, fields: Any) -> Chunk:
    names = list(Chunk.__dataclass_fields__)
    if len(_list(fields)) != len(names):
        raise Garbled("a chunk's fields")
    of = dict(zip(names, fields, strict=True))
    language = _text(of["language"], 40)
    if _number(of["ordinal"], 0) != place or (language and not _LANGUAGE.fullmatch(language)):
        raise Garbled("a chunk's order or language")
    return Chunk(
        ordinal=place,
        text=_text(of["text"]),
        heading_path=tuple(_text(part) for part in _list(of["heading_path"])),
        pages=tuple(_number(page, 0) for page in _list(of["pages"])),
        sheet=None if of["sheet"] is None else _text(of["sheet"]),
        language=language,
        tokens=_number(of["tokens"], 0),
        kind=_text(of["kind"], _LONGEST_WORD),
        boxes=tuple(_box(box) for box in _list(of["boxes"])),
        flags=tuple(_text(flag) for flag in _list(of["flags"])),
    )


def _box(fields: Any) -> Box:
    page, *edges = _list(fields, 5)
    if len(edges) != 4 or not all(type(edge) in (int, float) and math.isfinite(edge) for edge in edges):
        raise Garbled("a box")
    x0, y0, x1, y1 = map(float, edges)
    return Box(_number(page, 0), x0, y0, x1, y1)


def _attachment(fields: Any, scratch: Path, largest: int) -> Attachment:
    name, place = (_text(part, _LONGEST_NAME) for part in _list(fields, 2))
    for given in (PurePosixPath(name), PurePosixPath(place)):
        if not given.parts or given.is_absolute() or ".." in given.parts:
            raise Garbled("an attachment outside of its folder")
    if "\\" in name or _CONTROL.search(name):
        raise Garbled("an attachment's name")
    path = scratch / place
    # A link among its folders would lead elsewhere, a link as the file to any file of ours.
    if path.parent.resolve() != scratch.resolve() / PurePosixPath(place).parent:
        raise Garbled("an attachment behind a link")
    found = os.lstat(path)
    if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_size > largest:
        raise Garbled("an attachment that is no plain file")
    return Attachment(name, path)


def _json(payload: bytes) -> Any:
    try:
        return json.loads(payload)
    except (ValueError, RecursionError, UnicodeDecodeError) as exc:
        raise Garbled("JSON") from exc


def _object(value: Any, names: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict) or value.keys() != names:
        raise Garbled("fields")
    return value


def _list(value: Any, most: int = 10_000_000) -> list[Any]:
    if not isinstance(value, list) or len(value) > most:
        raise Garbled("a list")
    return value


def _text(value: Any, most: int | None = None) -> str:
    if not isinstance(value, str) or (most is not None and len(value) > most):
        raise Garbled("a text")
    return _UNSTORABLE.sub("", value)


def _number(value: Any, least: int) -> int:
    # bool is an int to Python, and is none here.
    if type(value) is not int or not least <= value < 2**31:
        raise Garbled("a number")
    return value
