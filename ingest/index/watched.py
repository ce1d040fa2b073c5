"""An index that tells of what is written to it, so that no cached answer outlives the passages it was made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ingest.embed import Vectors
from ingest.index.base import Hit, LegHits, Point, VectorIndex
from ingest.schema import EVERYTHING, Filters, Principal
from ingest.sparse import SparseVector


class WatchedIndex:
    """Any engine; ``changed`` is called with the knowledge base after each writing that a query could notice.

    Also after one that failed: a part of it may be there.
    """

    def __init__(self, inner: VectorIndex, changed: Callable[[str], None]) -> None:
        self.inner = inner
        self.engine = inner.engine
        self._changed = changed

    @contextmanager
    def _writing(self, knowledge_base: str) -> Iterator[None]:
        try:
            yield
        finally:
            self._changed(knowledge_base)

    def upsert(self, knowledge_base: str, points: Sequence[Point]) -> None:
        """Insert or replace points; hidden ones change no answer, only those that queries see are told of."""
        if not any(point.payload.get("live") for point in points):
            self.inner.upsert(knowledge_base, points)
            return
        with self._writing(knowledge_base):
            self.inner.upsert(knowledge_base, points)

    def set_live(self, knowledge_base: str, version: str, generation: int) -> None:
        """Let queries see the points of one writing of a version."""
        with self._writing(knowledge_base):
            self.inner.set_live(knowledge_base, version, generation)

    def set_payload(self, knowledge_base: str, document: str, values: Mapping[str, Any]) -> None:
        """Write fields onto all points of a document."""
        with self._writing(knowledge_base):
            self.inner.set_payload(knowledge_base, document, values)

    def delete(self, knowledge_base: str, version: str, generation: int) -> None:
        """Remove the points of one writing of a version."""
        with self._writing(knowledge_base):
            self.inner.delete(knowledge_base, version, generation)

    def drop(self, knowledge_base: str) -> None:
        """Remove everything of a knowledge base."""
        with self._writing(knowledge_base):
            self.inner.drop(knowledge_base)

    def optimize(self, knowledge_base: str) -> None:
        """Build what makes queries fast; approximate search may find others then."""
        with self._writing(knowledge_base):
            self.inner.optimize(knowledge_base)

    # What reads.

    def count(self, knowledge_base: str, version: str | None = None, generation: int | None = None) -> int:
        """Exact number of points."""
        return self.inner.count(knowledge_base, version, generation)

    def search(
        self,
        knowledge_base: str,
        *,
        dense: Vectors | None,
        sparse: SparseVector | None,
        principal: Principal,
        limit: int,
        filters: Filters = EVERYTHING,
        at: float | None = None,
    ) -> LegHits:
        """Both legs in one round trip."""
        return self.inner.search(
            knowledge_base, dense=dense, sparse=sparse, principal=principal, limit=limit, filters=filters, at=at
        )

    def points(self, knowledge_base: str, version: str, generation: int) -> Iterator[Hit]:
        """All points of one writing of a version."""
        return self.inner.points(knowledge_base, version, generation)

    def payloads(
        self,
        knowledge_base: str,
        fields: Collection[str] | None = None,
        *,
        document: str | None = None,
        flag: str | None = None,
        live: bool = False,
    ) -> Iterator[Hit]:
        """Some payload fields of many points."""
        return self.inner.payloads(knowledge_base, fields, document=document, flag=flag, live=live)

    def writings(self, knowledge_base: str, *, live: bool = False) -> Counter[tuple[str, int]]:
        """Number of points of each (version, generation)."""
        return self.inner.writings(knowledge_base, live=live)

    def vectors(self, knowledge_base: str, version: str, generation: int) -> dict[str, Vectors]:
        """Dense vectors of one writing of a version."""
        return self.inner.vectors(knowledge_base, version, generation)

    def close(self) -> None:
        """Flush and let go of files and connections."""
        self.inner.close()
