"""Curated answers as CSV, for spreadsheets: one row an answer, its questions on lines of one cell."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import UTC, datetime

from ingest.curated import CuratedAnswer, CuratedDraft
from ingest.errors import UnusableValue

COLUMNS = ("id", "questions", "answer", "language", "source", "enabled", "valid_from", "valid_until")
_NEEDED = ("questions", "answer")
# A spreadsheet computes cells that begin so; an apostrophe in front makes them text.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_YES, _NO = frozenset({"", "true", "yes", "1", "on"}), frozenset({"false", "no", "0", "off"})
_LARGEST_CELL = 200_000


def to_csv(found: Iterable[CuratedAnswer]) -> str:
    """A header and a row for each, lines ended as RFC 4180 has it."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(COLUMNS)
    for each in found:
        draft = each.draft
        cells = (
            each.id,
            "\n".join(draft.questions),
            draft.answer,
            draft.language,
            draft.source,
            "true" if draft.enabled else "false",
            draft.valid_from.isoformat() if draft.valid_from else "",
            draft.valid_until.isoformat() if draft.valid_until else "",
        )
        writer.writerow([_as_text(cell) for cell in cells])
    return out.getvalue()


def from_csv(text: str) -> list[tuple[str, CuratedDraft]]:
    """(id or "", what it says) of each row; columns in any order, those beyond ``questions`` and ``answer`` may be missing.

    Raises:
        UnusableValue: it is no such table; the message names the row.
    """
    csv.field_size_limit(_LARGEST_CELL)
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        names = [name.strip().lower() for name in reader.fieldnames or ()]
        reader.fieldnames = names
        if missing := [name for name in _NEEDED if name not in names]:
            raise UnusableValue(f"the table has no column {missing[0]!r}; it needs {' and '.join(_NEEDED)}")
        if odd := [name for name in names if name not in COLUMNS]:
            raise UnusableValue(f"the table has an unknown column {odd[0]!r}; there are: {', '.join(COLUMNS)}")
        return [_entry(number, row) for number, row in enumerate(reader, start=1)]
    except csv.Error as exc:
        raise UnusableValue(f"this is no CSV that can be read (line {reader.line_num}): {exc}") from exc


def _entry(number: int, row: dict[str, str | None]) -> tuple[str, CuratedDraft]:
    if None in row or None in row.values():
        raise UnusableValue(f"entry {number}: it has another number of cells than the header; quote cells with commas")
    cells = {name: _plain(cell or "") for name, cell in row.items()}
    enabled = cells.get("enabled", "").strip().lower()
    if enabled not in _YES | _NO:
        raise UnusableValue(f"entry {number}: enabled is {enabled!r}; write true or false")
    return cells.get("id", "").strip(), CuratedDraft(
        questions=tuple(cells["questions"].splitlines()),
        answer=cells["answer"],
        language=cells.get("language", ""),
        source=cells.get("source", ""),
        enabled=enabled in _YES,
        valid_from=_moment(number, cells.get("valid_from", "")),
        valid_until=_moment(number, cells.get("valid_until", "")),
    )


def _moment(number: int, text: str) -> datetime | None:
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise UnusableValue(f"entry {number}: {text!r} is no moment; write 2026-12-31 or 2026-12-31T18:00:00Z") from exc


def _as_text(cell: str) -> str:
    # One that has an apostrophe of its own before such a sign gets another, and loses it again when it is read.
    return f"'{cell}" if cell.lstrip("'").startswith(_FORMULA) else cell


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") and cell.lstrip("'").startswith(_FORMULA) else cell
