"""The catalog: knowledge bases, documents and versions; it decides which version is live.

A version's id is a hash of (knowledge base, document, bytes, pipeline fingerprint). Each writing of a version gets a
generation, counted per document and never reused; deletes name both, so A -> B -> A is safe. Publishing and deleting
put the obsolete points on the purge list in the same transaction: whatever happens next, they will be removed.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Engine, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ingest.database import DocumentRow, KnowledgeBaseRow, PurgeRow, VersionRow
from ingest.errors import AlreadyExists, InvalidName, NotFound
from ingest.records import (
    UNFINISHED,
    Document,
    KnowledgeBase,
    Purge,
    State,
    Version,
    knowledge_base_of,
    version_id,
    version_of,
)

_NAME = re.compile(r"[\w][\w .\-]{0,99}", re.UNICODE)


class Catalog:
    """The catalog over an open database; every method is one transaction and safe to run twice."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with Session(self._engine) as session, session.begin():
            yield session

    # Knowledge bases

    def create_knowledge_base(self, name: str, tenant: str = "default") -> KnowledgeBase:
        """Add an empty knowledge base.

        Raises:
            InvalidName: the name has other characters than letters, digits, space, dot, dash and underscore.
            AlreadyExists: the tenant has one of that name.
        """
        _check_name(name)
        row = KnowledgeBaseRow(
            id=uuid.uuid4().hex, tenant=tenant, name=name, embedding_model="", embedding_size=0, fingerprint=""
        )
        try:
            with self._session() as session:
                session.add(row)
                session.flush()
                return knowledge_base_of(row)
        except IntegrityError as exc:
            raise AlreadyExists(f"a knowledge base named {name!r} exists already; choose another name") from exc

    def knowledge_bases(self, tenant: str = "default") -> list[KnowledgeBase]:
        """All knowledge bases of a tenant, by name."""
        query = select(KnowledgeBaseRow).where(KnowledgeBaseRow.tenant == tenant).order_by(KnowledgeBaseRow.name)
        with self._session() as session:
            return [knowledge_base_of(row) for row in session.scalars(query)]

    def knowledge_base(self, name: str, tenant: str = "default") -> KnowledgeBase:
        """One knowledge base by name.

        Raises:
            NotFound: there is none; the message lists those that exist.
        """
        with self._session() as session:
            return knowledge_base_of(self._kb_row(session, name, tenant))

    def rename_knowledge_base(self, name: str, new_name: str, tenant: str = "default") -> KnowledgeBase:
        """Give a knowledge base another name; its documents and index stay.

        Raises:
            NotFound, InvalidName, AlreadyExists: as for creating one.
        """
        _check_name(new_name)
        try:
            with self._session() as session:
                row = self._kb_row(session, name, tenant)
                row.name = new_name
                session.flush()
                return knowledge_base_of(row)
        except IntegrityError as exc:
            raise AlreadyExists(f"a knowledge base named {new_name!r} exists already; choose another name") from exc

    def delete_knowledge_base(self, name: str, tenant: str = "default") -> KnowledgeBase:
        """Forget a knowledge base and put its index on the purge list.

        Raises:
            NotFound: there is none of that name.
        """
        with self._session() as session:
            row = self._kb_row(session, name, tenant)
            gone = knowledge_base_of(row)
            documents = select(DocumentRow.id).where(DocumentRow.knowledge_base_id == row.id)
            session.execute(delete(VersionRow).where(VersionRow.document_id.in_(documents)))
            session.execute(delete(DocumentRow).where(DocumentRow.knowledge_base_id == row.id))
            session.add(PurgeRow(knowledge_base_id=row.id, version_id="", generation=0))
            session.delete(row)
            return gone

    def bind_index(self, knowledge_base_id: str, model: str, size: int, fingerprint: str) -> None:
        """Remember what a knowledge base's index is built with."""
        values = {"embedding_model": model, "embedding_size": size, "fingerprint": fingerprint}
        with self._session() as session:
            session.execute(update(KnowledgeBaseRow).where(KnowledgeBaseRow.id == knowledge_base_id).values(values))

    def _kb_row(self, session: Session, name: str, tenant: str) -> KnowledgeBaseRow:
        query = select(KnowledgeBaseRow).where(KnowledgeBaseRow.tenant == tenant)
        row = session.scalar(query.where(KnowledgeBaseRow.name == name))
        if row is None:
            known = ", ".join(sorted(kb.name for kb in session.scalars(query))) or "none yet"
            raise NotFound(f"no knowledge base named {name!r} (there are: {known})")
        return row

    # Documents and versions

    def begin_version(
        self, knowledge_base: KnowledgeBase, document: str, content_hash: str, fingerprint: str, size_bytes: int
    ) -> Version | None:
        """Record that bytes were received for a document and open a generation for them.

        Returns None when these very bytes, under this very pipeline, are live already: nothing is to be done.
        """
        vid = version_id(knowledge_base.id, document, content_hash, fingerprint)
        with self._session() as session:
            doc = session.scalar(
                select(DocumentRow)
                .where(DocumentRow.knowledge_base_id == knowledge_base.id, DocumentRow.name == document)
                .with_for_update()
            )
            if doc is None:
                doc = DocumentRow(
                    id=uuid.uuid4().hex,
                    knowledge_base_id=knowledge_base.id,
                    name=document,
                    title="",
                    live_generation=0,
                    last_generation=0,
                )
                session.add(doc)
                session.flush()
            if doc.live_version_id == vid:
                return None
            row = session.get(VersionRow, vid)
            if row is None:
                row = VersionRow(id=vid, document_id=doc.id, content_hash=content_hash, fingerprint=fingerprint)
                row.chunks = 0
                row.format = ""
                session.add(row)
            elif row.state in UNFINISHED:
                # A writer that died left points of its generation behind.
                session.add(PurgeRow(knowledge_base_id=knowledge_base.id, version_id=vid, generation=row.generation))
            doc.last_generation += 1
            row.generation = doc.last_generation
            row.state, row.reason, row.warnings, row.size_bytes = State.RECEIVED, "", "", size_bytes
            row.updated_at = doc.updated_at = datetime.now(UTC)
            session.flush()
            return version_of(row, doc)

    def set_state(self, versions: Iterable[Version], state: State) -> None:
        """Move versions on to their next stage, all in one transaction."""
        with self._session() as session:
            for version in versions:
                session.execute(
                    update(VersionRow)
                    .where(VersionRow.id == version.id, VersionRow.generation == version.generation)
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
        """Make a version the live one, in one step; the one it replaces goes on the purge list.

        Returns False when a newer writing of the document has taken over, or it was deleted meanwhile; the refused
        version is failed then, and its points go on the purge list.
        """
        with self._session() as session:
            doc = session.get(DocumentRow, version.document_id, with_for_update=True)
            row = session.get(VersionRow, version.id)
            if doc is None or row is None or row.generation != version.generation:
                return False
            if doc.live_version_id is not None and doc.live_generation > version.generation:
                row.state, row.reason = State.FAILED, "a newer upload of this document went live first"
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
            row.format, row.pages, row.chunks = format, pages, chunks
            row.updated_at = doc.updated_at = datetime.now(UTC)
            return True

    def fail(self, version: Version, reason: str) -> None:
        """End a version with a reason a person can act on; what was live before stays live."""
        with self._session() as session:
            row = session.get(VersionRow, version.id)
            if row is None or row.generation != version.generation:
                return
            row.state, row.reason, row.updated_at = State.FAILED, reason, datetime.now(UTC)
            doc = session.get(DocumentRow, version.document_id)
            if doc is not None:
                session.add(
                    PurgeRow(
                        knowledge_base_id=doc.knowledge_base_id, version_id=version.id, generation=version.generation
                    )
                )

    def unpublish(self, version: Version, reason: str) -> None:
        """Take a live version out of service because its points are not whole; the document has no live version then."""
        with self._session() as session:
            doc = session.get_one(DocumentRow, version.document_id)
            if doc.live_version_id == version.id:
                doc.live_version_id = None
        self.fail(version, reason)

    def documents(self, knowledge_base: KnowledgeBase) -> list[Document]:
        """Every document of a knowledge base with its newest version, by name."""
        query = (
            select(DocumentRow, VersionRow)
            .join(VersionRow, VersionRow.document_id == DocumentRow.id)
            .where(DocumentRow.knowledge_base_id == knowledge_base.id)
            .order_by(DocumentRow.name, VersionRow.generation)
        )
        newest: dict[str, Document] = {}
        with self._session() as session:
            for doc, row in session.execute(query):
                newest[doc.id] = Document(doc.id, doc.name, doc.title, doc.live_version_id, version_of(row, doc))
        return list(newest.values())

    def document(self, knowledge_base: KnowledgeBase, name: str) -> Document:
        """One document by name.

        Raises:
            NotFound: the knowledge base has none of that name.
        """
        found = next((doc for doc in self.documents(knowledge_base) if doc.name == name), None)
        if found is None:
            raise NotFound(
                f"no document named {name!r} in knowledge base {knowledge_base.name!r} "
                f"(frontdesk documents list --kb {knowledge_base.name!r} shows them)"
            )
        return found

    def versions(self, document: Document) -> list[Version]:
        """All versions of a document, oldest generation first."""
        return self.versions_of(document.id)

    def versions_of(self, document_id: str) -> list[Version]:
        """The same by the document's id."""
        query = select(VersionRow).where(VersionRow.document_id == document_id).order_by(VersionRow.generation)
        with self._session() as session:
            doc = session.get_one(DocumentRow, document_id)
            return [version_of(row, doc) for row in session.scalars(query)]

    def delete_document(self, knowledge_base: KnowledgeBase, name: str) -> Document:
        """Forget a document with all its versions; its points go on the purge list.

        Raises:
            NotFound: the knowledge base has none of that name.
        """
        found = self.document(knowledge_base, name)
        with self._session() as session:
            doc = session.get_one(DocumentRow, found.id)
            for row in session.scalars(select(VersionRow).where(VersionRow.document_id == doc.id)):
                for generation in {row.generation, doc.live_generation if row.id == doc.live_version_id else 0} - {0}:
                    session.add(PurgeRow(knowledge_base_id=knowledge_base.id, version_id=row.id, generation=generation))
                session.delete(row)
            session.flush()
            session.delete(doc)
        return found

    # What retrieval and recovery ask

    def live_among(self, pairs: Iterable[tuple[str, int]]) -> set[tuple[str, int]]:
        """Those of the given (version, generation) pairs that are live now."""
        wanted = set(pairs)
        query = select(DocumentRow.live_version_id, DocumentRow.live_generation).where(
            DocumentRow.live_version_id.in_({vid for vid, _ in wanted})
        )
        with self._session() as session:
            return {(vid, generation) for vid, generation in session.execute(query) if vid} & wanted

    def unfinished(self) -> list[Version]:
        """Versions that a process was working on when it ended."""
        query = (
            select(VersionRow, DocumentRow)
            .join(DocumentRow, VersionRow.document_id == DocumentRow.id)
            .where(VersionRow.state.in_(UNFINISHED))
        )
        with self._session() as session:
            return [version_of(row, doc) for row, doc in session.execute(query)]

    def purges(self) -> list[Purge]:
        """Points that still have to be deleted from the index."""
        with self._session() as session:
            rows = session.scalars(select(PurgeRow).order_by(PurgeRow.id))
            return [Purge(row.id, row.knowledge_base_id, row.version_id, row.generation) for row in rows]

    def purged(self, purge: Purge) -> None:
        """Strike a purge from the list once its points are gone."""
        with self._session() as session:
            session.execute(delete(PurgeRow).where(PurgeRow.id == purge.id))

    def content_hashes(self) -> set[str]:
        """Hashes of the stored files still needed: of live versions, and of the newest of each document."""
        query = (
            select(VersionRow.content_hash)
            .join(DocumentRow, VersionRow.document_id == DocumentRow.id)
            .where(
                (VersionRow.id == DocumentRow.live_version_id) | (VersionRow.generation == DocumentRow.last_generation)
            )
        )
        with self._session() as session:
            return set(session.scalars(query))


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name) or name != name.strip():
        raise InvalidName(
            f"{name!r} cannot be the name of a knowledge base: use 1 to 100 letters, digits, spaces, '.', '-', '_', "
            "starting with a letter or digit"
        )
