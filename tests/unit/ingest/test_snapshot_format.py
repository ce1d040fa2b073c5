"""What archives of knowledge bases hold: every table that belongs to one, and rows as they were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from ingest.database import Base, CuratedAnswerRow
from ingest.snapshot_format import TABLES, plain, rich, table_of


def test_no_table_that_belongs_to_a_knowledge_base_is_forgotten() -> None:
    tables = Base.metadata.tables
    belonging, found = {"knowledge_bases"}, 0
    while len(belonging) > found:
        found = len(belonging)
        belonging |= {
            name for name, table in tables.items() if belonging & {key.column.table.name for key in table.foreign_keys}
        }
    assert belonging == {table_of(mapped).name for mapped in TABLES}


def test_moments_are_the_same_in_every_database() -> None:
    # As PostgreSQL gives them, in the zone of its session, and as SQLite does.
    noon = datetime(2030, 5, 1, 12, tzinfo=UTC)
    of_postgres, of_sqlite = noon.astimezone(timezone(timedelta(hours=5))), noon.replace(tzinfo=None)
    row = plain({"id": "a", "valid_from": of_postgres, "valid_until": of_sqlite, "created_at": None, "gone": 1})
    assert rich(table_of(CuratedAnswerRow), row) == {
        "id": "a", "valid_from": noon, "valid_until": noon, "created_at": None,
    }  # fmt: skip
    # Older archives have them without a zone.
    assert rich(table_of(CuratedAnswerRow), {"valid_from": "2030-05-01T12:00:00"}) == {"valid_from": noon}
