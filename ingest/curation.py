"""What admins say of documents: disabled, valid within a time, tagged, from an address; and drafts before they go live.

The catalog is the truth and is asked about every hit. The same is written on the document's points, so that queries find
enough that may be shown; points that a dead process left behind are mended (Curator.mend).
"""

from __future__ import annotations

import json
import logging
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.database import DocumentRow, PurgeRow, VersionRow
from ingest.errors import IndexMismatch, NotFound, UnusableValue
from ingest.index.base import VectorIndex, writing_of
from ingest.knowledge_bases import Transactions
from ingest.records import AS_IT_CAME, Curation, Document, KnowledgeBase, State, Version, curation_of, version_of
from ingest.schema import EVERYTHING, Filters

if TYPE_CHECKING:
    from ingest.catalog import Catalog

log = logging.getLogger(__name__)
MOST_TAGS = 50
LONGEST_TAG = 50
LONGEST_SOURCE = 2000
_SAID = (
    DocumentRow.live_version_id,
    DocumentRow.live_generation,
    DocumentRow.enabled,
    DocumentRow.valid_from,
    DocumentRow.valid_until,
    DocumentRow.tags,
    DocumentRow.source,
)
CURATION_FIELDS = ("version", "generation", *AS_IT_CAME.payload())


@dataclass(frozen=True, slots=True)
class Writing:
    """A writing that has points for good: the live one of a document, or its draft."""

    document_id: str
    document: str
    version: str
    generation: int
    live: bool
    curation: Curation


