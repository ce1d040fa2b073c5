"""A knowledge base by its name, as every request asks for it, without a thread where the database is a file.

One indexed read of a SQLite file in WAL mode takes some microseconds and waits for no writer: less than handing it to
another thread does. Other databases are asked in a thread.
"""

from __future__ import annotations

import contextlib
import sqlite3
from typing import Any

from sqlalchemy import Engine, bindparam, select

from ingest.database import KnowledgeBaseRow
from ingest.records import KnowledgeBase, knowledge_base_of

# A reader waits only while a database is mended after a crash; the slow way waits then.
_PATIENCE_S = 0.02


class BaseLookup:
    """Reads knowledge bases from a SQLite file; used by one thread."""

    def __init__(self, engine: Engine) -> None:
        self._file: sqlite3.Connection | None = None
        path = engine.url.database
        if engine.dialect.name == "sqlite" and path and path != ":memory:":
            self._file = sqlite3.connect(path, _PATIENCE_S, isolation_level=None, check_same_thread=False)
            self._file.execute("PRAGMA query_only=ON")
        self._columns = [column.key for column in KnowledgeBaseRow.__table__.columns]
        query = select(KnowledgeBaseRow.__table__).where(
            KnowledgeBaseRow.tenant == bindparam("tenant"), KnowledgeBaseRow.name == bindparam("name")
        )
        self._query = str(query.compile(dialect=engine.dialect))
        self._order = query.compile(dialect=engine.dialect).positiontup or []
        self._processors = {
            column.key: column.type.dialect_impl(engine.dialect).result_processor(engine.dialect, None)
            for column in KnowledgeBaseRow.__table__.columns
        }
        self._known: dict[tuple[str, str], tuple[tuple[Any, ...], KnowledgeBase]] = {}

    def at_once(self, name: str, tenant: str) -> KnowledgeBase | None:
        """The knowledge base as it is now; None where it is not there, or has to be asked for in a thread."""
        if self._file is None:
            return None
        given = {"tenant": tenant, "name": name}
        with contextlib.suppress(sqlite3.OperationalError):
            found = self._file.execute(self._query, tuple(given[key] for key in self._order)).fetchone()
            if found is None:
                self._known.pop((tenant, name), None)
                return None
            known = self._known.get((tenant, name))
            if known is None or known[0] != found:
                known = self._known[tenant, name] = (found, self._made(found))
            return known[1]
        return None

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()

    def _made(self, found: tuple[Any, ...]) -> KnowledgeBase:
        values = {
            key: processor(value) if (processor := self._processors[key]) is not None else value
            for key, value in zip(self._columns, found, strict=True)
        }
        return knowledge_base_of(KnowledgeBaseRow(**values))
