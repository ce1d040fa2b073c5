"""Curated answers as CSV, for spreadsheets: one row an answer, its questions on lines of one cell."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime

from ingest.curated import CuratedAnswer, CuratedDraft
from ingest.errors import UnusableValue
from ingest.spreadsheet import read_rows, truth, write_rows

COLUMNS = ("id", "questions", "answer", "language", "source", "enabled", "valid_from", "valid_until")
_NEEDED = ("questions", "answer")


def to_csv(found: Iterable[CuratedAnswer]) -> str:
    """A header and a row for each."""
    return write_rows(COLUMNS, (_row(each) for each in found))


def from_csv(text: str) -> list[tuple[str, CuratedDraft]]:
    """(id or "", what it says) of each row; columns in any order, those beyond ``questions`` and ``answer`` may be missing.

    Raises:
        UnusableValue: it is no such table; the message names the row.
    """
    return [_entry(number, row) for number, row in enumerate(read_rows(text, COLUMNS, _NEEDED), start=1)]


def _row(curated: CuratedAnswer) -> tuple[str, ...]:
    draft = curated.draft
    return (
        curated.id,
        "\n".join(draft.questions),
        draft.answer,
        draft.language,
        draft.source,
        "true" if draft.enabled else "false",
        draft.valid_from.isoformat() if draft.valid_from else "",
        draft.valid_until.isoformat() if draft.valid_until else "",
    )


def _entry(number: int, row: dict[str, str]) -> tuple[str, CuratedDraft]:
    return row.get("id", "").strip(), CuratedDraft(
        questions=tuple(row["questions"].splitlines()),
        answer=row["answer"],
        language=row.get("language", ""),
        source=row.get("source", ""),
        enabled=truth(number, row, "enabled", True),
        valid_from=_moment(number, row.get("valid_from", "")),
        valid_until=_moment(number, row.get("valid_until", "")),
    )


def _moment(number: int, text: str) -> datetime | None:
    if not text.strip():
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as exc:
        raise UnusableValue(f"entry {number}: {text!r} is no moment; write 2026-12-31 or 2026-12-31T18:00:00Z") from exc
