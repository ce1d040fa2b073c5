"""The database: SQLite (WAL, synchronous=FULL) by default, Postgres by URL; schema by Alembic."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    DateTime,
    Engine,
    Float,
    ForeignKey,
    String,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError, OperationalError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from ingest.errors import SettingsError

MIGRATIONS = Path(__file__).parent / "migrations"


class Base(DeclarativeBase):
    """Root of the mapped tables."""


class KnowledgeBaseRow(Base):
    """A knowledge base: a set of documents with one index, made by one embedder."""

    __tablename__ = "knowledge_bases"
    __table_args__ = (UniqueConstraint("tenant", "name"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(100))
    name: Mapped[str] = mapped_column(String(100))
    # What the index was built with; empty until the first document.
    embedding_model: Mapped[str] = mapped_column(String(300), default="")
    embedding_size: Mapped[int] = mapped_column(default=0)
    fingerprint: Mapped[str] = mapped_column(String(64), default="")
    # Which engine holds the points, and under which name it is asked for them; "" is what the settings name, and the
    # knowledge base's own id. Another index is built beside and takes this one's place by one update of this row.
    index_engine: Mapped[str] = mapped_column(String(20), default="")
    index_space: Mapped[str] = mapped_column(String(32), default="")
    # From which support on questions are answered or asked back, as app/rag/deciding.py writes it; "" for what is shipped.
    thresholds: Mapped[str] = mapped_column(String(300), default="", server_default="")
    # Grows with whatever could change an answer (ingest/corpus.py).
    corpus_version: Mapped[int] = mapped_column(BigInteger, default=0, server_default="0")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class IndexBuildRow(Base):
    """An index that is being built beside the one that answers; the row goes when it takes its place, or is given up."""

    __tablename__ = "index_builds"

    # No foreign key: a restored knowledge base has its points before it has its row.
    knowledge_base_id: Mapped[str] = mapped_column(String(32), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20))
    # ingest.address.Address as JSON: where the new points go, and of where the old ones were when it began.
    place: Mapped[str] = mapped_column(Text)
    source: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class DocumentRow(Base):
    """A document by its name; which version is live is decided here and nowhere else."""

    __tablename__ = "documents"
    __table_args__ = (UniqueConstraint("knowledge_base_id", "name"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    knowledge_base_id: Mapped[str] = mapped_column(ForeignKey("knowledge_bases.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(1000))
    title: Mapped[str] = mapped_column(Text, default="")
    live_version_id: Mapped[str | None] = mapped_column(String(32), index=True)
    live_generation: Mapped[int] = mapped_column(default=0)
    # Survives the versions, so that a generation is never used twice for a document.
    last_generation: Mapped[int] = mapped_column(default=0)
    # What an admin says of it: customers are answered from enabled documents within their time only.
    enabled: Mapped[bool] = mapped_column(default=True)
    valid_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    valid_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # JSON list of strings.
    tags: Mapped[str] = mapped_column(Text, default="[]")
    # Where it came from: the address of a file in a folder, a bucket or the web; "" for an upload.
    source: Mapped[str] = mapped_column(String(2000), default="")
    # The document whose file held this one (a mail's attachment, a file of an archive); it goes when that one goes.
    parent_id: Mapped[str | None] = mapped_column(String(32), index=True)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class VersionRow(Base):
    """One state of a document's bytes under one pipeline; see "A document's life" in docs/architecture.md."""

    __tablename__ = "versions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), index=True)
    content_hash: Mapped[str] = mapped_column(String(64), index=True)
    fingerprint: Mapped[str] = mapped_column(String(64))
    generation: Mapped[int]
    state: Mapped[str] = mapped_column(String(20), index=True)
    reason: Mapped[str] = mapped_column(Text, default="")
    warnings: Mapped[str] = mapped_column(Text, default="")
    format: Mapped[str] = mapped_column(String(20), default="")
    size_bytes: Mapped[int] = mapped_column(default=0)
    pages: Mapped[int | None]
    chunks: Mapped[int] = mapped_column(default=0)
    # How often its ingestion was begun; a file that ends the process each time is not tried for ever.
    attempts: Mapped[int] = mapped_column(default=0)
    # Ready, but not to go live before somebody publishes it.
    draft: Mapped[bool] = mapped_column(default=False)
    # How far its stage has come, and when that was last written: silence tells stalled work from slow work.
    done: Mapped[int] = mapped_column(default=0)
    total: Mapped[int] = mapped_column(default=0)
    heartbeat_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # Somebody asked for its end; it is failed at the next step.
    cancelled: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class PurgeRow(Base):
    """Points that must still be deleted from the index; written in the transaction that made them obsolete."""

    __tablename__ = "purges"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    knowledge_base_id: Mapped[str] = mapped_column(String(32), index=True)
    # Empty: the whole knowledge base is to be dropped.
    version_id: Mapped[str] = mapped_column(String(32), default="")
    generation: Mapped[int] = mapped_column(default=0)
    # With an empty version: which index to drop (ingest.address.Address as JSON); "" for the one under the base's own id.
    place: Mapped[str] = mapped_column(Text, default="")


