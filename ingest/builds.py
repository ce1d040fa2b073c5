"""The catalog's part about indexes: which one answers, which one is being built beside it, and the step between."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from ingest.address import Address
from ingest.database import IndexBuildRow, KnowledgeBaseRow, PurgeRow, VersionRow
from ingest.errors import BuildGivenUp
from ingest.knowledge_bases import Transactions


@dataclass(frozen=True, slots=True)
class Build:
    """An index that is being built; ``kind`` is optimize, rebuild, reembed, migrate or restore."""

    knowledge_base_id: str
    kind: str
    place: Address
    source: Address


class Builds(Transactions):
    """One build a knowledge base at most; every method is one transaction."""

    def address(self, knowledge_base_id: str) -> Address | None:
        """Where a knowledge base's points are now; None when there is none of that id."""
        row = KnowledgeBaseRow
        query = select(row.index_engine, row.embedding_model, row.embedding_size, row.index_space)
        with self._engine.connect() as connection:
            found = connection.execute(query.where(row.id == knowledge_base_id)).first()
        if found is None:
            return None
        engine, model, size, space = found
        return Address(engine, model, size, space or knowledge_base_id)

    def begin_build(self, knowledge_base_id: str, kind: str, place: Address, source: Address) -> Build:
        """Write down that an index is being built; the one that was begun before, when there is one."""
        with self._session() as session:
            row = session.get(IndexBuildRow, knowledge_base_id)
            if row is None:
                row = IndexBuildRow(
                    knowledge_base_id=knowledge_base_id, kind=kind, place=place.as_text(), source=source.as_text()
                )
                session.add(row)
            return _build_of(row)

    def build(self, knowledge_base_id: str) -> Build | None:
        """The index that is being built for a knowledge base."""
        with self._session() as session:
            row = session.get(IndexBuildRow, knowledge_base_id)
            return _build_of(row) if row is not None else None

    def builds(self) -> list[Build]:
        """All that are being built, or wait to be gone on with."""
        with self._session() as session:
            return [_build_of(row) for row in session.scalars(select(IndexBuildRow))]

    def give_up_build(self, build: Build) -> bool:
        """Forget a build; what it wrote goes on the purge list. Returns False when it is over already."""
        with self._session() as session:
            row = session.get(IndexBuildRow, build.knowledge_base_id)
            if row is None or row.place != build.place.as_text():
                return False
            session.add(PurgeRow(knowledge_base_id=build.knowledge_base_id, place=row.place))
            session.delete(row)
            return True

    @contextmanager
    def holding(self, knowledge_base_id: str) -> Iterator[None]:
        """Keep the index where it is while something is written to it; for processes that share a PostgreSQL.

        Of the row's locks the weakest: others may change the row meanwhile, but not lock it whole, as ``moving`` does.
        """
        if self.engine.dialect.name != "postgresql":
            yield
            return
        query = select(KnowledgeBaseRow.id).where(KnowledgeBaseRow.id == knowledge_base_id)
        with self._session() as session:
            session.execute(query.with_for_update(read=True, key_share=True))
            yield

    @contextmanager
    def moving(self, knowledge_base_id: str) -> Iterator[Session]:
        """A transaction to switch in; where processes share a PostgreSQL, none of them writes meanwhile."""
        with self._session() as session:
            if self.engine.dialect.name == "postgresql":
                query = select(KnowledgeBaseRow.id).where(KnowledgeBaseRow.id == knowledge_base_id)
                session.execute(query.with_for_update())
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Rows as they are at one moment, whatever is changed meanwhile."""
        with self._session() as session:
            if self.engine.dialect.name == "postgresql":
                session.connection(execution_options={"isolation_level": "REPEATABLE READ"})
            else:
                # Python's driver begins by itself only before something is written.
                session.connection().exec_driver_sql("BEGIN")
            yield session

    @contextmanager
    def changing(self) -> Iterator[Session]:
        """Rows written together."""
        with self._session() as session:
            yield session

    @staticmethod
    def switch(session: Session, build: Build, chunks: Mapping[str, int]) -> None:
        """Let the built index answer from the end of this transaction on; the one before goes on the purge list.

        chunks: passages of live versions that have another number of them now.

        Raises:
            BuildGivenUp: somebody gave the build up, or the knowledge base is gone or has moved meanwhile.
        """
        row = session.get(KnowledgeBaseRow, build.knowledge_base_id)
        begun = session.get(IndexBuildRow, build.knowledge_base_id)
        if row is None or begun is None or begun.place != build.place.as_text():
            raise BuildGivenUp("the new index was given up, or its knowledge base deleted; the old one answers")
        session.add(PurgeRow(knowledge_base_id=row.id, place=build.source.as_text()))
        place = build.place
        row.index_engine, row.index_space = place.engine, place.space
        row.embedding_model, row.embedding_size = place.model, place.size
        for version_id, count in chunks.items():
            session.execute(update(VersionRow).where(VersionRow.id == version_id).values(chunks=count))
        session.delete(begun)


def _build_of(row: IndexBuildRow) -> Build:
    return Build(row.knowledge_base_id, row.kind, Address.from_text(row.place), Address.from_text(row.source))
