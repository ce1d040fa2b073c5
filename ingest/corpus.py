"""A number for each knowledge base that grows with whatever could change an answer; caches are keyed by it.

What an answer depends on stands in the database and in the index, and both are watched where they are written, not where
somebody remembers to say so:

- Every ORM session that writes a row which is not exempt below raises the number in the same transaction. A table or
  column that is new is watched until it is exempted here. Statements on a connection without a session are not seen:
  the program has none for these tables.
- The index is written through ``RoutedIndex`` (ingest/index/routed.py), which raises it after each writing.

A reader takes the number first and everything else after it. So whatever it makes of what it finds is at least as new as
the number, and nobody asks for that number again once the change is done. What changes by itself, with time, is told by
``next_change``.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import event, inspect, update
from sqlalchemy.orm import ORMExecuteState, Session, UOWTransaction

from ingest.database import (
    ChunkEditRow,
    ConversationRow,
    DocumentRow,
    IdempotencyRow,
    IndexBuildRow,
    KnowledgeBaseRow,
    MessageRow,
    PassageBandRow,
    PurgeRow,
    ReleaseStateRow,
    SourceFileRow,
    SourceRow,
    VersionRow,
)
from ingest.pairs.tables import PairBaseRow, PairChunkRow, PairRow, PairRunRow, PairSourceRow

# Rows that no answer is made of. Versions: which one is live is said by documents. Wordings of passages, and marks of
# near-duplicates: they are on the points. Where documents come from: that is on the documents.
# An index that is being built beside: the switch to it writes to the knowledge base. What is released: it is a part of the
# key that answers are kept by. Pairs: they are for training.
EXEMPT: Final[frozenset[type[Any]]] = frozenset(
    {
        VersionRow, PurgeRow, IndexBuildRow, ChunkEditRow, SourceRow, SourceFileRow, PassageBandRow,
        ConversationRow, MessageRow, IdempotencyRow, ReleaseStateRow,
        PairRow, PairSourceRow, PairChunkRow, PairRunRow, PairBaseRow,
    }
)  # fmt: skip
_EXEMPT_TABLES: Final = frozenset(row.__tablename__ for row in EXEMPT)
_EXEMPT_COLUMNS: Final[dict[type[Any], frozenset[str]]] = {
    DocumentRow: frozenset({"last_generation", "updated_at"}),
    KnowledgeBaseRow: frozenset({"corpus_version"}),
}
# Execution options of a statement: the knowledge base whose rows it writes, or that it changes no answer.
WRITES_TO, CHANGES_NOTHING = "corpus_of", "corpus_unchanged"
# In a session: the knowledge bases whose answers may change with it; EVERY where that cannot be told.
_CHANGED, _EVERY = "corpora_changed", "*"


def watch() -> None:
    """Watch every session of this process from now on; may be called again."""
    for name, listener in (
        ("after_flush", _after_flush),
        ("do_orm_execute", _on_execute),
        ("before_commit", _before_commit),
        ("after_soft_rollback", _after_rollback),
    ):
        if not event.contains(Session, name, listener):
            event.listen(Session, name, listener)


def note(session: Session, knowledge_base_id: str) -> None:
    """What answers of a knowledge base are made of changes with this transaction."""
    changed: set[str] = session.info.setdefault(_CHANGED, set())
    changed.add(knowledge_base_id)


def _after_flush(session: Session, _context: UOWTransaction) -> None:
    for row in (*session.new, *session.deleted, *session.dirty):
        if type(row) in EXEMPT:
            continue
        if row in session.dirty and not _matters(row):
            continue
        if isinstance(row, KnowledgeBaseRow):
            note(session, row.id)
        else:
            note(session, getattr(row, "knowledge_base_id", _EVERY))


def _matters(row: object) -> bool:
    state = inspect(row)
    quiet = _EXEMPT_COLUMNS.get(type(row), frozenset())
    names = (column.key for column in state.mapper.column_attrs)
    return any(state.attrs[name].history.has_changes() for name in names if name not in quiet)


def _on_execute(state: ORMExecuteState) -> None:
    if not (state.is_insert or state.is_update or state.is_delete):
        return
    options = state.execution_options
    table = getattr(state.statement, "table", None)
    if options.get(CHANGES_NOTHING) or getattr(table, "name", "") in _EXEMPT_TABLES:
        return
    note(state.session, options.get(WRITES_TO, _EVERY))


def _before_commit(session: Session) -> None:
    # What is still to be written has to be looked at, too.
    session.flush()
    changed: set[str] = session.info.pop(_CHANGED, set())
    if not changed:
        return
    raised = update(KnowledgeBaseRow).values(corpus_version=KnowledgeBaseRow.corpus_version + 1)
    if _EVERY not in changed:
        raised = raised.where(KnowledgeBaseRow.id.in_(changed))
    # Last of all: whoever holds this row's lock waits for no other one.
    session.execute(raised.execution_options(**{CHANGES_NOTHING: True, "synchronize_session": False}))


def _after_rollback(session: Session, _previous: object) -> None:
    session.info.pop(_CHANGED, None)