class ChunkEditRow(Base):
    """A person's wording of a passage; it follows the passage's text, not its place."""

    __tablename__ = "chunk_edits"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), index=True)
    # Of the passage as the parser gave it (Chunk.text_hash).
    text_hash: Mapped[str] = mapped_column(String(32), index=True)
    heading_path: Mapped[str] = mapped_column(Text, default="[]")
    original: Mapped[str] = mapped_column(Text)
    text: Mapped[str] = mapped_column(Text)
    # "applied" while the live version holds the original; "moved" when its text changed and a person must look again.
    state: Mapped[str] = mapped_column(String(20), default="applied", index=True)
    edited_by: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class CuratedAnswerRow(Base):
    """An answer that a person wrote for questions of a knowledge base (ingest/curated.py)."""

    __tablename__ = "curated_answers"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    knowledge_base_id: Mapped[str] = mapped_column(ForeignKey("knowledge_bases.id", ondelete="CASCADE"), index=True)
    # JSON list of strings.
    questions: Mapped[str] = mapped_column(Text)
    answer: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(String(10), default="und")
    # A document of the knowledge base by its name, or an address; "" for none.
    source: Mapped[str] = mapped_column(String(2000), default="")
    # The document's live bytes when a person last looked at the answer; other bytes make it stale.
    source_hash: Mapped[str] = mapped_column(String(64), default="")
    enabled: Mapped[bool] = mapped_column(default=True)
    valid_from: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    valid_until: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    written_by: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class GlossaryRow(Base):
    """Terms that mean the same in a knowledge base (ingest/glossary.py)."""

    __tablename__ = "glossary_entries"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    knowledge_base_id: Mapped[str] = mapped_column(ForeignKey("knowledge_bases.id", ondelete="CASCADE"), index=True)
    # JSON list of strings.
    terms: Mapped[str] = mapped_column(Text)
    one_way: Mapped[bool] = mapped_column(default=False)
    written_by: Mapped[str] = mapped_column(String(200), default="")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class SourceRow(Base):
    """A folder, bucket or web address that a knowledge base is kept in step with."""

    __tablename__ = "sources"
    __table_args__ = (UniqueConstraint("knowledge_base_id", "address"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    knowledge_base_id: Mapped[str] = mapped_column(ForeignKey("knowledge_bases.id", ondelete="CASCADE"), index=True)
    address: Mapped[str] = mapped_column(String(2000))
    # In front of each document's name.
    prefix: Mapped[str] = mapped_column(String(200), default="")
    # Seconds between two looks; 0: only when asked.
    every_s: Mapped[int] = mapped_column(default=0)
    checked_at: Mapped[datetime | None] = mapped_column(DateTime(timezone=True))
    # What the last look found, as JSON; or why there was none.
    outcome: Mapped[str] = mapped_column(Text, default="")
    problem: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class SourceFileRow(Base):
    """A file seen at a source, with what told whether it had changed."""

    __tablename__ = "source_files"

    source_id: Mapped[str] = mapped_column(ForeignKey("sources.id", ondelete="CASCADE"), primary_key=True)
    path: Mapped[str] = mapped_column(String(1000), primary_key=True)
    # The store's own mark of a state (ETag, or size and time); equal marks save fetching the file.
    mark: Mapped[str] = mapped_column(String(200), default="")
    content_hash: Mapped[str] = mapped_column(String(64), default="")
    document: Mapped[str] = mapped_column(String(1000), default="")


class PassageBandRow(Base):
    """One band of a passage's MinHash signature: passages that share a band are near-duplicates (ingest/cleaning)."""

    __tablename__ = "passage_bands"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    knowledge_base_id: Mapped[str] = mapped_column(ForeignKey("knowledge_bases.id", ondelete="CASCADE"), index=True)
    band: Mapped[str] = mapped_column(String(32), index=True)
    document_id: Mapped[str] = mapped_column(ForeignKey("documents.id", ondelete="CASCADE"), index=True)
    version_id: Mapped[str] = mapped_column(String(32), index=True)
    ordinal: Mapped[int] = mapped_column(default=0)


class ConversationRow(Base):
    """A customer's conversation; the knowledge base is named by id only, for a transcript outlives it."""

    __tablename__ = "conversations"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    tenant: Mapped[str] = mapped_column(String(100), index=True)
    knowledge_base_id: Mapped[str] = mapped_column(String(32), index=True)
    title: Mapped[str] = mapped_column(String(200), default="")
    status: Mapped[str] = mapped_column(String(20), index=True)
    # Given by a customer who asks for a person.
    contact: Mapped[str] = mapped_column(String(300), default="")
    note: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))
    updated_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC), index=True)


