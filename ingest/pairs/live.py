"""The passages of a knowledge base as pairs are made of them, document by document: never all texts at once."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from ingest.catalog import Catalog
from ingest.curation import Writing
from ingest.index.base import Hit, VectorIndex, writing_of
from ingest.pairs.records import SourceChunk, SourceRef
from ingest.records import KnowledgeBase
from ingest.schema import Principal, text_hash

FIELDS = (
    "version", "generation", "document", "title", "ordinal", "text", "text_hash", "heading_path", "language", "kind", "edited",
)  # fmt: skip
_PLACE = ("version", "generation", "document", "text_hash", "edited")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
# Passages asked for by their ids at once.
_AT_ONCE = 200


class LivePassages:
    """Reads the live passages; what is written meanwhile may be seen or not."""

    def __init__(self, catalog: Catalog, index: VectorIndex) -> None:
        self._catalog = catalog
        self._index = index

    def documents(self, kb: KnowledgeBase, *, shown: bool = True) -> list[Writing]:
        """The live writings, by the documents' names.

        shown: only those of documents that customers may be answered from now.
        """
        now = datetime.now(UTC)
        live = (w for w in self._catalog.writings(kb.id).values() if w.live and (not shown or w.curation.shown(now)))
        return sorted(live, key=lambda writing: writing.document)

    def chunks(self, kb: KnowledgeBase, writing: Writing) -> list[SourceChunk]:
        """The passages of one document, in order."""
        of = (writing.version, writing.generation)
        hits = self._index.payloads(kb.id, FIELDS, document=writing.document, live=True)
        found = [chunk_of(hit) for hit in hits if writing_of(hit.payload) == of]
        return sorted(found, key=lambda chunk: chunk.ordinal)

    def walk(self, kb: KnowledgeBase, *, shown: bool = True) -> Iterator[SourceChunk]:
        """All passages, document by document."""
        for writing in self.documents(kb, shown=shown):
            yield from self.chunks(kb, writing)

    def count(self, kb: KnowledgeBase) -> int:
        """How many passages the documents have that customers may be answered from."""
        live = self._index.writings(kb.id, live=True)
        return sum(live[writing.version, writing.generation] for writing in self.documents(kb))

    def hashes(self, kb: KnowledgeBase) -> set[str]:
        """What the live passages say, as hashes; hidden documents included, for they are not gone."""
        live = {(w.version, w.generation): w for w in self.documents(kb, shown=False)}
        found: set[str] = set()
        worded: set[tuple[str, int]] = set()
        for hit in self._index.payloads(kb.id, _PLACE, live=True):
            of = writing_of(hit.payload)
            if hit.payload.get("edited"):
                worded.add(of)
            elif of in live:
                found.add(str(hit.payload["text_hash"]))
        # The point of a passage that a person worded anew carries the hash of what it said before.
        for of in worded & live.keys():
            found.update(chunk.text_hash for chunk in self.chunks(kb, live[of]))
        return found

    def with_ids(self, kb: KnowledgeBase, ids: Sequence[str]) -> dict[str, SourceChunk]:
        """Those of some passages, by id, that customers may be answered from."""
        found: dict[str, SourceChunk] = {}
        # Files bring ids along; an engine refuses those that are none.
        wanted = [each for each in dict.fromkeys(ids) if _UUID.fullmatch(each)]
        principal = Principal(tenant=kb.tenant)
        for start in range(0, len(wanted), _AT_ONCE):
            hits = self._index.fetch(kb.id, wanted[start : start + _AT_ONCE], principal=principal)
            found.update({hit.id: chunk_of(hit) for hit in hits})
        return found

    def find(self, kb: KnowledgeBase, refs: Sequence[SourceRef]) -> dict[str, SourceChunk]:
        """Live passages that say what some pairs were made of, by text_hash; those whose text is gone are missing.

        Asked for by id; where a document was written anew since, it is looked through. A text that has moved to another
        document is not looked for.
        """
        wanted = {ref.text_hash for ref in refs}
        by_id = self.with_ids(kb, [ref.chunk_id for ref in refs]).values()
        found = {chunk.text_hash: chunk for chunk in by_id if chunk.text_hash in wanted}
        if len(found) == len(wanted):
            return found
        writings = {writing.document: writing for writing in self.documents(kb, shown=False)}
        for name in dict.fromkeys(ref.document for ref in refs if ref.text_hash not in found):
            if name in writings:
                for chunk in self.chunks(kb, writings[name]):
                    if chunk.text_hash in wanted:
                        found.setdefault(chunk.text_hash, chunk)
        return found


def chunk_of(hit: Hit) -> SourceChunk:
    """A point as a passage."""
    payload = hit.payload
    return SourceChunk(
        id=hit.id,
        text_hash=live_hash(payload),
        version=str(payload["version"]),
        document=str(payload["document"]),
        title=str(payload.get("title") or ""),
        text=str(payload["text"]),
        heading_path=tuple(payload.get("heading_path") or ()),
        language=str(payload.get("language") or "und"),
        ordinal=int(payload["ordinal"]),
        kind=str(payload.get("kind") or "text"),
    )


def live_hash(payload: Mapping[str, Any]) -> str:
    """The hash of what a passage says now; points of reworded ones carry that of the original."""
    if not payload.get("edited"):
        return str(payload["text_hash"])
    return text_hash("\n".join((*(payload.get("heading_path") or ()), str(payload["text"]))))
