"""The catalog's part about work: what waits, what was interrupted, what must be deleted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import case, delete, func, select, update
from sqlalchemy.orm import Session

from ingest.database import DocumentRow, PurgeRow, VersionRow
from ingest.knowledge_bases import Transactions, is_newest
from ingest.records import UNFINISHED, Document, Purge, State, Version, document_of, version_of

# Beginnings of one ingestion, the process ending in the middle each time, before it is given up.
MOST_ATTEMPTS = 3
# The same where files are read in a sandbox: then the file is hardly to blame for the process's end.
MOST_SANDBOXED_ATTEMPTS = 25
OVERTAKEN = "a newer upload of this document went live first"
# Files within files within files: parents asked for at most.
_DEEPEST = 32


class WorkList(Transactions):
    """What ingestion and recovery ask."""

    def received(self, limit: int) -> list[Version]:
        """Versions that wait for their ingestion, small files first."""
        query = (
            select(VersionRow, DocumentRow)
            .join(DocumentRow, VersionRow.document_id == DocumentRow.id)
            .where(VersionRow.state == State.RECEIVED)
            .order_by(VersionRow.size_bytes, VersionRow.updated_at)
            .limit(limit)
        )
        with self._session() as session:
            return [version_of(row, doc) for row, doc in session.execute(query)]

    def count_waiting(self) -> int:
        """How many versions are received, or worked on."""
        with self._session() as session:
            query = select(func.count()).select_from(VersionRow).where(VersionRow.state.in_(UNFINISHED))
            return session.scalar(query) or 0

    def claim(self, version: Version) -> bool:
        """Take a received version to work on; False when somebody else has it, or it was uploaded anew or deleted."""
        with self._session() as session:
            taken = session.execute(
                update(VersionRow)
                .where(
                    VersionRow.id == version.id,
                    VersionRow.generation == version.generation,
                    VersionRow.state == State.RECEIVED,
                )
                .values(state=State.PARSING, attempts=VersionRow.attempts + 1, updated_at=datetime.now(UTC))
                .returning(VersionRow.id)
            )
            return taken.first() is not None

    def begin(self, version_id: str, generation: int) -> Version | None:
        """Begin or go on with the ingestion of a writing; None when there is nothing to do for it any more.

        A writing that was begun too often without an end is failed by the caller: ``attempts`` says how often. One that
        could not go live any more, because a newer one did, is failed here.
        """
        with self._session() as session:
            if self._overtaken(session, version_id, generation):
                return None
            found = session.execute(
                update(VersionRow)
                .where(
                    VersionRow.id == version_id,
                    VersionRow.generation == generation,
                    VersionRow.state.in_(UNFINISHED),
                )
                .values(
                    state=case((VersionRow.state == State.RECEIVED, State.PARSING), else_=VersionRow.state),
                    attempts=VersionRow.attempts + 1,
                    updated_at=datetime.now(UTC),
                    heartbeat_at=datetime.now(UTC),
                )
                .returning(VersionRow.id)
            )
            return self._writing(session, version_id, generation) if found.first() is not None else None

    @staticmethod
    def _overtaken(session: Session, version_id: str, generation: int) -> bool:
        row = session.get(VersionRow, version_id, populate_existing=True)
        doc = session.get(DocumentRow, row.document_id) if row is not None else None
        if row is None or doc is None or row.generation != generation or row.state not in UNFINISHED or row.draft:
            return False
        if doc.live_version_id is None or doc.live_generation <= generation:
            return False
        row.state, row.reason = State.FAILED, OVERTAKEN
        session.add(PurgeRow(knowledge_base_id=doc.knowledge_base_id, version_id=version_id, generation=generation))
        return True

    def working(self, version_id: str, generation: int) -> Version | None:
        """A writing that is being worked on; None when it has ended, or another has taken its place."""
        with self._session() as session:
            version = self._writing(session, version_id, generation)
            return version if version is not None and version.state in UNFINISHED else None

    @staticmethod
    def _writing(session: Session, version_id: str, generation: int) -> Version | None:
        row = session.get(VersionRow, version_id, populate_existing=True)
        doc = session.get(DocumentRow, row.document_id) if row is not None else None
        if row is None or doc is None or row.generation != generation:
            return None
        return version_of(row, doc)

    def read_whole(self, version: Version) -> None:
        """Its file was read to the end: what interrupts it from now on is not the file's doing."""
        with self._session() as session:
            session.execute(
                update(VersionRow)
                .where(VersionRow.id == version.id, VersionRow.generation == version.generation)
                .values(attempts=0)
            )

    def beat(self, seen: Iterable[tuple[str, int, int, int]]) -> None:
        """Write down how far writings have come: (version id, generation, done, total)."""
        with self._session() as session:
            for version_id, generation, done, total in seen:
                session.execute(
                    update(VersionRow)
                    .where(VersionRow.id == version_id, VersionRow.generation == generation)
                    .values(done=done, total=total, heartbeat_at=datetime.now(UTC))
                )

    def silent(self, since: datetime) -> list[Version]:
        """Versions somebody began to work on and has not been heard of since then."""
        query = (
            select(VersionRow, DocumentRow)
            .join(DocumentRow, VersionRow.document_id == DocumentRow.id)
            .where(
                VersionRow.state.in_(UNFINISHED),
                VersionRow.state != State.RECEIVED,
                (VersionRow.heartbeat_at.is_(None)) | (VersionRow.heartbeat_at < since),
            )
        )
        with self._session() as session:
            return [version_of(row, doc) for row, doc in session.execute(query)]

    def cancel(self, document_id: str) -> Version | None:
        """Ask for the end of a document's ingestion; None when it is not being ingested."""
        with self._session() as session:
            row = session.scalar(
                select(VersionRow)
                .where(VersionRow.document_id == document_id, VersionRow.state.in_(UNFINISHED))
                .order_by(VersionRow.generation.desc())
            )
            if row is None:
                return None
            row.cancelled = True
            return version_of(row, session.get_one(DocumentRow, document_id))

    def is_cancelled(self, version: Version) -> bool:
        """Whether somebody asked for its end, or it was deleted or uploaded anew."""
        with self._session() as session:
            row = session.get(VersionRow, version.id)
            return row is None or row.generation != version.generation or row.cancelled

    def live_writing(self, document_id: str) -> tuple[str, int] | None:
        """The (version, generation) that a document's customers are answered from."""
        with self._session() as session:
            doc = session.get(DocumentRow, document_id)
            return (doc.live_version_id, doc.live_generation) if doc and doc.live_version_id else None

    def owns(self, knowledge_base_id: str, version_id: str, generation: int) -> bool:
        """Whether points of a writing have an owner: it is worked on, a draft, live, or on the purge list already."""
        purge = select(PurgeRow.id).where(
            PurgeRow.knowledge_base_id == knowledge_base_id,
            PurgeRow.version_id == version_id,
            PurgeRow.generation == generation,
        )
        with self._session() as session:
            row = session.get(VersionRow, version_id)
            doc = session.get(DocumentRow, row.document_id) if row is not None else None
            if row is None or doc is None or doc.knowledge_base_id != knowledge_base_id:
                return session.scalar(purge) is not None
            if (doc.live_version_id, doc.live_generation) == (version_id, generation):
                return True
            unpublished = row.generation == generation and (
                row.state in UNFINISHED or (row.draft and row.state == State.READY)
            )
            return unpublished or session.scalar(purge) is not None

    def children(self, document_id: str) -> list[Document]:
        """The documents whose files were found inside a document's."""
        query = (
            select(DocumentRow, VersionRow)
            .join(VersionRow, VersionRow.document_id == DocumentRow.id)
            .where(DocumentRow.parent_id == document_id, is_newest())
        )
        with self._session() as session:
            return [document_of(doc, row) for doc, row in session.execute(query)]

    def depth(self, document_id: str) -> int:
        """How many documents a document's file was found inside of, one within the other."""
        with self._session() as session:
            for depth in range(_DEEPEST):
                doc = session.get(DocumentRow, document_id)
                if doc is None or doc.parent_id is None:
                    return depth
                document_id = doc.parent_id
            return _DEEPEST

    def requeue(self, version: Version, *, counted: bool = True) -> bool:
        """Put an interrupted version back as received; its points go on the purge list.

        counted: the attempt counts; not when the program was stopped on purpose.

        Returns False when that was tried often enough: the version is left for the caller to fail.
        """
        with self._session() as session:
            doc = self._lock(session, version.document_id)
            row = session.get(VersionRow, version.id, populate_existing=True)
            if doc is None or row is None or row.generation != version.generation:
                return True
            if (doc.live_version_id, doc.live_generation) == (row.id, row.generation):
                # It went live, and whoever says that it did not is late.
                row.state = State.READY
                return True
            if not counted:
                row.attempts = max(0, row.attempts - 1)
            elif row.attempts >= MOST_ATTEMPTS:
                return False
            session.add(PurgeRow(knowledge_base_id=doc.knowledge_base_id, version_id=row.id, generation=row.generation))
            doc.last_generation += 1
            row.generation, row.state = doc.last_generation, State.RECEIVED
            return True

    def unfinished(self) -> list[Version]:
        """Versions that a process was working on when it ended."""
        query = (
            select(VersionRow, DocumentRow)
            .join(DocumentRow, VersionRow.document_id == DocumentRow.id)
            .where(VersionRow.state.in_(UNFINISHED))
        )
        with self._session() as session:
            return [version_of(row, doc) for row, doc in session.execute(query)]

    def purges(self) -> list[Purge]:
        """Points that still have to be deleted from the index."""
        with self._session() as session:
            rows = session.scalars(select(PurgeRow).order_by(PurgeRow.id))
            return [Purge(row.id, row.knowledge_base_id, row.version_id, row.generation, row.place) for row in rows]

    def purged(self, purge: Purge) -> None:
        """Strike a purge from the list once its points are gone."""
        with self._session() as session:
            session.execute(delete(PurgeRow).where(PurgeRow.id == purge.id))

    def content_hashes(self) -> set[str]:
        """Hashes of the stored files still needed: of live versions, drafts, the newest of each document, and what waits."""
        query = (
            select(VersionRow.content_hash)
            .join(DocumentRow, VersionRow.document_id == DocumentRow.id)
            .where(
                (VersionRow.id == DocumentRow.live_version_id)
                | is_newest()
                | VersionRow.draft
                | VersionRow.state.in_(UNFINISHED)
            )
        )
        with self._session() as session:
            return set(session.scalars(query))
