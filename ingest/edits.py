"""A person's wording of a passage: it takes the passage's place at once, and follows its text through later versions.

An edit belongs to a document and to the text (``Chunk.text_hash``) that it replaces. Wherever that text is, in the live
version, in a draft, in a version to come, the person's wording stands; where the text is gone the edit is "moved" and is
offered again beside the passages that come nearest. An edited point keeps the text_hash of its original, and the
original itself, so that an edit can be found and undone.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from rapidfuzz import fuzz
from sqlalchemy import select

from ingest.bindings import FixedPlaces, Places
from ingest.catalog import Catalog
from ingest.cleaning.flags import reflagged
from ingest.curation import Curator, Writing
from ingest.database import ChunkEditRow
from ingest.embed import Embedder
from ingest.errors import NotFound, UnusableValue
from ingest.index.base import Hit, Point, VectorIndex, embed_hash, writing_of
from ingest.knowledge_bases import Transactions
from ingest.records import Document, KnowledgeBase, in_utc
from ingest.schema import Chunk
from ingest.sparse import SparseEncoder

log = logging.getLogger(__name__)
EditState = Literal["applied", "moved"]
MOST_SUGGESTIONS = 5
# Likeness in percent from which a passage is offered as the place where a text went.
LIKE_ENOUGH = 30.0
# One at a time: two edits of a passage would each embed, and the slower one would win.
_editing = threading.RLock()


@dataclass(frozen=True, slots=True)
class Edit:
    """A person's wording; ``state`` is "moved" when no passage of the document's versions has the original text."""

    id: str
    document_id: str
    text_hash: str
    heading_path: tuple[str, ...]
    original: str
    text: str
    state: EditState
    edited_by: str
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A passage near an edit's original; ``likeness`` is 0 to 1."""

    chunk_id: str
    likeness: float
    payload: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Offered:
    """An edit, the passage it stands in (None when moved), and where its text may have gone."""

    edit: Edit
    chunk_id: str | None
    suggestions: tuple[Suggestion, ...]


class EditRows(Transactions):
    """The catalog's part about edits."""

    def of_document(self, document_id: str) -> list[Edit]:
        """All edits of a document, oldest first."""
        query = select(ChunkEditRow).where(ChunkEditRow.document_id == document_id)
        with self._session() as session:
            return [_edit_of(row) for row in session.scalars(query.order_by(ChunkEditRow.created_at, ChunkEditRow.id))]

    def edited_documents(self) -> set[str]:
        """Documents with edits."""
        with self._session() as session:
            return set(session.scalars(select(ChunkEditRow.document_id).distinct()))

    def keep(self, document_id: str, passage: Mapping[str, Any], text: str, by: str, edit_id: str | None) -> Edit:
        """Write down a wording of a passage; one that was there for the same text is replaced.

        passage: the payload of the passage's point.
        edit_id: an edit that is moved here; None for a new one.

        Raises:
            NotFound: the document or the edit was deleted meanwhile.
        """
        with self._session() as session:
            # The document's lock: two processes must not keep two edits of one text.
            if self._lock(session, document_id) is None:
                raise NotFound("the document has been deleted meanwhile")
            same = select(ChunkEditRow).where(
                ChunkEditRow.document_id == document_id, ChunkEditRow.text_hash == passage["text_hash"]
            )
            rows = list(session.scalars(same))
            if edit_id is None:
                row = rows[0] if rows else ChunkEditRow(id=uuid.uuid4().hex, document_id=document_id)
            else:
                found = session.get(ChunkEditRow, edit_id)
                if found is None or found.document_id != document_id:
                    raise NotFound("the edit has been deleted meanwhile")
                row = found
            for other in rows:
                if other is not row:
                    session.delete(other)
            row.text_hash = passage["text_hash"]
            row.heading_path = json.dumps(list(passage["heading_path"]), ensure_ascii=False)
            row.original, row.text, row.state = _original(passage), text, "applied"
            row.edited_by, row.updated_at = by or row.edited_by or "", datetime.now(UTC)
            session.add(row)
            session.flush()
            return _edit_of(row)

    def drop(self, document_id: str, edit_id: str) -> None:
        """Forget an edit.

        Raises:
            NotFound: the document has no such edit.
        """
        with self._session() as session:
            row = session.get(ChunkEditRow, edit_id)
            if row is None or row.document_id != document_id:
                raise NotFound(f"no edit with the id {edit_id!r} on this document")
            session.delete(row)

    def settle(self, states: Mapping[str, EditState]) -> None:
        """Write down which edits stand in a passage, and which have lost theirs."""
        with self._session() as session:
            for edit_id, state in states.items():
                row = session.get(ChunkEditRow, edit_id)
                if row is not None and row.state != state:
                    row.state, row.updated_at = state, datetime.now(UTC)


