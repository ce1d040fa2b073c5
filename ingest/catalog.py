"""The catalog: knowledge bases, documents and versions; it decides which version is live.

A version's id is a hash of (knowledge base, document, bytes, pipeline fingerprint). Each writing of a version gets a
generation, counted per document and never reused; deletes name both, so A -> B -> A is safe. Publishing and deleting
put the obsolete points on the purge list in the same transaction: whatever happens next, they will be removed.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable
from datetime import UTC, datetime

from sqlalchemy import Select, func, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import Session

from ingest.builds import Builds
from ingest.corpus import CHANGES_NOTHING
from ingest.curation import Curations
from ingest.database import DocumentRow, KnowledgeBaseRow, PurgeRow, VersionRow
from ingest.errors import NotFound
from ingest.knowledge_bases import KnowledgeBases, is_newest
from ingest.records import (
    UNFINISHED,
    Document,
    KnowledgeBase,
    State,
    Version,
    document_of,
    knowledge_base_of,
    version_id,
    version_of,
)
from ingest.schema import EVERYTHING, Filters
from ingest.worklist import OVERTAKEN, WorkList


class Catalog(KnowledgeBases, WorkList, Curations, Builds):
    """The catalog over an open database; every method is one transaction and safe to run twice."""

    def begin_version(
        self,
        knowledge_base: KnowledgeBase,
        document: str,
        content_hash: str,
        fingerprint: str,
        size_bytes: int,
        *,
        parent_id: str | None = None,
        draft: bool = False,
    ) -> Version | None:
        """Record that bytes were received for a document and open a generation for them.

        parent_id: the document whose file held this one.
        draft:     it shall not go live by itself.

        Returns None when nothing is to be done: these very bytes, under this very pipeline, are what was received last,
        and they are live already, or wait as the draft that they shall be.
        """
        with self._session() as session:
            doc = self._entered(session, knowledge_base.id, document, parent_id)
            # The document's id, not its name: one that was deleted and is uploaded again counts its generations anew, and
            # what is still under way for the deleted one must not meet it.
            vid = version_id(knowledge_base.id, doc.id, content_hash, fingerprint)
            row = session.get(VersionRow, vid, populate_existing=True)
            if doc.live_version_id == vid and (draft or doc.live_generation == doc.last_generation):
                return None
            # Other bytes came after the live ones and wait, or failed: what was said last must win, so the live bytes
            # are written once more.
            if row is None:
                row = VersionRow(id=vid, document_id=doc.id, content_hash=content_hash, fingerprint=fingerprint)
                row.chunks = 0
                row.format = ""
                session.add(row)
            elif draft and row.draft and row.state == State.READY and row.generation == doc.last_generation:
                return None
            elif (row.state in UNFINISHED or row.draft) and not _is_live(doc, row):
                # A writer that died left points of its generation behind, or a draft is taken back to be published.
                session.add(PurgeRow(knowledge_base_id=knowledge_base.id, version_id=vid, generation=row.generation))
            doc.last_generation += 1
            row.generation, row.draft = doc.last_generation, draft
            row.state, row.reason, row.warnings, row.size_bytes = State.RECEIVED, "", "", size_bytes
            row.attempts, row.done, row.total, row.cancelled, row.heartbeat_at = 0, 0, 0, False, None
            row.updated_at = doc.updated_at = datetime.now(UTC)
            session.flush()
            return version_of(row, doc)

    def _entered(self, session: Session, knowledge_base_id: str, name: str, parent_id: str | None) -> DocumentRow:
        """The document of a name, made when there is none, and nobody else's before this transaction ends.

        Any number of processes may come with one name at once: the unique name decides who enters it.
        """
        entry = {"knowledge_base_id": knowledge_base_id, "name": name, "parent_id": parent_id}
        insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
        of_name = select(DocumentRow.id).where(
            DocumentRow.knowledge_base_id == knowledge_base_id, DocumentRow.name == name
        )
        while True:
            entered = insert(DocumentRow).values(id=uuid.uuid4().hex, **entry).on_conflict_do_nothing()
            # Nothing of it is live yet.
            session.execute(entered.execution_options(**{CHANGES_NOTHING: True}))
            found = self._lock(session, session.scalar(of_name) or "")
            # Deleted between the two: enter it anew.
            if found is not None:
                return found

    def set_state(self, versions: Iterable[Version], state: State) -> None:
        """Move versions on to their next stage, all in one transaction."""
        with self._session() as session:
            for version in versions:
                session.execute(
                    update(VersionRow)
                    .where(
                        VersionRow.id == version.id,
                        VersionRow.generation == version.generation,
                        # What has ended stays as it ended, whoever still works on it.
                        VersionRow.state.in_(UNFINISHED),
                    )
                    .values(state=state, updated_at=datetime.now(UTC))
                )

    def publish(
        self,
        version: Version,
        *,
        title: str,
        format: str,
        pages: int | None,
        chunks: int,
        warnings: Iterable[str] = (),
    ) -> bool:
        """Make a version the live one, in one step; the one it replaces and older drafts go on the purge list.

        Returns False when a newer writing of the document has taken over, or it was deleted meanwhile; the refused
        version is failed then, and its points go on the purge list.
        """
        with self._session() as session:
            doc = self._lock(session, version.document_id)
            row = session.get(VersionRow, version.id, populate_existing=True)
            if doc is None or row is None or row.generation != version.generation:
                return False
            if _is_live(doc, row):
                # Published before: its points must not be purged as if another version took their place.
                return True
            if doc.live_version_id is not None and doc.live_generation > version.generation:
                row.state, row.reason = State.FAILED, OVERTAKEN
                session.add(
                    PurgeRow(knowledge_base_id=doc.knowledge_base_id, version_id=row.id, generation=version.generation)
                )
                return False
            if doc.live_version_id is not None:
                session.add(
                    PurgeRow(
                        knowledge_base_id=doc.knowledge_base_id,
                        version_id=doc.live_version_id,
                        generation=doc.live_generation,
                    )
                )
            doc.live_version_id, doc.live_generation, doc.title = row.id, row.generation, title
            row.state, row.reason, row.warnings = State.READY, "", "\n".join(warnings)
            row.format, row.pages, row.chunks, row.draft = format, pages, chunks, False
            row.updated_at = doc.updated_at = datetime.now(UTC)
            self._drop_drafts(session, doc, row.generation)
            return True

    def fail(self, version: Version, reason: str) -> None:
        """End a version with a reason a person can act on; what was live before stays live."""
        with self._session() as session:
            row = session.get(VersionRow, version.id)
            if row is None or row.generation != version.generation:
                return
            doc = session.get(DocumentRow, version.document_id)
            if doc is not None and _is_live(doc, row):
                # What went wrong came after it had gone live: customers keep it.
                return
            row.state, row.reason, row.updated_at = State.FAILED, reason, datetime.now(UTC)
            if doc is not None:
                session.add(
                    PurgeRow(
                        knowledge_base_id=doc.knowledge_base_id, version_id=version.id, generation=version.generation
                    )
                )

    def unpublish(self, version: Version, reason: str) -> None:
        """Take a live version out of service because its points are not whole; the document has no live version then."""
        with self._session() as session:
            doc = self._lock(session, version.document_id)
            if doc is not None and doc.live_version_id == version.id:
                if doc.live_generation != version.generation:
                    # It is on its way in once more: what was live is an earlier writing, which ``fail`` knows nothing of.
                    session.add(
                        PurgeRow(
                            knowledge_base_id=doc.knowledge_base_id,
                            version_id=version.id,
                            generation=doc.live_generation,
                        )
                    )
                doc.live_version_id = None
        self.fail(version, reason)

    def documents(
        self,
        knowledge_base: KnowledgeBase,
        *,
        state: State | None = None,
        search: str = "",
        filters: Filters = EVERYTHING,
        limit: int | None = None,
        offset: int = 0,
    ) -> list[Document]:
        """Documents of a knowledge base with their newest version, by name.

        search: part of a name or title, upper and lower case alike.
        """
        found = self._newest(knowledge_base.id, state, search, filters)
        query = found.order_by(DocumentRow.name).limit(limit).offset(offset)
        with self._session() as session:
            return [document_of(doc, row) for doc, row in session.execute(query)]

    def count_documents(
        self,
        knowledge_base: KnowledgeBase,
        *,
        state: State | None = None,
        search: str = "",
        filters: Filters = EVERYTHING,
    ) -> int:
        """How many documents ``documents`` would list without a limit."""
        query = select(func.count()).select_from(self._newest(knowledge_base.id, state, search, filters).subquery())
        with self._session() as session:
            return session.scalar(query) or 0

    @staticmethod
    def _newest(
        knowledge_base_id: str, state: State | None = None, search: str = "", filters: Filters = EVERYTHING
    ) -> Select[DocumentRow, VersionRow]:
        query = (
            select(DocumentRow, VersionRow)
            .join(VersionRow, VersionRow.document_id == DocumentRow.id)
            .where(DocumentRow.knowledge_base_id == knowledge_base_id, is_newest())
        )
        if state is not None:
            query = query.where(VersionRow.state == state)
        if search:
            query = query.where(
                DocumentRow.name.icontains(search, autoescape=True)
                | DocumentRow.title.icontains(search, autoescape=True)
            )
        if filters.source:
            # LIKE would not tell upper from lower case on SQLite.
            query = query.where(func.substr(DocumentRow.source, 1, len(filters.source)) == filters.source)
        if filters.tags:
            # Tags hold no quotation marks, so that a whole one is found in the JSON list by its own.
            quoted = [json.dumps(tag, ensure_ascii=False) for tag in filters.tags]
            query = query.where(or_(*(func.replace(DocumentRow.tags, tag, "") != DocumentRow.tags for tag in quoted)))
        return query

    def document_by_id(self, document_id: str, tenant: str = "default") -> tuple[KnowledgeBase, Document]:
        """A document with its knowledge base.

        Raises:
            NotFound: the tenant has no such document.
        """
        query = (
            select(KnowledgeBaseRow, DocumentRow, VersionRow)
            .join(DocumentRow, DocumentRow.knowledge_base_id == KnowledgeBaseRow.id)
            .join(VersionRow, VersionRow.document_id == DocumentRow.id)
            .where(
                DocumentRow.id == document_id,
                KnowledgeBaseRow.tenant == tenant,
                is_newest(),
            )
        )
        with self._session() as session:
            found = session.execute(query).first()
            if found is None:
                raise NotFound(f"no document with the id {document_id!r}: it may have been deleted")
            return knowledge_base_of(found[0]), document_of(found[1], found[2])

    def document(self, knowledge_base: KnowledgeBase, name: str) -> Document:
        """One document by name.

        Raises:
            NotFound: the knowledge base has none of that name.
        """
        with self._session() as session:
            query = self._newest(knowledge_base.id).where(DocumentRow.name == name)
            found = session.execute(query).first()
            if found is None:
                raise NotFound(
                    f"no document named {name!r} in knowledge base {knowledge_base.name!r} "
                    f"(frontdesk documents list --kb {knowledge_base.name!r} shows them)"
                )
            return document_of(*found)

    def versions(self, document: Document) -> list[Version]:
        """All versions of a document, oldest generation first."""
        return self.versions_of(document.id)

    def versions_of(self, document_id: str) -> list[Version]:
        """The same by the document's id."""
        query = select(VersionRow).where(VersionRow.document_id == document_id).order_by(VersionRow.generation)
        with self._session() as session:
            doc = session.get_one(DocumentRow, document_id)
            return [version_of(row, doc) for row in session.scalars(query)]

    def family(self, document_id: str) -> list[Document]:
        """A document's children, and theirs: all documents that were found inside its file."""
        found = self.children(document_id)
        for document in found:
            found += self.children(document.id)
        return found

    def delete_document(self, knowledge_base: KnowledgeBase, name: str) -> Document:
        """Forget a document with all its versions, and those found inside its file; their points go on the purge list.

        Raises:
            NotFound: the knowledge base has none of that name.
        """
        found = self.document(knowledge_base, name)
        with self._session() as session:
            family = [found.id]
            for member in family:
                family += session.scalars(select(DocumentRow.id).where(DocumentRow.parent_id == member))
                self._delete(session, member)
        return found

    def _delete(self, session: Session, document_id: str) -> None:
        doc = self._lock(session, document_id)
        if doc is None:
            return
        for row in session.scalars(select(VersionRow).where(VersionRow.document_id == doc.id)):
            for generation in {row.generation, doc.live_generation if row.id == doc.live_version_id else 0} - {0}:
                session.add(PurgeRow(knowledge_base_id=doc.knowledge_base_id, version_id=row.id, generation=generation))
            session.delete(row)
        session.flush()
        session.delete(doc)


def _is_live(doc: DocumentRow, row: VersionRow) -> bool:
    """Whether customers are answered from this writing of the version."""
    return (doc.live_version_id, doc.live_generation) == (row.id, row.generation)
