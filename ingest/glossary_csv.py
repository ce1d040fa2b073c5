"""Glossaries as CSV, for spreadsheets: one row an entry, its terms on lines of one cell."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.glossary import GlossaryDraft, GlossaryEntry
from ingest.spreadsheet import read_rows, truth, write_rows

COLUMNS = ("id", "terms", "one_way")


def to_csv(found: Iterable[GlossaryEntry]) -> str:
    """A header and a row for each."""
    rows = ((e.id, "\n".join(e.draft.terms), "true" if e.draft.one_way else "false") for e in found)
    return write_rows(COLUMNS, rows)


def from_csv(text: str) -> list[tuple[str, GlossaryDraft]]:
    """(id or "", its terms) of each row; ``terms`` is the one column that is needed.

    Raises:
        UnusableValue: it is no such table; the message names the row.
    """
    return [
        (
            row.get("id", "").strip(),
            GlossaryDraft(tuple(row["terms"].splitlines()), truth(number, row, "one_way", False)),
        )
        for number, row in enumerate(read_rows(text, COLUMNS, ("terms",)), start=1)
    ]
