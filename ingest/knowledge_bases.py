"""The catalog's part about knowledge bases."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import ColumnElement, Engine, delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, aliased

from ingest.corpus import CHANGES_NOTHING, WRITES_TO, note
from ingest.database import (
    CuratedAnswerRow,
    DocumentRow,
    GlossaryRow,
    IndexBuildRow,
    KnowledgeBaseRow,
    PurgeRow,
    VersionRow,
)
from ingest.errors import AlreadyExists, InvalidName, NotFound
from ingest.records import UNFINISHED, Counts, KnowledgeBase, State, in_utc, knowledge_base_of

_NAME = re.compile(r"[\w][\w .\-]{0,99}", re.UNICODE)


class Transactions:
    """An open database; what is done inside one session is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def engine(self) -> Engine:
        """The open database, for those who keep a table of their own in it."""
        return self._engine

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with Session(self._engine) as session, session.begin():
            yield session

    @staticmethod
    def _lock(session: Session, document_id: str) -> DocumentRow | None:
        """A document that nobody else changes before this transaction ends; None when there is none, or no more.

        By an update, not by FOR UPDATE alone: SQLite has no row locks, but its first write takes the one lock it has.
        """
        session.execute(
            update(DocumentRow)
            .where(DocumentRow.id == document_id)
            .values(last_generation=DocumentRow.last_generation)
            .execution_options(**{CHANGES_NOTHING: True})
        )
        return session.get(DocumentRow, document_id, populate_existing=True)


def is_newest() -> ColumnElement[bool]:
    """That a version is its document's newest; a discarded draft leaves a gap, so this is not the last generation."""
    other = aliased(VersionRow)
    highest = select(func.max(other.generation)).where(other.document_id == VersionRow.document_id)
    return VersionRow.generation == highest.scalar_subquery()


