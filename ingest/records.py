"""What the catalog speaks of: knowledge bases, documents, versions and their states, as plain data."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row

from ingest.address import Address
from ingest.database import DocumentRow, KnowledgeBaseRow, VersionRow
from ingest.schema import Filters


class State(StrEnum):
    """A version's life; ``ready`` and ``failed`` are final."""

    RECEIVED = "received"
    PARSING = "parsing"
    EMBEDDING = "embedding"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


UNFINISHED = (State.RECEIVED, State.PARSING, State.EMBEDDING, State.INDEXING)


# The end of time in the index, in seconds since 1970: the largest whole number that a float holds exactly.
ALWAYS = 2**53


@dataclass(frozen=True, slots=True)
class Curation:
    """What an admin says of a document; customers are answered from enabled documents within their time only.

    valid_from, valid_until: UTC; None for open ends, ``valid_until`` is the first moment that is too late.
    """

    enabled: bool = True
    valid_from: datetime | None = None
    valid_until: datetime | None = None
    tags: tuple[str, ...] = ()
    source: str = ""

    def shown(self, at: datetime) -> bool:
        """Whether customers may be answered from the document at a moment."""
        begun = self.valid_from is None or self.valid_from <= at
        return self.enabled and begun and (self.valid_until is None or at < self.valid_until)

    def fits(self, filters: Filters) -> bool:
        """Whether the document is among those that a question is asked of."""
        return (not filters.tags or bool(set(filters.tags) & set(self.tags))) and self.source.startswith(filters.source)

    def payload(self) -> dict[str, Any]:
        """The same on the document's points, in whole seconds that never shorten its time."""
        return {
            "enabled": int(self.enabled),
            "valid_from": math.floor(self.valid_from.timestamp()) if self.valid_from else 0,
            "valid_until": math.ceil(self.valid_until.timestamp()) if self.valid_until else ALWAYS,
            "tags": list(self.tags),
            "source": self.source,
        }


AS_IT_CAME = Curation()


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """A knowledge base as the catalog knows it; ``fingerprint`` is "" until its first document.

    thresholds: what its own unanswerable questions have fitted (app/rag/deciding.py); "" for what is shipped.
    corpus_version: that of the moment it was read; it grows with whatever could change an answer (ingest/corpus.py).
    """

    id: str
    tenant: str
    name: str
    embedding_model: str
    embedding_size: int
    fingerprint: str
    created_at: datetime
    index_engine: str = ""
    index_space: str = ""
    thresholds: str = ""
    corpus_version: int = field(default=0, compare=False)

    @property
    def address(self) -> Address:
        """Where its points are; parts that nobody decided yet are empty."""
        return Address(self.index_engine, self.embedding_model, self.embedding_size, self.index_space or self.id)


@dataclass(frozen=True, slots=True)
class Counts:
    """Documents of a knowledge base by what became of their newest version, and its live chunks."""

    documents: int = 0
    ready: int = 0
    failed: int = 0
    in_progress: int = 0
    chunks: int = 0


@dataclass(frozen=True, slots=True)
class Version:
    """One version of a document; ``live`` when customers are answered from it."""

    id: str
    knowledge_base_id: str
    document_id: str
    document: str
    content_hash: str
    fingerprint: str
    generation: int
    state: State
    reason: str
    warnings: tuple[str, ...]
    format: str
    size_bytes: int
    pages: int | None
    chunks: int
    live: bool
    updated_at: datetime
    attempts: int = 0
    # How far the stage has come, in its own units, and when that was last said.
    done: int = 0
    total: int = 0
    heartbeat_at: datetime | None = None
    cancelled: bool = False
    # Not to go live before somebody publishes it.
    draft: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A document and its newest version; ``parent_id`` names the document whose file held it."""

    id: str
    name: str
    title: str
    live_version_id: str | None
    latest: Version
    curation: Curation = field(default=AS_IT_CAME)
    parent_id: str | None = None


@dataclass(frozen=True, slots=True)
class Purge:
    """Points to delete; an empty ``version_id`` means a whole index: the one at ``place``, or under the base's own id."""

    id: int
    knowledge_base_id: str
    version_id: str
    generation: int
    place: str = ""


def version_id(knowledge_base_id: str, document_id: str, content_hash: str, fingerprint: str) -> str:
    """Name a version by what went into it; 32 hex digits."""
    parts = (knowledge_base_id, document_id, content_hash, fingerprint)
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def knowledge_base_of(row: KnowledgeBaseRow) -> KnowledgeBase:
    """A knowledge base as its row tells it."""
    return KnowledgeBase(
        row.id,
        row.tenant,
        row.name,
        row.embedding_model,
        row.embedding_size,
        row.fingerprint,
        row.created_at,
        row.index_engine,
        row.index_space,
        row.thresholds,
        row.corpus_version,
    )


def version_of(row: VersionRow, doc: DocumentRow) -> Version:
    """A version as its row and its document's tell it."""
    return Version(
        id=row.id,
        knowledge_base_id=doc.knowledge_base_id,
        document_id=doc.id,
        document=doc.name,
        content_hash=row.content_hash,
        fingerprint=row.fingerprint,
        generation=row.generation,
        state=State(row.state),
        reason=row.reason,
        warnings=tuple(row.warnings.splitlines()),
        format=row.format,
        size_bytes=row.size_bytes,
        pages=row.pages,
        chunks=row.chunks,
        live=doc.live_version_id == row.id,
        updated_at=row.updated_at,
        attempts=row.attempts,
        done=row.done,
        total=row.total,
        heartbeat_at=row.heartbeat_at,
        cancelled=row.cancelled,
        draft=row.draft,
    )


def document_of(doc: DocumentRow, newest: VersionRow) -> Document:
    """A document as its row and its newest version's tell it."""
    latest = version_of(newest, doc)
    return Document(doc.id, doc.name, doc.title, doc.live_version_id, latest, curation_of(doc), doc.parent_id)


def curation_of(doc: DocumentRow | Row[*tuple[Any, ...]]) -> Curation:
    """What is said of a document, as its row tells it, or these columns of the row."""
    return Curation(
        enabled=doc.enabled,
        valid_from=in_utc(doc.valid_from),
        valid_until=in_utc(doc.valid_until),
        tags=tuple(json.loads(doc.tags)),
        source=doc.source,
    )


def in_utc(moment: datetime | None) -> datetime | None:
    """A moment with its zone: SQLite gives moments back without it, and they were stored in UTC."""
    if moment is None:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
