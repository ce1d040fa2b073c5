"""What the catalog speaks of: knowledge bases, documents, versions and their states, as plain data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from ingest.database import DocumentRow, KnowledgeBaseRow, VersionRow


class State(StrEnum):
    """A version's life; ``ready`` and ``failed`` are final."""

    RECEIVED = "received"
    PARSING = "parsing"
    EMBEDDING = "embedding"
    INDEXING = "indexing"
    READY = "ready"
    FAILED = "failed"


UNFINISHED = (State.RECEIVED, State.PARSING, State.EMBEDDING, State.INDEXING)


@dataclass(frozen=True, slots=True)
class KnowledgeBase:
    """A knowledge base as the catalog knows it; ``fingerprint`` is "" until its first document."""

    id: str
    tenant: str
    name: str
    embedding_model: str
    embedding_size: int
    fingerprint: str
    created_at: datetime


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


@dataclass(frozen=True, slots=True)
class Document:
    """A document and its newest version."""

    id: str
    name: str
    title: str
    live_version_id: str | None
    latest: Version


@dataclass(frozen=True, slots=True)
class Purge:
    """Points to delete; an empty ``version_id`` means the whole knowledge base."""

    id: int
    knowledge_base_id: str
    version_id: str
    generation: int


def version_id(knowledge_base_id: str, document: str, content_hash: str, fingerprint: str) -> str:
    """Name a version by what went into it; 32 hex digits."""
    return hashlib.sha256("\0".join((knowledge_base_id, document, content_hash, fingerprint)).encode()).hexdigest()[:32]


def knowledge_base_of(row: KnowledgeBaseRow) -> KnowledgeBase:
    """A knowledge base as its row tells it."""
    return KnowledgeBase(
        row.id, row.tenant, row.name, row.embedding_model, row.embedding_size, row.fingerprint, row.created_at
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
    )


def document_of(doc: DocumentRow, newest: VersionRow) -> Document:
    """A document as its row and its newest version's tell it."""
    return Document(doc.id, doc.name, doc.title, doc.live_version_id, version_of(newest, doc))
