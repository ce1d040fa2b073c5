"""What persons wrote for a knowledge base, for the commands: in this process, or asked of the server that owns the folder.

Curated answers and glossary entries differ in what they say only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from urllib.parse import quote

import httpx

from app.curated import curated_json, page_of
from ingest import curated_csv, glossary_csv
from ingest.curated import CuratedAnswer, CuratedDraft
from ingest.glossary import GlossaryDraft, GlossaryEntry, with_words

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PAGE = 1000
# What a server adds to what a person wrote; commands show the same beside it and without.
_ADDED = ("written_by", "created_at", "updated_at")

DraftT = TypeVar("DraftT", bound="DataclassInstance")
KeptT = TypeVar("KeptT")
Wanted = TypeVar("Wanted", contravariant=True)


class WrittenDesk(Protocol[Wanted]):
    """What the commands ask for."""

    def entries(self, search: str) -> list[dict[str, Any]]:
        """Entries with all words of a search, oldest first."""
        ...

    def add(self, draft: Wanted) -> dict[str, Any]:
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


class Rows(Protocol[Wanted, KeptT]):
    """The table of one kind of them (ingest/curated.py, ingest/glossary.py)."""

    def all(self, knowledge_base_id: str) -> list[KeptT]:
        """Those of a knowledge base."""
        ...

    def add(self, knowledge_base_id: str, draft: Wanted) -> KeptT:
        """Keep a new one."""
        ...

    def remove(self, knowledge_base_id: str, entry_id: str, /) -> None:
        """Forget one."""
        ...

    def bring_in(self, knowledge_base_id: str, entries: Iterable[tuple[str, Wanted]]) -> tuple[int, int]:
        """Keep many, all or none."""
        ...


@dataclass(frozen=True, slots=True)
class Kind(Generic[DraftT, KeptT]):
    """How one kind of them is searched, shown, and written to tables.

    path, listed: the end of its address at a server, and what holds the entries in a reply.
    """

    path: str
    listed: str
    matching: Callable[[Sequence[KeptT], str], list[KeptT]]
    as_json: Callable[[KeptT], dict[str, Any]]
    to_csv: Callable[[Iterable[KeptT]], str]
    from_csv: Callable[[str], list[tuple[str, DraftT]]]


CURATED: Kind[CuratedDraft, CuratedAnswer] = Kind(
    "curated",
    "curated",
    lambda found, search: page_of(found, search, None, len(found), 0).found,
    curated_json,
    curated_csv.to_csv,
    curated_csv.from_csv,
)
GLOSSARY: Kind[GlossaryDraft, GlossaryEntry] = Kind(
    "glossary",
    "entries",
    with_words,
    lambda entry: {"id": entry.id, "terms": list(entry.draft.terms), "one_way": entry.draft.one_way},
    glossary_csv.to_csv,
    glossary_csv.from_csv,
)


class LocalWritten(Generic[DraftT, KeptT]):
    """Those in the open database."""

    def __init__(self, kind: Kind[DraftT, KeptT], rows: Rows[DraftT, KeptT], knowledge_base_id: str) -> None:
        self._kind = kind
        self._rows = rows
        self._kb = knowledge_base_id

    def entries(self, search: str) -> list[dict[str, Any]]:
        """Entries with all words of a search."""
        return [self._kind.as_json(entry) for entry in self._kind.matching(self._rows.all(self._kb), search)]

    def add(self, draft: DraftT) -> dict[str, Any]:
        """Write an entry."""
        return self._kind.as_json(self._rows.add(self._kb, draft))

    def remove(self, entry: str) -> None:
        """Forget an entry."""
        self._rows.remove(self._kb, entry)

    def bring_in(self, table: str) -> tuple[int, int]:
        """Bring in a CSV; how many are new, and how many replaced another."""
        return self._rows.bring_in(self._kb, self._kind.from_csv(table))

    def table(self) -> str:
        """All entries as CSV."""
        return self._kind.to_csv(self._rows.all(self._kb))


class Asks(Protocol):
    """Sends a request and raises the server's error as ours."""

    def __call__(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """The reply to a request that went well."""
        ...


class RemoteWritten(Generic[DraftT, KeptT]):
    """Those of a server."""

    def __init__(self, kind: Kind[DraftT, KeptT], ask: Asks, kb: str) -> None:
        self._kind = kind
        self._ask = ask
        self._url = f"/api/knowledge-bases/{quote(kb, safe='')}/{kind.path}"

    def entries(self, search: str) -> list[dict[str, Any]]:
        """Entries with all words of a search."""
        found: list[dict[str, Any]] = []
        while True:
            params = {"search": search, "limit": PAGE, "offset": len(found)}
            page = self._ask("GET", self._url, params=params).json()
            found += [_own(entry) for entry in page[self._kind.listed]]
            if len(found) >= page["total"] or not page[self._kind.listed]:
                return found

    def add(self, draft: DraftT) -> dict[str, Any]:
        """Write an entry."""
        values = asdict(draft).items()
        body = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in values}
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


def _own(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name not in _ADDED}
