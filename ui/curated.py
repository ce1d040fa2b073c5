"""The client's calls about answers that a person wrote; part of ui.client.Client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ui.replies import path_of, read_reply


@dataclass(frozen=True, slots=True)
class Curated:
    """A curated answer; ``state`` is live, stale (given, but its source has changed) or why customers do not get it.

    answer:      Markdown.
    source:      a document's name or an address; "" for none.
    valid_from, valid_until: ISO 8601 in UTC; None for open ends.
    """

    id: str
    questions: list[str]
    answer: str
    language: str
    source: str
    enabled: bool
    valid_from: str | None
    valid_until: str | None
    state: str
    written_by: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class CuratedPage:
    """Some curated answers, how many there are in all, and how many a person should look at."""

    kb: str
    curated: list[Curated]
    total: int
    stale: int


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import."""

    new: int
    replaced: int


class CuratedCalls:
    """List, write, change, remove, import and export. Every method raises ApiError."""

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        raise NotImplementedError

    def _bytes(self, path: str, params: dict[str, str | int] | None = None) -> bytes:
        raise NotImplementedError

    def curated(
        self, kb: str, search: str = "", *, state: str | None = None, limit: int = 50, offset: int = 0
    ) -> CuratedPage:
        """Curated answers that hold all words of a search, oldest first."""
        params: dict[str, Any] = {"search": search, "limit": limit, "offset": offset}
        params |= {"state": state} if state is not None else {}
        return read_reply(CuratedPage, self._call("GET", _url(kb), params=params))

    def add_curated(
        self,
        kb: str,
        questions: Sequence[str],
        answer: str,
        *,
        source: str = "",
        language: str = "",
        enabled: bool = True,
        valid_from: datetime | str | None = None,
        valid_until: datetime | str | None = None,
    ) -> Curated:
        """Write one; the next customer who asks gets it."""
        body = {"questions": list(questions), "answer": answer, "source": source, "language": language}
        bounds = {"valid_from": _moment(valid_from), "valid_until": _moment(valid_until)}
        return read_reply(Curated, self._call("POST", _url(kb), json={**body, "enabled": enabled, **bounds}))

    def change_curated(self, kb: str, curated_id: str, **change: Any) -> Curated:
        """Change what is given (the arguments of ``add_curated``); nothing given says that it still holds."""
        body = {name: _moment(value) if name.startswith("valid_") else value for name, value in change.items()}
        return read_reply(Curated, self._call("PATCH", f"{_url(kb)}/{path_of(curated_id)}", json=body))

    def remove_curated(self, kb: str, curated_id: str) -> None:
        """Forget one."""
        self._call("DELETE", f"{_url(kb)}/{path_of(curated_id)}")

    def import_curated(self, kb: str, table: bytes) -> Imported:
        """Bring in a CSV in UTF-8, all of it or nothing."""
        headers = {"Content-Type": "text/csv; charset=utf-8"}
        return read_reply(Imported, self._call("POST", f"{_url(kb)}/import", content=table, headers=headers))

    def export_curated(self, kb: str) -> bytes:
        """All of them as CSV in UTF-8."""
        return self._bytes(f"{_url(kb)}/export")


def _url(kb: str) -> str:
    return f"/api/knowledge-bases/{path_of(kb)}/curated"


def _moment(moment: datetime | str | None) -> str | None:
    return moment.isoformat() if isinstance(moment, datetime) else moment
