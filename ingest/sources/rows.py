"""The catalog's part about sources: what is kept in step, which files were seen, and whose a document is."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ingest.corpus import CHANGES_NOTHING, WRITES_TO
from ingest.database import DocumentRow, SourceFileRow, SourceRow, VersionRow
from ingest.errors import NotFound
from ingest.knowledge_bases import Transactions, is_newest
from ingest.records import State

# A document whose file goes by another name now: such a row is of no file, so that the document goes as a gone file's.
_REPLACED = "\x1freplaced:"


@dataclass(frozen=True, slots=True)
class Source:
    """An address that a knowledge base is kept in step with.

    every_s: seconds between two looks; 0 when only asked for.
    outcome: what the last look found, as JSON; "" before the first.
    problem: why the last look could not be finished; "" when it was.
    """

    id: str
    knowledge_base_id: str
    address: str
    prefix: str
    every_s: int
    checked_at: datetime | None
    outcome: str
    problem: str
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was when last received; ``mark`` is "" when it must be read to know."""

    mark: str
    content_hash: str
    document: str


class Sources(Transactions):
    """The rows of sources over an open database; every method is one transaction."""

    def keep(self, knowledge_base_id: str, address: str, prefix: str | None, every_s: int | None) -> Source:
        """Add a source, or change one; None leaves a value as it is."""
        with self._session() as session:
            row = self._row(session, knowledge_base_id, address)
            if row is None:
                row = SourceRow(id=uuid.uuid4().hex, knowledge_base_id=knowledge_base_id, address=address)
                row.prefix, row.every_s, row.outcome, row.problem = prefix or "", every_s or 0, "", ""
                session.add(row)
            elif prefix is not None and prefix != row.prefix:
                row.prefix = prefix
                # Every document has another name now: every file is read again.
                session.execute(update(SourceFileRow).where(SourceFileRow.source_id == row.id).values(mark=""))
            row.every_s = row.every_s if every_s is None else every_s
            session.flush()
            return _source_of(row)

    def sources(self, knowledge_base_id: str) -> list[Source]:
        """All sources of a knowledge base, oldest first."""
        query = select(SourceRow).where(SourceRow.knowledge_base_id == knowledge_base_id).order_by(SourceRow.created_at)
        with self._session() as session:
            return [_source_of(row) for row in session.scalars(query)]

    def source(self, source_id: str) -> Source:
        """One source.

        Raises:
            NotFound: there is none of that id.
        """
        with self._session() as session:
            row = session.get(SourceRow, source_id)
            if row is None:
                raise NotFound(f"no source with the id {source_id!r}: it may have been removed")
            return _source_of(row)

    def find(self, knowledge_base_id: str, address: str) -> Source | None:
        """A source by its address."""
        with self._session() as session:
            row = self._row(session, knowledge_base_id, address)
            return None if row is None else _source_of(row)

    def due(self, now: datetime) -> list[Source]:
        """Sources whose next look has come, those that wait longest first."""
        with self._session() as session:
            timed = [_source_of(row) for row in session.scalars(select(SourceRow).where(SourceRow.every_s > 0))]
        waited = {s.id: _in_utc(s.checked_at) if s.checked_at else datetime.min.replace(tzinfo=UTC) for s in timed}
        found = [s for s in timed if s.checked_at is None or waited[s.id] + timedelta(seconds=s.every_s) <= now]
        return sorted(found, key=lambda source: waited[source.id])

    def take(self, source: Source) -> bool:
        """Begin a look that is due; False when another process that shares the database has begun it."""
        before = (
            SourceRow.checked_at.is_(None) if source.checked_at is None else SourceRow.checked_at == source.checked_at
        )
        with self._session() as session:
            taken = session.execute(
                update(SourceRow)
                .where(SourceRow.id == source.id, before)
                .values(checked_at=datetime.now(UTC))
                .returning(SourceRow.id)
            )
            return taken.first() is not None

    def looked(self, source_id: str, outcome: str | None, problem: str) -> None:
        """Write down what a look found; without an outcome the last one stays."""
        values = {"checked_at": datetime.now(UTC), "problem": problem}
        with self._session() as session:
            session.execute(
                update(SourceRow)
                .where(SourceRow.id == source_id)
                .values(values if outcome is None else {**values, "outcome": outcome})
            )

    def remove(self, source_id: str) -> None:
        """Forget a source and what was seen there; its documents stay."""
        with self._session() as session:
            session.execute(delete(SourceFileRow).where(SourceFileRow.source_id == source_id))
            session.execute(delete(SourceRow).where(SourceRow.id == source_id))

    def seen(self, source_id: str) -> dict[str, Seen]:
        """Files that were received from a source, by their path."""
        query = select(SourceFileRow).where(SourceFileRow.source_id == source_id)
        with self._session() as session:
            return {row.path: Seen(row.mark, row.content_hash, row.document) for row in session.scalars(query)}

    def origins(self, knowledge_base_id: str) -> dict[str, str]:
        """Every document of a knowledge base with where it came from; "" for an upload."""
        query = select(DocumentRow.name, DocumentRow.source).where(DocumentRow.knowledge_base_id == knowledge_base_id)
        with self._session() as session:
            return dict(session.execute(query).all())

    def newest_hash(self, knowledge_base_id: str, document: str) -> str:
        """Hash of the bytes last received for a document; "" when there are none, or they could not be read."""
        query = (
            select(VersionRow.content_hash)
            .join(DocumentRow, VersionRow.document_id == DocumentRow.id)
            .where(
                DocumentRow.knowledge_base_id == knowledge_base_id,
                DocumentRow.name == document,
                is_newest(),
                VersionRow.state != State.FAILED,
            )
        )
        with self._session() as session:
            return session.scalar(query) or ""

    def claim(self, source: Source, path: str, document: str, address: str) -> str:
        """Make a document this file's, before anything is received for it; the reason when that may not be.

        A new document is entered without a version: nobody sees it, but whoever is killed now finds it again as its own.
        """
        try:
            with self._session() as session:
                return self._claim(session, source, path, document, address)
        except IntegrityError:
            return f"a document named {document!r} was uploaded meanwhile"

    def _claim(self, session: Session, source: Source, path: str, document: str, address: str) -> str:
        same_name = DocumentRow.knowledge_base_id == source.knowledge_base_id, DocumentRow.name == document
        found = session.scalar(select(DocumentRow).where(*same_name).with_for_update())
        own = session.get(SourceFileRow, (source.id, path))
        others = (
            select(SourceFileRow)
            .join(SourceRow, SourceRow.id == SourceFileRow.source_id)
            .where(SourceRow.knowledge_base_id == source.knowledge_base_id, SourceFileRow.document == document)
            .where((SourceFileRow.source_id != source.id) | (SourceFileRow.path != path))
        )
        if found is None:
            for stale in session.scalars(others):
                # Of a document that was deleted: it is this file's from now on.
                session.delete(stale)
            session.add(
                DocumentRow(
                    id=uuid.uuid4().hex,
                    knowledge_base_id=source.knowledge_base_id,
                    name=document,
                    source=address,
                    title="",
                    live_generation=0,
                    last_generation=0,
                )
            )
        elif reason := taken_by(document, found.source, address, own is not None and own.document == document):
            return reason
        elif session.scalar(others) is not None:
            return taken_by(document, found.source, "", False)
        if own is None:
            session.add(SourceFileRow(source_id=source.id, path=path, document=document, mark="", content_hash=""))
        elif own.document != document:
            gone = SourceFileRow(source_id=source.id, path=_REPLACED + own.document[:900], document=own.document)
            gone.mark = gone.content_hash = ""
            session.merge(gone)
            own.document, own.mark, own.content_hash = document, "", ""
        session.flush()
        return ""

    def settle(self, source: Source, path: str, seen: Seen, address: str) -> None:
        """Write down which state of a file was received, once that is safe."""
        of_document = DocumentRow.knowledge_base_id == source.knowledge_base_id, DocumentRow.name == seen.document
        with self._session() as session:
            row = session.get(SourceFileRow, (source.id, path))
            if row is not None:
                row.mark, row.content_hash, row.document = seen.mark, seen.content_hash, seen.document
            # One that was uploaded meanwhile is not the source's any more.
            session.execute(
                update(DocumentRow)
                .where(*of_document, DocumentRow.source != "")
                .values(source=address)
                .execution_options(**{WRITES_TO: source.knowledge_base_id})
            )

    def release(self, knowledge_base_id: str, documents: Sequence[str]) -> None:
        """Documents that a person uploaded are not a source's any more: no look overwrites or deletes them."""
        received = (
            select(SourceFileRow.document)
            .join(SourceRow, SourceRow.id == SourceFileRow.source_id)
            .where(SourceRow.knowledge_base_id == knowledge_base_id)
        )
        with self._session() as session:
            session.execute(
                update(DocumentRow)
                .where(
                    DocumentRow.knowledge_base_id == knowledge_base_id,
                    DocumentRow.name.in_(documents),
                    DocumentRow.name.in_(received),
                )
                .values(source="")
                .execution_options(**{WRITES_TO: knowledge_base_id})
            )

    def forget(self, source_id: str, path: str) -> None:
        """A file is gone, and its document with it."""
        with self._session() as session:
            session.execute(
                delete(SourceFileRow).where(SourceFileRow.source_id == source_id, SourceFileRow.path == path)
            )

    def discard(self, knowledge_base_id: str, document: str) -> None:
        """Remove a document that was claimed and never received."""
        versions = select(VersionRow.document_id)
        with self._session() as session:
            session.execute(
                delete(DocumentRow)
                .where(
                    DocumentRow.knowledge_base_id == knowledge_base_id,
                    DocumentRow.name == document,
                    DocumentRow.id.not_in(versions),
                )
                # It was never live.
                .execution_options(**{CHANGES_NOTHING: True})
            )

    def _row(self, session: Session, knowledge_base_id: str, address: str) -> SourceRow | None:
        query = select(SourceRow).where(SourceRow.knowledge_base_id == knowledge_base_id, SourceRow.address == address)
        return session.scalar(query)


def taken_by(document: str, origin: str, address: str, own: bool) -> str:
    """Why a file may not become a document of this name that exists; "" when it may.

    origin: where the document came from; address: where the file lies; own: the file was received as this document.
    """
    if origin and (own or origin == address):
        return ""
    if not origin:
        return f"a document named {document!r} was uploaded; it is not overwritten (give the source a prefix)"
    return f"a document named {document!r} comes from {origin}; it is not overwritten (give the source a prefix)"


def is_replaced(path: str) -> bool:
    """Whether a seen path stands for a document whose file goes by another name now."""
    return path.startswith(_REPLACED)


def _in_utc(moment: datetime) -> datetime:
    # SQLite gives times back without their zone; they were stored in UTC.
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _source_of(row: SourceRow) -> Source:
    return Source(
        id=row.id,
        knowledge_base_id=row.knowledge_base_id,
        address=row.address,
        prefix=row.prefix,
        every_s=row.every_s,
        checked_at=row.checked_at,
        outcome=row.outcome,
        problem=row.problem,
        created_at=row.created_at,
    )
