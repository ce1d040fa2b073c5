"""The catalog's part about work: what waits, what was interrupted, what must be deleted, what is live."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import delete, func, select, update

from ingest.database import DocumentRow, PurgeRow, VersionRow
from ingest.knowledge_bases import Transactions
from ingest.records import UNFINISHED, Purge, State, Version, version_of

# Beginnings of one ingestion, the process ending in the middle each time, before it is given up.
MOST_ATTEMPTS = 3


class WorkList(Transactions):
    """What ingestion, recovery and retrieval ask."""

    def live_among(self, pairs: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
        """Those of the given (version, generation) pairs that are live now."""
        wanted = set(pairs)
        query = select(DocumentRow.live_version_id, DocumentRow.live_generation).where(
            DocumentRow.live_version_id.in_({vid for vid, _ in wanted})
        )
        with self._session() as session:
            return {(vid, generation) for vid, generation in session.execute(query) if vid} & wanted

    def received(self, limit: int) -> list[Version]:
        """Versions that wait for their ingestion, small files first among those of one moment."""
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

    def requeue(self, version: Version, *, counted: bool = True) -> bool:
        """Put an interrupted version back as received; its points go on the purge list.

        counted: the attempt counts; not when the program was stopped on purpose.

        Returns False when that was tried often enough: the version is left for the caller to fail.
        """
        with self._session() as session:
            doc = session.get(DocumentRow, version.document_id, with_for_update=True)
            row = session.get(VersionRow, version.id)
            if doc is None or row is None or row.generation != version.generation:
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
            return [Purge(row.id, row.knowledge_base_id, row.version_id, row.generation) for row in rows]

    def purged(self, purge: Purge) -> None:
        """Strike a purge from the list once its points are gone."""
        with self._session() as session:
            session.execute(delete(PurgeRow).where(PurgeRow.id == purge.id))

    def content_hashes(self) -> set[str]:
        """Hashes of the stored files still needed: of live versions, and of the newest of each document."""
        query = (
            select(VersionRow.content_hash)
            .join(DocumentRow, VersionRow.document_id == DocumentRow.id)
            .where(
                (VersionRow.id == DocumentRow.live_version_id) | (VersionRow.generation == DocumentRow.last_generation)
            )
        )
        with self._session() as session:
            return set(session.scalars(query))