class MessageRow(Base):
    """A question or an answer; ``answer`` holds the whole answer as JSON, "" while it is being written."""

    __tablename__ = "messages"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    conversation_id: Mapped[str] = mapped_column(ForeignKey("conversations.id", ondelete="CASCADE"), index=True)
    role: Mapped[str] = mapped_column(String(20))
    state: Mapped[str] = mapped_column(String(20))
    text: Mapped[str] = mapped_column(Text, default="")
    answer: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class IdempotencyRow(Base):
    """What was replied to a request with an Idempotency-Key; ``body`` is "" while it is being worked on."""

    __tablename__ = "idempotency"

    key: Mapped[str] = mapped_column(String(200), primary_key=True)
    scope: Mapped[str] = mapped_column(String(200), primary_key=True)
    request_hash: Mapped[str] = mapped_column(String(64))
    body: Mapped[str] = mapped_column(Text, default="")
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


class ReleaseStateRow(Base):
    """Which release answers from a moment on; the last row holds. ``before`` is the row that a rollback goes back to."""

    __tablename__ = "release_states"

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    # Ids of releases, or names of shipped ones; live is "" for what is live by itself.
    live: Mapped[str] = mapped_column(String(100))
    canary: Mapped[str] = mapped_column(String(100), default="", server_default="")
    share: Mapped[float] = mapped_column(Float, default=0.0, server_default="0")
    action: Mapped[str] = mapped_column(String(20))
    before: Mapped[int | None] = mapped_column(default=None)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=lambda: datetime.now(UTC))


def open_database(url: str) -> Engine:
    """Connect and bring the schema up to date; sessions tell from now on what they change (ingest/corpus.py).

    Raises:
        SettingsError: the URL cannot be used or the database does not answer.
    """
    from ingest.corpus import watch

    watch()
    try:
        parsed = make_url(url)
    except ArgumentError as exc:
        raise SettingsError(
            "FRONTDESK_DATABASE_URL: not a database URL (example: postgresql://user@host/name)"
        ) from exc
    if parsed.get_backend_name() == "sqlite" and parsed.database:
        Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
    try:
        # A file does not go away between two questions as a server may.
        engine = create_engine(parsed, pool_pre_ping=parsed.get_backend_name() != "sqlite")
        if parsed.get_backend_name() == "sqlite":
            event.listen(engine, "connect", _configure_sqlite)
        migrate(engine)
    except (OperationalError, NoSuchModuleError, ModuleNotFoundError) as exc:
        shown = parsed.render_as_string(hide_password=True)
        raise SettingsError(f"FRONTDESK_DATABASE_URL: cannot use {shown}: {str(exc).splitlines()[0]}") from exc
    return engine


def migrate(engine: Engine) -> None:
    """Apply every migration that the database has not seen."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _configure_sqlite(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    # WAL lets readers run beside the writer; FULL makes a commit survive a power cut.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=10000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
