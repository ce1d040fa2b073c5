"""The row that says what is known of all pairs of a knowledge base."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from ingest.database import KnowledgeBaseRow
from ingest.errors import NotFound
from ingest.knowledge_bases import Transactions
from ingest.pairs.tables import PairBaseRow
from ingest.records import in_utc


def base_row(session: Session, knowledge_base_id: str) -> PairBaseRow:
    """The row, made when there is none, and nobody else's before this transaction ends."""
    insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
    first = {"knowledge_base_id": knowledge_base_id, "corpus_version": -1, "split_seed": 0, "split_share": 0.2}
    session.execute(insert(PairBaseRow).values(first).on_conflict_do_nothing())
    return session.get_one(PairBaseRow, knowledge_base_id, populate_existing=True, with_for_update=True)


def base_read_at(session: Session, knowledge_base_id: str, corpus_version: int) -> None:
    """Texts that were read at a corpus version are about to be pairs: have them looked at again, if it is another now.

    Raises:
        NotFound: the knowledge base was deleted meanwhile.
    """
    kb = session.get(KnowledgeBaseRow, knowledge_base_id, populate_existing=True)
    if kb is None:
        raise NotFound("the knowledge base has been deleted meanwhile")
    row = base_row(session, knowledge_base_id)
    if kb.corpus_version != corpus_version:
        row.corpus_version = -1


@dataclass(frozen=True, slots=True)
class LastSplit:
    """How pairs were put on sides last, and when."""

    seed: int
    share: float
    at: datetime


class Bases(Transactions):
    """Those rows over an open database."""

    def last_split(self, knowledge_base_id: str) -> LastSplit | None:
        """The last split; None before the first one."""
        with self._session() as session:
            row = session.get(PairBaseRow, knowledge_base_id)
            at = in_utc(row.split_at) if row is not None else None
            return LastSplit(row.split_seed, row.split_share, at) if row is not None and at is not None else None

    def remember_split(self, knowledge_base_id: str, seed: int, share: float) -> None:
        """Say how pairs were put on sides."""
        with self._session() as session:
            row = base_row(session, knowledge_base_id)
            row.split_seed, row.split_share, row.split_at = seed, share, datetime.now(UTC)