class Curations(Transactions):
    """The catalog's part about it."""

    def live_among(
        self, pairs: Iterable[tuple[str, int]], filters: Filters = EVERYTHING, at: datetime | None = None
    ) -> set[tuple[str, int]]:
        """Those of the given (version, generation) pairs that customers may be answered from.

        They are live, enabled, within their time (at: now, when not given), and among what was asked for.
        """
        wanted, moment = set(pairs), at or datetime.now(UTC)
        # Every question asks this: columns are read in half the time of objects (docs/experiments.md).
        query = select(*_SAID).where(DocumentRow.live_version_id.in_({vid for vid, _ in wanted}))
        with self._engine.connect() as connection:
            found = set()
            for doc in connection.execute(query):
                said = curation_of(doc)
                if doc.live_version_id and said.shown(moment) and said.fits(filters):
                    found.add((doc.live_version_id, doc.live_generation))
            return found & wanted

    def curation(self, document_id: str) -> Curation | None:
        """What is said of a document; None when it was deleted."""
        with self._session() as session:
            doc = session.get(DocumentRow, document_id)
            return curation_of(doc) if doc is not None else None

    def curate(self, document_id: str, change: Callable[[Curation], Curation]) -> Curation:
        """Say something else of a document; returns what is said now.

        Raises:
            UnusableValue: the time ends before it begins, or a tag or address cannot be used.
            NotFound: it was deleted meanwhile.
        """
        with self._session() as session:
            doc = self._lock(session, document_id)
            if doc is None:
                raise NotFound("the document has been deleted meanwhile")
            said = usable(change(curation_of(doc)))
            doc.enabled, doc.valid_from, doc.valid_until = said.enabled, said.valid_from, said.valid_until
            doc.tags, doc.source = json.dumps(said.tags, ensure_ascii=False), said.source
            doc.updated_at = datetime.now(UTC)
            return said

    def keep_draft(
        self, version: Version, *, format: str, pages: int | None, chunks: int, warnings: Iterable[str] = ()
    ) -> bool:
        """Make a written draft ready to be published; an older draft of the document goes on the purge list.

        Returns False when the document was uploaded anew or deleted meanwhile.
        """
        with self._session() as session:
            doc = self._lock(session, version.document_id)
            row = session.get(VersionRow, version.id, populate_existing=True)
            if doc is None or row is None or row.generation != version.generation:
                return False
            self._drop_drafts(session, doc, version.generation)
            row.state, row.reason, row.warnings = State.READY, "", "\n".join(warnings)
            row.format, row.pages, row.chunks = format, pages, chunks
            row.updated_at = doc.updated_at = datetime.now(UTC)
            return True

    def draft(self, document_id: str) -> Version | None:
        """The draft of a document that could be published; None when it has none."""
        return self.drafts([document_id]).get(document_id)

    def drafts(self, document_ids: Iterable[str]) -> dict[str, Version]:
        """The drafts that could be published, by document."""
        query = (
            select(VersionRow, DocumentRow)
            .join(DocumentRow, VersionRow.document_id == DocumentRow.id)
            .where(VersionRow.document_id.in_(list(document_ids)), VersionRow.draft, VersionRow.state == State.READY)
        )
        with self._session() as session:
            return {doc.id: version_of(row, doc) for row, doc in session.execute(query)}

    def discard_draft(self, version: Version) -> bool:
        """Forget a draft; its points go on the purge list. Returns False when it is none any more."""
        with self._session() as session:
            doc = self._lock(session, version.document_id)
            row = session.get(VersionRow, version.id, populate_existing=True)
            if doc is None or row is None or row.generation != version.generation or not row.draft:
                return False
            self._forget(session, doc, row)
            session.flush()
            if session.scalar(select(VersionRow.id).where(VersionRow.document_id == doc.id).limit(1)) is None:
                # It was the first version: nothing is left of the document.
                session.delete(doc)
            return True

    def writings(self, knowledge_base_id: str, document_id: str | None = None) -> dict[tuple[str, int], Writing]:
        """The writings of a knowledge base that have points for good: live ones, and drafts that are ready.

        document_id: of one document only.
        """
        query = (
            select(VersionRow, DocumentRow)
            .join(DocumentRow, VersionRow.document_id == DocumentRow.id)
            .where(DocumentRow.knowledge_base_id == knowledge_base_id)
            .where(
                (VersionRow.id == DocumentRow.live_version_id) | (VersionRow.draft & (VersionRow.state == State.READY))
            )
        )
        if document_id is not None:
            query = query.where(DocumentRow.id == document_id)
        found = {}
        with self._session() as session:
            for row, doc in session.execute(query):
                live = doc.live_version_id == row.id
                generation = doc.live_generation if live else row.generation
                found[row.id, generation] = Writing(doc.id, doc.name, row.id, generation, live, curation_of(doc))
        return found

    @classmethod
    def _drop_drafts(cls, session: Session, doc: DocumentRow, before: int) -> None:
        """Forget drafts that came before a generation: they would take back what was said later."""
        older = select(VersionRow).where(VersionRow.document_id == doc.id, VersionRow.draft)
        for row in session.scalars(older.where(VersionRow.generation < before)):
            cls._forget(session, doc, row)

    @staticmethod
    def _forget(session: Session, doc: DocumentRow, row: VersionRow) -> None:
        session.add(PurgeRow(knowledge_base_id=doc.knowledge_base_id, version_id=row.id, generation=row.generation))
        session.delete(row)


def usable(said: Curation) -> Curation:
    """The same with tags in order, each once.

    Raises:
        UnusableValue: the time ends before it begins, or a tag or address cannot be used.
    """
    begin, end = said.valid_from, said.valid_until
    if begin is not None and end is not None and begin >= end:
        raise UnusableValue(
            f"valid_from ({begin.isoformat()}) is not before valid_until ({end.isoformat()}): the document would never be "
            "shown; disable it instead, or change one of the two"
        )
    if len(said.source) > LONGEST_SOURCE:
        raise UnusableValue(f"the source address has {len(said.source)} characters; {LONGEST_SOURCE} are kept")
    tags = sorted({_usable_tag(tag) for tag in said.tags})
    if len(tags) > MOST_TAGS:
        raise UnusableValue(f"{len(tags)} tags on one document; {MOST_TAGS} are kept")
    return replace(said, tags=tuple(tags))


def _usable_tag(tag: str) -> str:
    name = " ".join(unicodedata.normalize("NFC", tag).split())
    if not name or len(name) > LONGEST_TAG:
        raise UnusableValue(f"the tag {name[:60]!r} cannot be used: give it 1 to {LONGEST_TAG} characters")
    if any(char in '"\\' or unicodedata.category(char) in ("Cc", "Cs") for char in name):
        raise UnusableValue(
            f"the tag {name!r} cannot be used: leave out quotation marks, backslashes, control characters"
        )
    return name


