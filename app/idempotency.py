"""Requests that may be sent twice: the reply to an Idempotency-Key is kept and given again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import Engine, delete
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.errors import Conflict, UsageError
from ingest.database import IdempotencyRow

KEPT = timedelta(hours=24)
# A request that has not replied after this long died with its process.
ABANDONED = timedelta(minutes=15)


class IdempotencyKeys:
    """Replies by key and scope (what the key was used for); every method blocks and is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with Session(self._engine) as session, session.begin():
            yield session

    def begin(self, key: str, scope: str) -> str | None:
        """Take a key; returns the reply that was given before, None when the request is to be carried out.

        Raises:
            Conflict: a request with the key is being carried out now.
        """
        now = datetime.now(UTC)
        with self._session() as session:
            session.execute(delete(IdempotencyRow).where(IdempotencyRow.created_at < now - KEPT))
            row = session.get(IdempotencyRow, (key, scope))
            if row is not None and row.body:
                return row.body
            if row is not None and _aware(row.created_at) > now - ABANDONED:
                raise Conflict("a request with this Idempotency-Key is still being carried out; try again in a moment")
            if row is not None:
                row.created_at = now
                return None
        try:
            with self._session() as session:
                session.add(IdempotencyRow(key=key, scope=scope, request_hash="", body="", created_at=now))
        except IntegrityError as exc:
            raise Conflict("a request with this Idempotency-Key is still being carried out; try again") from exc
        return None

    def finish(self, key: str, scope: str, request_hash: str, body: str) -> None:
        """Keep the reply."""
        with self._session() as session:
            row = session.get(IdempotencyRow, (key, scope))
            if row is not None:
                row.request_hash, row.body = request_hash, body

    def check(self, key: str, scope: str, request_hash: str) -> None:
        """See that a key which has its reply was used for the same request.

        Raises:
            UsageError: it was used for another one.
        """
        with self._session() as session:
            row = session.get(IdempotencyRow, (key, scope))
            if row is not None and row.body and row.request_hash != request_hash:
                raise UsageError("this Idempotency-Key was used for other files; use a new key for a new upload")

    def recover(self) -> None:
        """Free the keys whose request died with its process."""
        with self._session() as session:
            session.execute(delete(IdempotencyRow).where(IdempotencyRow.body == ""))

    def abandon(self, key: str, scope: str) -> None:
        """The request failed: the key may be used again."""
        with self._session() as session:
            row = session.get(IdempotencyRow, (key, scope))
            if row is not None and not row.body:
                session.delete(row)


def _aware(moment: datetime) -> datetime:
    """SQLite gives times back without their zone; they were stored in UTC."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
