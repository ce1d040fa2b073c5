"""Tables that travel as CSV between the catalog and spreadsheets."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from ingest.errors import UnusableValue

# A spreadsheet computes cells that begin so; an apostrophe in front makes them text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_YES, _NO = frozenset({"true", "yes", "1", "on"}), frozenset({"false", "no", "0", "off"})
_LARGEST_CELL = 200_000


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A header and the rows, lines ended as RFC 4180 has it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_as_text(cell) for cell in row])
    return out.getvalue()


def read_rows(text: str, columns: Sequence[str], needed: Sequence[str]) -> list[dict[str, str]]:
    """The rows of such a table, each by column; columns in any order, those that are not needed may be missing.

    Raises:
        UnusableValue: it is no such table; the message names the row, counted from 1.
    """
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        if missing := [name for name in needed if name not in names]:
            raise UnusableValue(f"the table has no column {missing[0]!r}; it needs {' and '.join(needed)}")
        if odd := [name for name in names if name not in columns]:
            raise UnusableValue(f"the table has an unknown column {odd[0]!r}; there are: {', '.join(columns)}")
        return [_cells(number, row) for number, row in enumerate(reader, start=1)]
    except csv.Error as exc:
        raise UnusableValue(f"this is no CSV that can be read (line {reader.line_num}): {exc}") from exc


def truth(number: int, row: dict[str, str], name: str, otherwise: bool) -> bool:
    """Whether a cell says yes; ``otherwise`` where it is empty or missing.

    Raises:
        UnusableValue: it says neither; the message names the row.
    """
    said = row.get(name, "").strip().lower()
    if said and said not in _YES | _NO:
        raise UnusableValue(f"entry {number}: {name} is {said!r}; write true or false")
    return said in _YES if said else otherwise


def _cells(number: int, row: dict[str, str | None]) -> dict[str, str]:
    if None in row or None in row.values():
        raise UnusableValue(f"entry {number}: it has another number of cells than the header; quote cells with commas")
    return {name: _plain(cell or "") for name, cell in row.items()}


def _as_text(cell: str) -> str:
    # One that has an apostrophe of its own before such a sign gets another, and loses it again when it is read.
    return f"'{cell}" if cell.lstrip("'").startswith(_FORMULA) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell
