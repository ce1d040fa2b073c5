"""The client's calls about the glossary; part of ui.client.Client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ui.curated import Imported
from ui.replies import path_of, read_reply


@dataclass(frozen=True, slots=True)
class Entry:
    """Terms that mean the same; ``one_way``: the first also means the others, but not they the first."""

    id: str
    terms: list[str]
    one_way: bool
    written_by: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class GlossaryPage:
    """Some entries, and how many there are in all."""

    kb: str
    entries: list[Entry]
    total: int


class GlossaryCalls:
    """List, write, replace, remove, import and export. Every method raises ApiError."""

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        raise NotImplementedError

    def _bytes(self, path: str, params: dict[str, str | int] | None = None) -> bytes:
        raise NotImplementedError

    def glossary(self, kb: str, search: str = "", *, limit: int = 50, offset: int = 0) -> GlossaryPage:
        """Entries that hold all words of a search, oldest first."""
        params = {"search": search, "limit": limit, "offset": offset}
        return read_reply(GlossaryPage, self._call("GET", _url(kb), params=params))

    def keep_entry(self, kb: str, terms: Sequence[str], *, one_way: bool = False, entry_id: str | None = None) -> Entry:
        """Write an entry, or put other terms in the place of one."""
        body = {"terms": list(terms), "one_way": one_way}
        if entry_id is None:
            return read_reply(Entry, self._call("POST", _url(kb), json=body))
        return read_reply(Entry, self._call("PUT", f"{_url(kb)}/{path_of(entry_id)}", json=body))

    def remove_entry(self, kb: str, entry_id: str) -> None:
        """Forget one."""
        self._call("DELETE", f"{_url(kb)}/{path_of(entry_id)}")

    def import_glossary(self, kb: str, table: bytes) -> Imported:
        """Bring in a CSV in UTF-8, all of it or nothing."""
        headers = {"Content-Type": "text/csv; charset=utf-8"}
        return read_reply(Imported, self._call("POST", f"{_url(kb)}/import", content=table, headers=headers))

    def export_glossary(self, kb: str) -> bytes:
        """All of it as CSV in UTF-8."""
        return self._bytes(f"{_url(kb)}/export")


def _url(kb: str) -> str:
    return f"/api/knowledge-bases/{path_of(kb)}/glossary"