class Edits:
    """Keeps, applies, offers and undoes edits; every method may run twice."""

    def __init__(
        self,
        catalog: Catalog,
        index: VectorIndex,
        embedder: Embedder,
        sparse: SparseEncoder,
        places: Places | None = None,
    ) -> None:
        self._catalog = catalog
        self._curator = Curator(catalog, index)
        self._rows = EditRows(catalog.engine)
        self._index = index
        # Passages are cut to what this one reads, whichever makes a knowledge base's vectors.
        self._embedder = embedder
        self._places = places or FixedPlaces(index, embedder)
        self._sparse = sparse

    def edit(self, kb: KnowledgeBase, document: Document, passage: str, text: str, by: str = "") -> tuple[Edit, Hit]:
        """Put a person's wording in a passage's place; returns the edit and the passage as it is now.

        passage: a chunk's id, or the text_hash of its original.

        Raises:
            NotFound: neither the live version nor the draft has that passage.
            UnusableValue: the wording is empty, too long, or the passage's own.
            IndexUnavailable: the engine does not answer; a wording that was kept is applied at the next verification.
        """
        with _editing:
            found = self._passage(kb, document, passage)
            edit = self._rows.keep(document.id, found.payload, self._usable(found, text), by, None)
            self.settle(kb, document.id)
            return edit, self._passage(kb, document, found.id)

    def apply(self, kb: KnowledgeBase, document: Document, edit_id: str, passage: str) -> tuple[Edit, Hit]:
        """Put an edit in the place of another passage, one that its text has moved to.

        Raises:
            NotFound: there is no such edit or passage.
            UnusableValue: see ``edit``.
        """
        with _editing:
            edit = self._edit(document, edit_id)
            found = self._passage(kb, document, passage)
            edit = self._rows.keep(document.id, found.payload, self._usable(found, edit.text), "", edit.id)
            self.settle(kb, document.id)
            return edit, self._passage(kb, document, found.id)

    def undo(self, kb: KnowledgeBase, document: Document, edit_id: str) -> None:
        """Forget an edit; where it stands, the original comes back.

        Raises:
            NotFound: the document has no such edit.
        """
        with _editing:
            self._rows.drop(document.id, edit_id)
            self.settle(kb, document.id)

    def offered(self, kb: KnowledgeBase, document: Document) -> list[Offered]:
        """All edits of a document; moved ones with the passages of its version that come nearest to their originals."""
        edits = self._rows.of_document(document.id)
        if not edits:
            return []
        hits = [hit for writing in self._writings(kb, document.id) for hit in self._points(kb, writing)]
        places = {str(hit.payload["text_hash"]): hit.id for hit in reversed(hits)}
        taken = {edit.text_hash for edit in edits}
        free = [hit for hit in hits if hit.payload["text_hash"] not in taken]
        return [
            Offered(
                replace(edit, state="applied" if edit.text_hash in places else "moved"),
                places.get(edit.text_hash),
                () if edit.text_hash in places else tuple(_nearest(edit.original, free)),
            )
            for edit in edits
        ]

    def reworded(self, document_id: str, chunks: Sequence[Chunk]) -> list[Chunk]:
        """Chunks on their way into the index, persons' wordings in the place of the texts they replace."""
        wordings = {edit.text_hash: edit.text for edit in self._rows.of_document(document_id)}
        found = []
        for chunk in chunks:
            wording = wordings.get(chunk.text_hash)
            if wording is None or wording == chunk.text:
                found.append(chunk)
            else:
                tokens = self._embedder.count_tokens([wording])[0]
                worded = replace(chunk, text=wording, tokens=tokens)
                found.append(replace(worded, flags=reflagged(worded, chunk.flags)))
        return found

    def settle(self, kb: KnowledgeBase, document_id: str) -> None:
        """Bring a document's points in agreement with its edits, and its edits with its texts."""
        with _editing:
            edits = {edit.text_hash: edit for edit in self._rows.of_document(document_id)}
            places: set[str] = set()
            for writing in self._writings(kb, document_id):
                changed = []
                for hit in self._points(kb, writing):
                    edit = edits.get(hit.payload["text_hash"])
                    places.add(hit.payload["text_hash"])
                    wanted = edit.text if edit is not None else _original(hit.payload)
                    if hit.payload["text"] != wanted or bool(hit.payload.get("edited")) != (edit is not None):
                        changed.append((hit, wanted, edit is not None))
                if changed:
                    self._rewrite(kb, changed)
                    # Whole points were written: what was said of the document meanwhile must not be lost.
                    self._curator.show(kb.id, document_id, writing.document)
            self._rows.settle({e.id: "applied" if e.text_hash in places else "moved" for e in edits.values()})

    def published(self, kb: KnowledgeBase, document_id: str) -> None:
        """A version went live: edits that came while it was written are applied, those without a place are moved."""
        if self._rows.of_document(document_id):
            self.settle(kb, document_id)

    def mend(self, kb: KnowledgeBase) -> None:
        """Finish what a process that died left between database and index."""
        writings = self._catalog.writings(kb.id)
        documents = {writing.document_id for writing in writings.values()} & self._rows.edited_documents()
        fields = ("version", "generation", "edited")
        for hit in self._index.payloads(kb.id, fields):
            if hit.payload.get("edited") and (writing := writings.get(writing_of(hit.payload))):
                documents.add(writing.document_id)
        for document_id in documents:
            self.settle(kb, document_id)

    def _writings(self, kb: KnowledgeBase, document_id: str) -> list[Writing]:
        """The live writing of a document first, then its draft."""
        return sorted(self._catalog.writings(kb.id, document_id).values(), key=lambda writing: not writing.live)

    def _points(self, kb: KnowledgeBase, writing: Writing) -> list[Hit]:
        points = self._index.points(kb.id, writing.version, writing.generation)
        return sorted(points, key=lambda hit: int(hit.payload["ordinal"]))

    def _passage(self, kb: KnowledgeBase, document: Document, passage: str) -> Hit:
        for writing in self._writings(kb, document.id):
            for hit in self._points(kb, writing):
                if passage in (hit.id, hit.payload["text_hash"]):
                    return hit
        raise NotFound(
            f"{document.name!r} has no passage {passage!r}; its text may have changed, look at its passages again"
        )

    def _edit(self, document: Document, edit_id: str) -> Edit:
        found = next((edit for edit in self._rows.of_document(document.id) if edit.id == edit_id), None)
        if found is None:
            raise NotFound(f"no edit with the id {edit_id!r} on this document")
        return found

    def _usable(self, passage: Hit, text: str) -> str:
        payload, text = passage.payload, text.strip()
        if not text:
            raise UnusableValue("the wording is empty; disable the document, or write what the passage shall say")
        original = _original(payload)
        if text == original:
            raise UnusableValue("this is the passage's own text; delete the edit to have it back")
        titled = [chunk_of_payload(payload, wording).indexed_text(payload["title"]) for wording in (text, original)]
        tokens, before = self._embedder.count_tokens(titled)
        # Two tokens are the model's own marks. A passage that is too long as it is may be mended, not made longer.
        most = max(self._embedder.max_tokens - 2, before)
        if tokens > most:
            raise UnusableValue(
                f"the wording has {tokens} tokens with its title and headings, the embedder reads {most}: shorten it"
            )
        return text

    def _rewrite(self, kb: KnowledgeBase, changed: Sequence[tuple[Hit, str, bool]]) -> None:
        self._places.write(kb, lambda place: self._reworded_points(place.embedder, changed))

    def _reworded_points(self, embedder: Embedder, changed: Iterable[tuple[Hit, str, bool]]) -> list[Point]:
        points = []
        for hit, wording, edited in changed:
            payload = dict(hit.payload)
            original, language = _original(payload), str(payload["language"])
            chunk = chunk_of_payload(payload, wording)
            indexed = chunk.indexed_text(str(payload["title"]))
            knows = language == "und" or embedder.knows(language)
            dense = embedder.embed_documents([indexed])[0] if knows else None
            payload["text"], payload["embed_hash"] = wording, embed_hash(indexed)
            payload["tokens"] = self._embedder.count_tokens([wording])[0]
            flags = payload.pop("original_flags", payload.get("flags", []))
            payload["edited"], payload["flags"] = edited, flags
            payload.pop("original", None)
            if edited:
                payload["original"], payload["original_flags"] = original, flags
                payload["flags"] = list(reflagged(chunk, flags))
            points.append(Point(hit.id, self._sparse.encode_document(indexed), payload, dense))
        return points


