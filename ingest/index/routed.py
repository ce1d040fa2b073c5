"""One index over many: a knowledge base's calls go to the engine and the space that the catalog names for it.

Writing and moving exclude each other: whoever moves a knowledge base closes its gate, brings the new index in agreement
with the old one, switches, and opens it. Questions never wait.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeVar

from sqlalchemy.orm import Session

from ingest.address import Address
from ingest.embed import Vectors
from ingest.errors import IndexMismatch, NotFound, VectorIndexError
from ingest.index.base import Hit, LegHits, Point, VectorIndex
from ingest.records import KnowledgeBase
from ingest.schema import EVERYTHING, Filters, Principal
from ingest.sparse import SparseVector

T = TypeVar("T")


class Addresses(Protocol):
    """What is asked of the catalog (ingest/builds.py)."""

    def address(self, knowledge_base_id: str) -> Address | None:
        """Where a knowledge base's points are now."""
        ...

    def knowledge_base_by_id(self, knowledge_base_id: str) -> KnowledgeBase:
        """One knowledge base."""
        ...

    def holding(self, knowledge_base_id: str) -> Any:
        """Keep its index where it is."""
        ...

    def moving(self, knowledge_base_id: str) -> Any:
        """A transaction to switch in."""
        ...


class RoutedIndex:
    """A VectorIndex whose callers know nothing of engines and spaces.

    engine:  the one of indexes that are to come, "edge" or "server".
    default: name and size of the embedder that the settings name.
    open_index: opens an engine, given its name, and the name and size of an embedder.
    changed: called with the knowledge base after each writing that a query could notice, so that no cached answer outlives
        the passages it was made of; also after one that failed, of which a part may be there.
    """

    def __init__(
        self,
        catalog: Addresses,
        engine: str,
        default: Callable[[], tuple[str, int]],
        open_index: Callable[[str, str, int], VectorIndex],
        changed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.engine = engine
        self._catalog = catalog
        self._default = default
        self._open = open_index
        self._changed = changed
        self._opened: dict[tuple[str, str, int], VectorIndex] = {}
        self._opening = threading.Lock()
        self._gate = _Gate()

    def whole(self, address: Address) -> Address:
        """An address with what nobody decided yet taken from the settings."""
        if address.model and address.engine:
            return address
        model, size = (address.model, address.size) if address.model else self._default()
        return Address(address.engine or self.engine, model, size, address.space)

    def at(self, address: Address) -> VectorIndex:
        """The engine of an address, opened once."""
        # Edge tells shards apart by their folders; a server's collections are one an embedder.
        key = (address.engine, address.model if address.engine == "server" else "", address.size)
        with self._opening:
            if key not in self._opened:
                self._opened[key] = self._open(address.engine, address.model, address.size)
            return self._opened[key]

    def moved(self, kb: KnowledgeBase) -> KnowledgeBase | None:
        """The knowledge base as it is now, if its index has been switched since it was read."""
        now = self._catalog.address(kb.id)
        if now is None or self.whole(now) == self.whole(kb.address):
            return None
        try:
            return self._catalog.knowledge_base_by_id(kb.id)
        except NotFound:
            return None

    @contextmanager
    def holding(self, knowledge_base: str) -> Iterator[Address | None]:
        """Keep a knowledge base's index where it is; yields where that is, None when there is no such base."""
        with self._gate.passing(knowledge_base), self._catalog.holding(knowledge_base):
            now = self._catalog.address(knowledge_base)
            yield self.whole(now) if now is not None else None

    @contextmanager
    def closed(self, knowledge_base: str) -> Iterator[Session]:
        """Nobody writes to a knowledge base's index meanwhile; yields the transaction to switch in."""
        with self._gate.closed(knowledge_base), self._catalog.moving(knowledge_base) as session:
            yield session

    def _now(self, knowledge_base: str) -> tuple[VectorIndex, str]:
        address = self.whole(self._catalog.address(knowledge_base) or Address("", "", 0, knowledge_base))
        return self.at(address), address.space

    def _read(self, knowledge_base: str, ask: Callable[[VectorIndex, str], T]) -> T:
        """Ask, once more when the index was switched in the middle: the old one may have been dropped by then."""
        while True:
            before = self._catalog.address(knowledge_base)
            address = self.whole(before or Address("", "", 0, knowledge_base))
            try:
                found = ask(self.at(address), address.space)
            except VectorIndexError:
                if self._catalog.address(knowledge_base) == before:
                    raise
                continue
            if self._catalog.address(knowledge_base) == before:
                return found

    @contextmanager
    def telling(self, knowledge_base: str, seen: bool = True) -> Iterator[None]:
        """Tell of a writing when it is over, and the index is held no more; unless no query can see it."""
        try:
            yield
        finally:
            if seen:
                self._changed(knowledge_base)

    @contextmanager
    def _writing(self, knowledge_base: str, seen: bool = True) -> Iterator[tuple[VectorIndex, str]]:
        with (
            self.telling(knowledge_base, seen),
            self._gate.passing(knowledge_base),
            self._catalog.holding(knowledge_base),
        ):
            yield self._now(knowledge_base)

    def upsert(self, knowledge_base: str, points: Sequence[Point]) -> None:
        """Insert or replace points; hidden ones change no answer.

        Raises:
            IndexMismatch: their vectors are of another size than the index's.
        """
        with self._writing(knowledge_base, any_live(points)) as (index, space):
            size = self.whole(self._catalog.address(knowledge_base) or Address("", "", 0, "")).size
            wrong = next((p.dense for p in points if p.dense is not None and len(p.dense) != size), None)
            if wrong is not None:
                raise IndexMismatch(
                    f"these vectors have {len(wrong)} dimensions, the index of this knowledge base has {size}: it was "
                    "built with another embedder; begin again"
                )
            index.upsert(space, points)

    def count(self, knowledge_base: str, version: str | None = None, generation: int | None = None) -> int:
        """Exact number of points, hidden ones included."""
        return self._read(knowledge_base, lambda index, space: index.count(space, version, generation))

    def set_live(self, knowledge_base: str, version: str, generation: int) -> None:
        """Let queries see the points of one writing of a version."""
        with self._writing(knowledge_base) as (index, space):
            index.set_live(space, version, generation)

    def set_payload(self, knowledge_base: str, document: str, values: Mapping[str, Any]) -> None:
        """Write fields onto all points of a document."""
        with self._writing(knowledge_base) as (index, space):
            index.set_payload(space, document, values)

    def delete(self, knowledge_base: str, version: str, generation: int) -> None:
        """Remove the points of one writing of a version."""
        with self._writing(knowledge_base) as (index, space):
            index.delete(space, version, generation)

    def drop(self, knowledge_base: str) -> None:
        """Remove everything of a knowledge base."""
        with self._writing(knowledge_base) as (index, space):
            index.drop(space)

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
        """Both legs; whoever embeds for it finds the place first (ingest/bindings.py)."""
        index, space = self._now(knowledge_base)
        return index.search(space, dense=dense, sparse=sparse, principal=principal, limit=limit, filters=filters, at=at)

    def fetch(
        self,
        knowledge_base: str,
        ids: Sequence[str],
        *,
        principal: Principal,
        filters: Filters = EVERYTHING,
        at: float | None = None,
    ) -> list[Hit]:
        """Those of some points that queries may see."""
        index, space = self._now(knowledge_base)
        return index.fetch(space, ids, principal=principal, filters=filters, at=at)

    def points(self, knowledge_base: str, version: str, generation: int) -> Iterator[Hit]:
        """All points of one writing of a version."""
        yield from self._read(knowledge_base, lambda index, space: list(index.points(space, version, generation)))

    def payloads(
        self,
        knowledge_base: str,
        fields: Collection[str] | None = None,
        *,
        document: str | None = None,
        flag: str | None = None,
        live: bool = False,
    ) -> Iterator[Hit]:
        """Some payload fields of many points; a walk that meets a switch may end early."""
        index, space = self._now(knowledge_base)
        return index.payloads(space, fields, document=document, flag=flag, live=live)

    def writings(self, knowledge_base: str, *, live: bool = False) -> Counter[tuple[str, int]]:
        """Number of points of each (version, generation)."""
        return self._read(knowledge_base, lambda index, space: index.writings(space, live=live))

    def vectors(self, knowledge_base: str, version: str, generation: int) -> dict[str, Vectors]:
        """Dense vectors of one writing of a version, by what they were made of."""
        return self._read(knowledge_base, lambda index, space: index.vectors(space, version, generation))

    def optimize(self, knowledge_base: str) -> None:
        """Build what makes queries fast; approximate search may find others then."""
        index, space = self._now(knowledge_base)
        with self.telling(knowledge_base):
            index.optimize(space)

    def close(self) -> None:
        """Close every engine that was opened."""
        with self._opening:
            for index in self._opened.values():
                index.close()
            self._opened.clear()


def any_live(points: Sequence[Point]) -> bool:
    """Whether queries see any of them."""
    return any(point.payload.get("live") for point in points)


class _Gate:
    """Many may pass a knowledge base's gate at once; nobody while it is closed. Not to be passed twice by one thread."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._inside: Counter[str] = Counter()
        self._closed: set[str] = set()

    @contextmanager
    def passing(self, name: str) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: name not in self._closed)
            self._inside[name] += 1
        try:
            yield
        finally:
            with self._changed:
                self._inside[name] -= 1
                if not self._inside[name]:
                    del self._inside[name]
                self._changed.notify_all()

    @contextmanager
    def closed(self, name: str) -> Iterator[None]:
        with self._changed:
            self._changed.wait_for(lambda: name not in self._closed)
            self._closed.add(name)
            self._changed.wait_for(lambda: not self._inside[name])
        try:
            yield
        finally:
            with self._changed:
                self._closed.discard(name)
                self._changed.notify_all()
