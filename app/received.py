"""Uploads over HTTP: names made safe, bytes on disk, versions in the queue, each request once."""

from __future__ import annotations

import hashlib
import json
import threading
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO

from app.errors import UsageError
from app.idempotency import IdempotencyKeys
from app.workspace import Workspace
from ingest.pipeline import Ingested, Pipeline
from ingest.records import KnowledgeBase
from ingest.sources.rows import Sources

_LONGEST_NAME = 500
_BLOCK = 1 << 20
# The catalog keeps uploads of one name apart, of several processes too; this one gives a source's look the turn to see
# whose a name is before anything is received for it.
accepting = threading.Lock()


@dataclass(frozen=True, slots=True)
class IncomingFile:
    """A file as a client sent it."""

    name: str
    file: BinaryIO


@dataclass(frozen=True, slots=True)
class Received:
    """A document that was accepted; ``unchanged`` when the same bytes were live already."""

    document: str
    unchanged: bool


def document_name(sent: str) -> str:
    """The document's name from a client's file name: relative, slashes only, nothing that moves upwards.

    Raises:
        UsageError: nothing usable is left, or it is too long.
    """
    # "C" covers control, format, surrogate and private characters: a name must be readable and storable. They go first,
    # because one of them between two dots hides what the dots mean.
    name = "".join(char for char in sent if unicodedata.category(char)[0] != "C" or char == "\u200d")
    parts = [part.strip() for part in unicodedata.normalize("NFC", name).replace("\\", "/").split("/")]
    name = "/".join(part for part in parts if part not in ("", ".", ".."))
    if not name:
        raise UsageError("a file without a name cannot be kept: give each file a name")
    if len(name) > _LONGEST_NAME:
        raise UsageError(f"the name {name[:40]!r}… has more than {_LONGEST_NAME} characters: rename the file")
    return name


class Receiver:
    """Takes uploads in; every method blocks."""

    def __init__(self, workspace: Workspace, keys: IdempotencyKeys) -> None:
        self._workspace = workspace
        self._keys = keys
        self._sources = Sources(workspace.engine)

    def receive(
        self, kb: KnowledgeBase, files: Sequence[IncomingFile], key: str | None, draft: bool = False
    ) -> list[Received]:
        """Put files on disk and into the queue; with a key that was used before, what was replied then.

        draft: they shall not go live by themselves.

        Raises:
            UsageError: a name cannot be used, or the key was used for other files.
            Conflict: a request with the key is being carried out now.
            IndexMismatch: the knowledge base was built with another embedder.
            OSError: the disk is full.
        """
        named = [(document_name(incoming.name), incoming.file) for incoming in files]
        twice = {name for name, _ in named if [n for n, _ in named].count(name) > 1}
        if twice:
            raise UsageError(f"two files of one upload are both named {min(twice)!r}: rename one of them")
        self._workspace.pipeline.check_index(kb)
        if key is None:
            return [received for received, _ in self._take(kb, named, draft)]
        scope = f"upload:{kb.id}"
        before = self._keys.begin(key, scope)
        if before is not None:
            hashed = [(name, _hash(file)) for name, file in named]
            self._keys.check(key, scope, _fingerprint(hashed))
            return [Received(**entry) for entry in json.loads(before)]
        try:
            taken = self._take(kb, named, draft)
        except BaseException:
            self._keys.abandon(key, scope)
            raise
        reply = [{"document": received.document, "unchanged": received.unchanged} for received, _ in taken]
        hashed = [(received.document, content_hash) for received, content_hash in taken]
        self._keys.finish(key, scope, _fingerprint(hashed), json.dumps(reply))
        return [received for received, _ in taken]

    def _take(
        self, kb: KnowledgeBase, named: Sequence[tuple[str, BinaryIO]], draft: bool
    ) -> list[tuple[Received, str]]:
        taken = []
        for name, file in named:
            with self._workspace.files.adding(file) as (content_hash, size):
                unchanged = accept(self._workspace.pipeline, kb, name, content_hash, size, draft)
            if not unchanged:
                self._sources.release(kb.id, [name])
            taken.append((Received(name, unchanged), content_hash))
        return taken


def accept(pipeline: Pipeline, kb: KnowledgeBase, name: str, content_hash: str, size: int, draft: bool = False) -> bool:
    """Put stored bytes into the queue, one document after the other; whether they were live already."""
    with accepting:
        accepted = pipeline.accept_stored(kb, name, content_hash, size, draft=draft)
        return isinstance(accepted, Ingested) and accepted.unchanged


def _hash(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := file.read(_BLOCK):
        digest.update(block)
    return digest.hexdigest()


def _fingerprint(hashed: Sequence[tuple[str, str]]) -> str:
    return hashlib.sha256(json.dumps(sorted(hashed)).encode()).hexdigest()