def marks_of(chunk: Chunk, original: Chunk) -> dict[str, Any]:
    """What a point carries beyond its text when a person's wording has taken the place of the original."""
    if chunk is original or chunk.text == original.text:
        return {}
    return {
        "edited": True,
        "original": original.text,
        "original_flags": list(original.flags),
        "text_hash": original.text_hash,
    }


def _original(payload: Mapping[str, Any]) -> str:
    return str(payload["original"] if payload.get("edited") and "original" in payload else payload["text"])


def chunk_of_payload(payload: Mapping[str, Any], text: str | None = None) -> Chunk:
    """What decides how a passage is indexed, from its point; its own text, when no other is given."""
    return Chunk(int(payload["ordinal"]), payload["text"] if text is None else text, tuple(payload["heading_path"]))


def _nearest(original: str, passages: Iterable[Hit]) -> list[Suggestion]:
    """Passages by the words (Chinese: characters) that they share with a text, whatever their order."""
    wanted = _words(original)
    scored = [(fuzz.token_sort_ratio(wanted, _words(_original(hit.payload))), hit) for hit in passages]
    best = sorted((entry for entry in scored if entry[0] >= LIKE_ENOUGH), key=lambda entry: -entry[0])
    seen: set[str] = set()
    found: list[Suggestion] = []
    for score, hit in best:
        # The same text may stand in the live version and in the draft.
        if hit.payload["text_hash"] not in seen and len(found) < MOST_SUGGESTIONS:
            seen.add(hit.payload["text_hash"])
            found.append(Suggestion(hit.id, score / 100, hit.payload))
    return found


def _words(text: str) -> str:
    spaced = "".join(f" {char} " if "\u3400" <= char <= "\u9fff" else char for char in text.casefold())
    return " ".join(spaced.split())


def _edit_of(row: ChunkEditRow) -> Edit:
    state: EditState = "moved" if row.state == "moved" else "applied"
    created, updated = in_utc(row.created_at), in_utc(row.updated_at)
    now = datetime.now(UTC)
    return Edit(
        id=row.id,
        document_id=row.document_id,
        text_hash=row.text_hash,
        heading_path=tuple(json.loads(row.heading_path)),
        original=row.original,
        text=row.text,
        state=state,
        edited_by=row.edited_by,
        created_at=created or now,
        updated_at=updated or now,
    )
