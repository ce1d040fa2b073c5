"""The client's calls about what an admin says of documents and passages; part of ui.client.Client."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from ui.replies import path_of, read_reply
from ui.wire import Chunk, Document


@dataclass(frozen=True, slots=True)
class Going:
    """A document that a deletion takes with it; ``releases`` and ``embedders`` learnt from it and stay."""

    id: str
    document: str
    passages: int
    versions: int
    bytes: int
    releases: list[str]
    embedders: list[str]


@dataclass(frozen=True, slots=True)
class Deletion:
    """What deleting a document takes with it: itself first, then what was found inside its file."""

    documents: list[Going]
    passages: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundChunk(Chunk):
    """A passage with the document that it is of."""

    document: str
    document_id: str
    title: str


@dataclass(frozen=True, slots=True)
class FoundChunks:
    """Some live passages, how many were found in all, and how many of those by flag."""

    kb: str
    total: int
    flags: dict[str, int]
    chunks: list[FoundChunk]


@dataclass(frozen=True, slots=True)
class Edit:
    """A person's wording of a passage; ``state`` is applied, or moved when its text is gone."""

    id: str
    text_hash: str
    heading_path: list[str]
    original: str
    text: str
    state: str
    edited_by: str
    created_at: str
    updated_at: str


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A passage that an edit's text may have moved to; ``likeness`` from 0 to 1."""

    likeness: float
    chunk: Chunk


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedEdit(Edit):
    """An edit with the passage that it stands in, or with those it might be put onto."""

    chunk_id: str | None
    suggestions: list[Suggestion]


@dataclass(frozen=True, slots=True)
class EditList:
    """A document's edits, oldest first."""

    document: str
    edits: list[OfferedEdit]


@dataclass(frozen=True, slots=True)
class EditedChunk:
    """An edit and the passage as it is now."""

    edit: Edit
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Review:
    """Documents with a draft that can be published, and documents with wordings whose passage is gone."""

    kb: str
    drafts: list[Document]
    moved: list[Document]


class _Unchanged:
    """Stands for a bound that is not to be changed; None ends one."""


UNCHANGED = _Unchanged()
Bound = datetime | str | None | _Unchanged


class CurationCalls:
    """Disable, date, tag, publish, edit. Every method raises ApiError."""

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        raise NotImplementedError

    def curate(
        self,
        document_id: str,
        *,
        enabled: bool | None = None,
        valid_from: Bound = UNCHANGED,
        valid_until: Bound = UNCHANGED,
        tags: Sequence[str] | None = None,
        source: str | None = None,
    ) -> Document:
        """Change what is said of a document; what is not given stays. It holds for the next question.

        valid_from, valid_until: a moment (UTC when it has no zone), or None for an open end.
        """
        bounds = {"valid_from": valid_from, "valid_until": valid_until}
        change: dict[str, Any] = {
            name: bound.isoformat() if isinstance(bound, datetime) else bound
            for name, bound in bounds.items()
            if not isinstance(bound, _Unchanged)
        }
        given = {"enabled": enabled, "tags": None if tags is None else list(tags), "source": source}
        change |= {name: value for name, value in given.items() if value is not None}
        return read_reply(Document, self._call("PATCH", f"/api/documents/{path_of(document_id)}", json=change))

    def publish(self, document_id: str) -> Document:
        """Make a document's draft its live version."""
        return read_reply(Document, self._call("POST", f"/api/documents/{path_of(document_id)}/publish"))

    def discard_draft(self, document_id: str) -> None:
        """Forget a document's draft, and the document, if it has no other version."""
        self._call("DELETE", f"/api/documents/{path_of(document_id)}/draft")

    def deletion(self, document_id: str) -> Deletion:
        """What deleting a document would take with it."""
        return read_reply(Deletion, self._call("GET", f"/api/documents/{path_of(document_id)}/deletion"))

    def review(self, kb: str) -> Review:
        """What waits for a person in a knowledge base."""
        return read_reply(Review, self._call("GET", f"/api/knowledge-bases/{path_of(kb)}/review"))

    def search_chunks(
        self,
        kb: str,
        search: str = "",
        *,
        flag: str | None = None,
        document: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> FoundChunks:
        """Live passages that hold all words of a search, with a flag, of a document (by its name)."""
        params: dict[str, Any] = {"search": search, "limit": limit, "offset": offset}
        params |= {name: value for name, value in {"flag": flag, "document": document}.items() if value is not None}
        return read_reply(FoundChunks, self._call("GET", f"/api/knowledge-bases/{path_of(kb)}/chunks", params=params))

    def edit_chunk(self, document_id: str, chunk: str, text: str, by: str = "") -> EditedChunk:
        """Put a person's wording in a passage's place; ``chunk`` is its id or text_hash."""
        url = f"/api/documents/{path_of(document_id)}/chunks/{path_of(chunk)}"
        return read_reply(EditedChunk, self._call("PUT", url, json={"text": text, "by": by}))

    def edits(self, document_id: str) -> list[OfferedEdit]:
        """Persons' wordings of a document's passages; moved ones with the passages that come nearest."""
        return read_reply(EditList, self._call("GET", f"/api/documents/{path_of(document_id)}/edits")).edits

    def apply_edit(self, document_id: str, edit: str, text_hash: str) -> EditedChunk:
        """Put a wording in the place of another passage."""
        url = f"/api/documents/{path_of(document_id)}/edits/{path_of(edit)}/apply"
        return read_reply(EditedChunk, self._call("POST", url, json={"text_hash": text_hash}))

    def undo_edit(self, document_id: str, edit: str) -> None:
        """Forget a wording; the passage's own text comes back."""
        self._call("DELETE", f"/api/documents/{path_of(document_id)}/edits/{path_of(edit)}")


def filters_of(tags: Sequence[str], source: str) -> dict[str, Any]:
    """The part of a question that says which documents are asked; nothing when all are."""
    return {"filters": {"tags": list(tags), "source": source}} if tags or source else {}
