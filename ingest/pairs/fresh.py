"""Which pairs are stale: those made of a text that no live passage holds any more.

Nobody has to remember to say so. The knowledge base's corpus version grows with each change of its passages
(ingest/corpus.py); whoever is about to list, export or split pairs calls ``refresh`` first, which costs one row while
nothing has changed, and one walk over the hashes otherwise. A text that comes back makes its pairs fresh again.
"""

from __future__ import annotations

from sqlalchemy import select, update

from ingest.catalog import Catalog
from ingest.database import KnowledgeBaseRow
from ingest.index.base import VectorIndex
from ingest.knowledge_bases import Transactions
from ingest.pairs.bases import base_row
from ingest.pairs.live import LivePassages
from ingest.pairs.store import in_parts, quietly
from ingest.pairs.tables import PairBaseRow, PairRow, PairSourceRow
from ingest.records import KnowledgeBase

# Looks at a knowledge base that is being changed meanwhile; the next call looks again.
_LOOKS = 3


class Freshness(Transactions):
    """Holds pairs against the live texts."""

    def __init__(self, catalog: Catalog, index: VectorIndex) -> None:
        super().__init__(catalog.engine)
        self._catalog = catalog
        self._live = LivePassages(catalog, index)

    def refresh(self, kb: KnowledgeBase) -> int:
        """Bring ``Pair.stale`` in agreement with the live texts; returns how many pairs changed.

        Raises:
            NotFound: the knowledge base is gone.
            IndexUnavailable: the engine does not answer.
        """
        changed = 0
        for _ in range(_LOOKS):
            # The number first and everything else after it: what is found is at least as new.
            before = self._catalog.knowledge_base_by_id(kb.id)
            if self._looked_at(kb.id) == before.corpus_version:
                return changed
            hashes = self._live.hashes(before) if self._any(kb.id) else set()
            after = self._catalog.knowledge_base_by_id(kb.id)
            if after.address != before.address:
                # A walk that meets a switch may end early.
                continue
            changed += self._mark(kb.id, hashes, before.corpus_version)
            if after.corpus_version == before.corpus_version:
                return changed
        return changed

    def _mark(self, knowledge_base_id: str, hashes: set[str], corpus_version: int) -> int:
        """Mark and remember in one transaction, that whoever adds pairs meanwhile is before it or after it."""
        of_base = PairRow.knowledge_base_id == knowledge_base_id
        gone: set[str] = set()
        with self._session() as session:
            if session.get(KnowledgeBaseRow, knowledge_base_id) is None:
                return 0
            base_row(session, knowledge_base_id).corpus_version = corpus_version
            sources = select(PairSourceRow.pair_id, PairSourceRow.text_hash).join(PairRow).where(of_base)
            for pair_id, text in session.execute(sources.execution_options(yield_per=1000)):
                if text not in hashes:
                    gone.add(pair_id)
            before = set(session.scalars(select(PairRow.id).where(of_base, PairRow.stale)))
            for ids, stale in ((gone - before, True), (before - gone, False)):
                for some in in_parts(sorted(ids)):
                    session.execute(quietly(update(PairRow).where(PairRow.id.in_(some)).values(stale=stale)))
        return len(gone ^ before)

    def _any(self, knowledge_base_id: str) -> bool:
        with self._session() as session:
            of_base = PairRow.knowledge_base_id == knowledge_base_id
            return session.scalar(select(PairRow.id).where(of_base).limit(1)) is not None

    def _looked_at(self, knowledge_base_id: str) -> int:
        with self._session() as session:
            row = session.get(PairBaseRow, knowledge_base_id)
            return row.corpus_version if row is not None else -1
