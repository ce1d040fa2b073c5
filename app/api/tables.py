"""CSV over HTTP: how tables come in and go out."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.responses import Response
from pydantic import BaseModel

from app.errors import UsageError

CSV = "text/csv"
CSV_SCHEMA: dict[str, Any] = {CSV: {"schema": {"type": "string"}}}


class Imported(BaseModel):
    """What came of an import."""

    new: int
    replaced: int


async def csv_text(request: Request) -> str:
    """A request's body as text.

    Raises:
        UsageError: it is not in UTF-8.
    """
    try:
        text = (await request.body()).decode("utf-8-sig")
    except UnicodeDecodeError as exc:
        raise UsageError("the table is not in UTF-8; save it as “CSV UTF-8”") from exc
    if "\x00" in text:
        raise UsageError("the table holds a NUL character")
    return text


def csv_file(name: str, text: str) -> Response:
    """A table to be saved under a name."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text.encode(), media_type=CSV, headers=headers)
