"""A knowledge base's glossary for the commands: in this process, or asked of the server that owns the data folder."""

from __future__ import annotations

from typing import Any, Protocol
from urllib.parse import quote

import httpx

from ingest.glossary import Glossary, GlossaryDraft, GlossaryEntry, with_words
from ingest.glossary_csv import from_csv, to_csv

PAGE = 1000


class GlossaryDesk(Protocol):
    """What the commands ask for; entries are {id, terms, one_way}."""

    def entries(self, search: str) -> list[dict[str, Any]]:
        """Entries with all words of a search."""
        ...

    def add(self, draft: GlossaryDraft) -> dict[str, Any]:
        """Write an entry."""
        ...

    def remove(self, entry: str) -> None:
        """Forget an entry."""
        ...

    def bring_in(self, table: str) -> tuple[int, int]:
        """Bring in a CSV; how many are new, and how many replaced another."""
        ...

    def table(self) -> str:
        """All entries as CSV."""
        ...


class LocalGlossary:
    """The glossary in the open database."""

    def __init__(self, rows: Glossary, knowledge_base_id: str) -> None:
        self._rows = rows
        self._kb = knowledge_base_id

    def entries(self, search: str) -> list[dict[str, Any]]:
        """Entries with all words of a search."""
        return [_json(entry) for entry in with_words(self._rows.all(self._kb), search)]

    def add(self, draft: GlossaryDraft) -> dict[str, Any]:
        """Write an entry."""
        return _json(self._rows.add(self._kb, draft))

    def remove(self, entry: str) -> None:
        """Forget an entry."""
        self._rows.remove(self._kb, entry)

    def bring_in(self, table: str) -> tuple[int, int]:
        """Bring in a CSV; how many are new, and how many replaced another."""
        return self._rows.bring_in(self._kb, from_csv(table))

    def table(self) -> str:
        """All entries as CSV."""
        return to_csv(self._rows.all(self._kb))


class Asks(Protocol):
    """Sends a request and raises the server's error as ours."""

    def __call__(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """The reply to a request that went well."""
        ...


class RemoteGlossary:
    """The glossary of a server."""

    def __init__(self, ask: Asks, url: str) -> None:
        self._ask = ask
        self._url = url

    def entries(self, search: str) -> list[dict[str, Any]]:
        """Entries with all words of a search."""
        found: list[dict[str, Any]] = []
        while True:
            params = {"search": search, "limit": PAGE, "offset": len(found)}
            page = self._ask("GET", self._url, params=params).json()
            found += [_own(entry) for entry in page["entries"]]
            if len(found) >= page["total"] or not page["entries"]:
                return found

    def add(self, draft: GlossaryDraft) -> dict[str, Any]:
        """Write an entry."""
        body = {"terms": list(draft.terms), "one_way": draft.one_way}
        return _own(self._ask("POST", self._url, json=body).json())

    def remove(self, entry: str) -> None:
        """Forget an entry."""
        self._ask("DELETE", f"{self._url}/{quote(entry, safe='')}")

    def bring_in(self, table: str) -> tuple[int, int]:
        """Bring in a CSV; how many are new, and how many replaced another."""
        headers = {"Content-Type": "text/csv; charset=utf-8"}
        found = self._ask("POST", f"{self._url}/import", content=table.encode(), headers=headers).json()
        return found["new"], found["replaced"]

    def table(self) -> str:
        """All entries as CSV."""
        # Line ends are part of it: no reply is read as text here.
        return self._ask("GET", f"{self._url}/export").content.decode()


def _json(entry: GlossaryEntry) -> dict[str, Any]:
    return {"id": entry.id, "terms": list(entry.draft.terms), "one_way": entry.draft.one_way}


def _own(body: dict[str, Any]) -> dict[str, Any]:
    return {name: body[name] for name in ("id", "terms", "one_way")}
