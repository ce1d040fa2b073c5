"""What tables of things that persons wrote for a knowledge base share: curated answers and glossary entries."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from ingest.database import CuratedAnswerRow, GlossaryRow
from ingest.errors import AlreadyExists, NotFound, UnusableValue

RowT = TypeVar("RowT", CuratedAnswerRow, GlossaryRow)


def of_base(table: type[RowT], knowledge_base_id: str) -> Select[RowT]:
    """The rows of a knowledge base, oldest first."""
    query = select(table).where(table.knowledge_base_id == knowledge_base_id)
    return query.order_by(table.created_at, table.id)


def row_of(session: Session, table: type[RowT], knowledge_base_id: str, row_id: str, noun: str) -> RowT:
    """The row of an id.

    Raises:
        NotFound: the knowledge base has none of that id.
    """
    row = session.get(table, row_id)
    if row is None or row.knowledge_base_id != knowledge_base_id:
        raise NotFound(f"no {noun} with the id {row_id!r}: it may have been deleted")
    return row


@contextmanager
def naming_entry(number: int) -> Iterator[None]:
    """Let what is wrong with one of many entries name it, counted from 1."""
    try:
        yield
    except (UnusableValue, AlreadyExists) as exc:
        raise type(exc)(f"entry {number}: {exc}") from exc


def holds_words(text: str, search: str) -> bool:
    """Whether a text holds all words of a search, in small letters or large."""
    folded = text.casefold()
    return all(word in folded for word in search.casefold().split())