class KnowledgeBases(Transactions):
    """Create, list, rename and delete knowledge bases."""

    def create_knowledge_base(self, name: str, tenant: str = "default") -> KnowledgeBase:
        """Add an empty knowledge base.

        Raises:
            InvalidName: the name has other characters than letters, digits, space, dot, dash and underscore.
            AlreadyExists: the tenant has one of that name.
        """
        check_name(name)
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

    def all_knowledge_bases(self) -> list[KnowledgeBase]:
        """Those of every tenant, for work that is nobody's in particular."""
        with self._session() as session:
            return [knowledge_base_of(row) for row in session.scalars(select(KnowledgeBaseRow))]

    def knowledge_base(self, name: str, tenant: str = "default") -> KnowledgeBase:
        """One knowledge base by name.

        Raises:
            NotFound: there is none; the message lists those that exist.
        """
        with self._session() as session:
            return knowledge_base_of(self._kb_row(session, name, tenant))

    def knowledge_base_by_id(self, knowledge_base_id: str) -> KnowledgeBase:
        """One knowledge base by its id.

        Raises:
            NotFound: there is none, or no more.
        """
        with self._session() as session:
            row = session.get(KnowledgeBaseRow, knowledge_base_id)
            if row is None:
                raise NotFound("the knowledge base has been deleted")
            return knowledge_base_of(row)

    def counts(self, tenant: str = "default") -> dict[str, Counts]:
        """Documents and live chunks of each knowledge base of a tenant, by its id."""
        states = (
            select(DocumentRow.knowledge_base_id, VersionRow.state, func.count())
            .join(VersionRow, VersionRow.document_id == DocumentRow.id)
            .join(KnowledgeBaseRow, KnowledgeBaseRow.id == DocumentRow.knowledge_base_id)
            .where(KnowledgeBaseRow.tenant == tenant, is_newest())
            .group_by(DocumentRow.knowledge_base_id, VersionRow.state)
        )
        chunks = (
            select(DocumentRow.knowledge_base_id, func.sum(VersionRow.chunks))
            .join(VersionRow, VersionRow.id == DocumentRow.live_version_id)
            .group_by(DocumentRow.knowledge_base_id)
        )
        with self._session() as session:
            by_state: dict[str, dict[str, int]] = {}
            for knowledge_base_id, state, count in session.execute(states):
                by_state.setdefault(knowledge_base_id, {})[state] = count
            live = dict(session.execute(chunks).all())
        return {
            knowledge_base_id: Counts(
                documents=sum(found.values()),
                ready=found.get(State.READY, 0),
                failed=found.get(State.FAILED, 0),
                in_progress=sum(count for state, count in found.items() if state in UNFINISHED),
                chunks=live.get(knowledge_base_id, 0),
            )
            for knowledge_base_id, found in by_state.items()
        }

    def rename_knowledge_base(self, name: str, new_name: str, tenant: str = "default") -> KnowledgeBase:
        """Give a knowledge base another name; its documents and index stay.

        Raises:
            NotFound, InvalidName, AlreadyExists: as for creating one.
        """
        check_name(new_name)
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
            for table in (CuratedAnswerRow, GlossaryRow, DocumentRow):
                session.execute(
                    delete(table).where(table.knowledge_base_id == row.id).execution_options(**{WRITES_TO: row.id})
                )
            session.add(
                PurgeRow(knowledge_base_id=row.id, place=gone.address.as_text() if gone.embedding_model else "")
            )
            build = session.get(IndexBuildRow, row.id)
            if build is not None:
                session.add(PurgeRow(knowledge_base_id=row.id, place=build.place))
                session.delete(build)
            session.delete(row)
            return gone

    def bind_index(self, knowledge_base_id: str, model: str, size: int, fingerprint: str, engine: str = "") -> None:
        """Remember what a knowledge base's index is built with, where nobody decided that before.

        The fingerprint is always brought up to date.
        """
        row = KnowledgeBaseRow
        values = {"embedding_model": model, "embedding_size": size, "index_engine": engine}
        with self._session() as session:
            of_base = update(row).where(row.id == knowledge_base_id).execution_options(**{WRITES_TO: knowledge_base_id})
            session.execute(of_base.where(row.embedding_model == "").values(values))
            session.execute(of_base.values(fingerprint=fingerprint))

    def set_thresholds(self, knowledge_base_id: str, thresholds: str) -> None:
        """Remember from which support on a knowledge base's questions are answered; "" goes back to what is shipped."""
        with self._session() as session:
            row = session.get(KnowledgeBaseRow, knowledge_base_id)
            if row is None:
                raise NotFound("the knowledge base has been deleted")
            row.thresholds = thresholds

    def bind_engines(self, engine: str) -> None:
        """Remember for indexes of before which engine holds them: the one that the settings name now."""
        row = KnowledgeBaseRow
        with self._session() as session:
            unbound = (row.index_engine == "") & (row.embedding_model != "")
            if session.scalar(select(row.id).where(unbound).limit(1)) is not None:
                session.execute(
                    update(row).where(unbound).values(index_engine=engine).execution_options(**{CHANGES_NOTHING: True})
                )

    def touch(self, knowledge_base_id: str) -> None:
        """Something that answers are made of has changed outside of the database (ingest/corpus.py)."""
        with self._session() as session:
            note(session, knowledge_base_id)

    def next_change(self, knowledge_base_id: str, at: datetime) -> datetime | None:
        """The next moment after ``at`` when a document or curated answer begins or ends to hold, in UTC; None for never."""
        moments = []
        with self._session() as session:
            for row in (DocumentRow, CuratedAnswerRow):
                for bound in (row.valid_from, row.valid_until):
                    query = select(func.min(bound)).where(row.knowledge_base_id == knowledge_base_id, bound > at)
                    moments.append(in_utc(session.scalar(query)))
        return min((moment for moment in moments if moment is not None), default=None)

    def _kb_row(self, session: Session, name: str, tenant: str) -> KnowledgeBaseRow:
        query = select(KnowledgeBaseRow).where(KnowledgeBaseRow.tenant == tenant)
        row = session.scalar(query.where(KnowledgeBaseRow.name == name))
        if row is None:
            known = ", ".join(sorted(kb.name for kb in session.scalars(query))) or "none yet"
            raise NotFound(f"no knowledge base named {name!r} (there are: {known})")
        return row


def check_name(name: str) -> None:
    """See that a knowledge base can be named so.

    Raises:
        InvalidName: it cannot.
    """
    if not _NAME.fullmatch(name) or name != name.strip():
        raise InvalidName(
            f"{name!r} cannot be the name of a knowledge base: use 1 to 100 letters, digits, spaces, '.', '-', '_', "
            "starting with a letter or digit"
        )