class Curator:
    """Says of documents what an admin says, in catalog and index; every method may run twice."""

    def __init__(self, catalog: Catalog, index: VectorIndex) -> None:
        self._catalog = catalog
        self._index = index

    def change(self, kb: KnowledgeBase, document: Document, change: Callable[[Curation], Curation]) -> Curation:
        """Say something else of a document; questions asked from now on go by it.

        Raises:
            UnusableValue, NotFound: see ``Curations.curate``.
            IndexUnavailable: it is said, but the points are not up to date before the next start or verification.
        """
        said = self._catalog.curate(document.id, change)
        self.show(kb.id, document.id, document.name)
        return said

    def show(self, knowledge_base_id: str, document_id: str, name: str) -> None:
        """Write on a document's points what the catalog says of it.

        Two that do so at once end with what was said last: each looks again after it has written.
        """
        said = self._catalog.curation(document_id)
        while said is not None:
            self._index.set_payload(knowledge_base_id, name, said.payload())
            now = self._catalog.curation(document_id)
            if now == said:
                return
            said = now

    def show_new(self, knowledge_base_id: str, version: Version) -> None:
        """The same for points that were just written: they carry nothing yet, which says what an untouched document says."""
        if self._catalog.curation(version.document_id) != AS_IT_CAME:
            self.show(knowledge_base_id, version.document_id, version.document)

    def publish(self, kb: KnowledgeBase, document: Document) -> bool:
        """Make a document's draft the live version, in one step; what it replaces goes on the purge list.

        Returns False when a newer version went live meanwhile.

        Raises:
            NotFound: it has no draft that is ready.
            IndexMismatch: the draft's points are not whole.
            IndexUnavailable: the engine does not answer.
        """
        draft = self._draft(document)
        held = self._index.count(kb.id, draft.id, draft.generation)
        if held != draft.chunks:
            raise IndexMismatch(
                f"the index holds {held} of the {draft.chunks} passages of this draft; discard it and upload the file again"
            )
        # The title is on the points: the catalog knows that of the live version.
        first = next(iter(self._index.points(kb.id, draft.id, draft.generation)), None)
        title = str(first.payload["title"]) if first is not None else document.title
        self.show(kb.id, document.id, document.name)
        if held:
            self._index.set_live(kb.id, draft.id, draft.generation)
        published = self._catalog.publish(
            draft, title=title, format=draft.format, pages=draft.pages, chunks=draft.chunks, warnings=draft.warnings
        )
        if published:
            self.show(kb.id, document.id, document.name)
        return published

    def discard(self, document: Document) -> None:
        """Forget a document's draft, and the document when it has nothing else; its points go on the purge list.

        Raises:
            NotFound: it has no draft that is ready.
        """
        self._catalog.discard_draft(self._draft(document))

    def mend(self, kb: KnowledgeBase) -> list[str]:
        """Bring points in agreement with what the catalog says; the names of the documents that differed."""
        wrong: dict[str, str] = {}
        writings = self._catalog.writings(kb.id)
        for hit in self._index.payloads(kb.id, CURATION_FIELDS):
            writing = writings.get(writing_of(hit.payload))
            if writing is not None and _said(hit.payload) != writing.curation.payload():
                wrong[writing.document_id] = writing.document
        for document_id, name in wrong.items():
            log.warning("what is said of %s was not on its points; it is now", name)
            self.show(kb.id, document_id, name)
        return sorted(wrong.values())

    def _draft(self, document: Document) -> Version:
        draft = self._catalog.draft(document.id)
        if draft is None:
            raise NotFound(f"{document.name!r} has no draft that is ready; upload one with draft=true")
        return draft


def _said(payload: Mapping[str, Any]) -> dict[str, Any]:
    """What points carry; those written before anything was said carry nothing."""
    return {key: payload.get(key, default) for key, default in AS_IT_CAME.payload().items()}
