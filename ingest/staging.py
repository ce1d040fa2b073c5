"""Between parsing and indexing: a read document on disk, so that work goes on where a dead process left it.

staging/<version>.<generation>/read.jsonl   a line about the document, then a line a chunk
staging/<version>.<generation>/files/       files found inside it
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from ingest.reading import Read
from ingest.records import Version
from ingest.schema import Attachment, Box, Chunk

_DOCUMENT = "read.jsonl"


class Staging:
    """A folder of read documents, one folder a writing of a version."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def scratch(self, version: Version) -> Path:
        """An empty folder for the files found inside a document; whatever an earlier reading left is gone."""
        self.drop(version)
        files = self._of(version) / "files"
        files.mkdir(parents=True)
        return files

    def keep(self, version: Version, read: Read) -> None:
        """Write a read document; it is there whole or not at all."""
        target = self._of(version) / _DOCUMENT
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_suffix(".partial")
        with partial.open("w", encoding="utf-8") as writer:
            writer.writelines(f"{line}\n" for line in lines_of(read))
            writer.flush()
            os.fsync(writer.fileno())
        partial.replace(target)

    def holds(self, version: Version) -> bool:
        """Whether it was read already."""
        return (self._of(version) / _DOCUMENT).is_file()

    def head(self, version: Version) -> Read:
        """The document without its chunks."""
        with (self._of(version) / _DOCUMENT).open(encoding="utf-8") as lines:
            return document_of(next(lines))

    def chunks(self, version: Version, start: int, count: int) -> list[Chunk]:
        """Some chunks, from an ordinal on."""
        with (self._of(version) / _DOCUMENT).open(encoding="utf-8") as lines:
            return [chunk_of(line) for line in islice(lines, 1 + start, 1 + start + count)]

    def drop(self, version: Version) -> None:
        """Forget a writing."""
        shutil.rmtree(self._of(version), ignore_errors=True)

    def keep_only(self, versions: Iterable[Version]) -> None:
        """Forget every writing but these."""
        wanted = {self._of(version).name for version in versions}
        if self._folder.is_dir():
            for folder in self._folder.iterdir():
                if folder.name not in wanted:
                    shutil.rmtree(folder, ignore_errors=True)

    def _of(self, version: Version) -> Path:
        return self._folder / f"{version.id}.{version.generation}"


def lines_of(read: Read) -> Iterator[str]:
    """A read document as lines of JSON: one about the document, then one a chunk."""
    document = {
        "title": read.title,
        "format": read.format,
        "pages": read.pages,
        "warnings": read.warnings,
        "chunks": len(read.chunks),
        "attachments": [[attachment.name, str(attachment.path)] for attachment in read.attachments],
    }
    yield json.dumps(document, ensure_ascii=False)
    for chunk in read.chunks:
        yield json.dumps(asdict(chunk), ensure_ascii=False)


def document_of(line: str) -> Read:
    """The document of a first line, without its chunks."""
    found = json.loads(line)
    attachments = tuple(Attachment(name, Path(path)) for name, path in found["attachments"])
    return Read(found["title"], found["format"], found["pages"], tuple(found["warnings"]), [], attachments)


def chunk_of(line: str) -> Chunk:
    """The chunk of a further line."""
    found: dict[str, Any] = json.loads(line)
    for name in ("heading_path", "pages", "flags"):
        found[name] = tuple(found[name])
    found["boxes"] = tuple(Box(*box) for box in found["boxes"])
    return Chunk(**found)
