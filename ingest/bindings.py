"""Which index answers for a knowledge base, and what embeds for it: each is asked with the embedder it is bound to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from ingest.address import Address
from ingest.embed import Embedder
from ingest.errors import IndexMismatch, SettingsError, VectorIndexError
from ingest.index.base import Point, VectorIndex
from ingest.index.routed import RoutedIndex, any_live
from ingest.records import KnowledgeBase


@dataclass(frozen=True, slots=True)
class Place:
    """An index as it is asked: ``index`` by ``space``, with vectors of ``embedder``."""

    index: VectorIndex
    space: str
    embedder: Embedder


class Places(Protocol):
    """What ingestion and retrieval ask. Methods raise IndexMismatch where the bound embedder cannot be had."""

    def of(self, kb: KnowledgeBase) -> Place:
        """Where a knowledge base's questions go."""
        ...

    def moved(self, kb: KnowledgeBase) -> KnowledgeBase | None:
        """The knowledge base as it is now, if its index has been switched since it was read."""
        ...

    def write(self, kb: KnowledgeBase, make: Callable[[Place], Sequence[Point]]) -> None:
        """Embed and store; made anew when the index is switched meanwhile."""
        ...

    def drop(self, address: Address) -> None:
        """Remove an index that nobody asks any more."""
        ...

    @property
    def engine(self) -> str:
        """The engine of indexes that are to come; "" when nobody needs to know."""
        ...


class FixedPlaces:
    """One index and one embedder for all knowledge bases."""

    engine = ""

    def __init__(self, index: VectorIndex, embedder: Embedder) -> None:
        self._index = index
        self._embedder = embedder

    def of(self, kb: KnowledgeBase) -> Place:
        """Where a knowledge base's questions go.

        Raises:
            IndexMismatch: its index was built with another embedder.
        """
        embedder = self._embedder
        if kb.embedding_model and (kb.embedding_model, kb.embedding_size) != (embedder.name, embedder.size):
            raise mismatch(kb, f"the settings name {embedder.name!r} ({embedder.size})")
        return Place(self._index, kb.id, embedder)

    def moved(self, kb: KnowledgeBase) -> KnowledgeBase | None:
        """Never."""
        return None

    def write(self, kb: KnowledgeBase, make: Callable[[Place], Sequence[Point]]) -> None:
        """Embed and store."""
        place = Place(self._index, kb.id, self._embedder)
        self._index.upsert(kb.id, make(place))

    def drop(self, address: Address) -> None:
        """Remove an index."""
        self._index.drop(address.space)


class BoundPlaces:
    """The index and the embedder that the catalog names for each knowledge base.

    embedders: gives an embedder by its name, the same one each time; raises SettingsError where it cannot be loaded.
    """

    def __init__(self, router: RoutedIndex, embedders: Callable[[str], Embedder]) -> None:
        self._router = router
        self._embedders = embedders

    @property
    def engine(self) -> str:
        """The engine of indexes that are to come."""
        return self._router.engine

    def named(self, model: str) -> Embedder:
        """An embedder by its name.

        Raises:
            SettingsError: it cannot be loaded.
        """
        return self._embedders(model)

    def at(self, address: Address) -> Place:
        """An index by its address.

        Raises:
            IndexMismatch: its embedder cannot be had.
        """
        return Place(self._router.at(address), address.space, self.embedder(address))

    def embedder(self, address: Address) -> Embedder:
        """What embeds for an index.

        Raises:
            IndexMismatch: it cannot be loaded, or makes vectors of another size.
        """
        try:
            embedder = self._embedders(address.model)
        except SettingsError as exc:
            raise IndexMismatch(
                f"the embedder {address.model!r} ({address.size} dimensions), which made these vectors, cannot be loaded "
                f"({exc})"
            ) from exc
        if embedder.size != address.size:
            raise IndexMismatch(
                f"the embedder {address.model!r} that made these vectors has {address.size} dimensions, the one of that name "
                f"here makes {embedder.size}: put the right model in its place"
            )
        return embedder

    def of(self, kb: KnowledgeBase) -> Place:
        """Where a knowledge base's questions go.

        Raises:
            IndexMismatch: its embedder cannot be had.
        """
        address = self._router.whole(kb.address)
        try:
            return self.at(address)
        except IndexMismatch as exc:
            raise IndexMismatch(
                f"knowledge base {kb.name!r} cannot be asked: {exc}. Make it available, or move the knowledge base to the "
                f"embedder of FRONTDESK_EMBEDDING_MODEL: frontdesk index migrate --kb {kb.name!r}"
            ) from exc

    def moved(self, kb: KnowledgeBase) -> KnowledgeBase | None:
        """The knowledge base as it is now, if its index has been switched since it was read."""
        return self._router.moved(kb)

    def write(self, kb: KnowledgeBase, make: Callable[[Place], Sequence[Point]]) -> None:
        """Embed and store; made anew when the index is switched meanwhile.

        Raises:
            IndexMismatch: the bound embedder cannot be had.
            IndexUnavailable: the engine does not answer.
        """
        while True:
            kb = self.moved(kb) or kb
            place = self.of(kb)
            points = make(place)
            # Embedding takes seconds, and nobody shall wait for it; whether the index is still the same is seen after it.
            with self._router.telling(kb.id, any_live(points)), self._router.holding(kb.id) as now:
                if now is None:
                    # Deleted meanwhile, with everything that would find these points.
                    return
                if now == self._router.whole(kb.address):
                    place.index.upsert(place.space, points)
                    return

    def drop(self, address: Address) -> None:
        """Remove an index that nobody asks any more."""
        self._router.at(address).drop(address.space)


def mismatch(kb: KnowledgeBase, but: str) -> IndexMismatch:
    """That a knowledge base cannot be asked with the embedder at hand."""
    return IndexMismatch(
        f"knowledge base {kb.name!r} was indexed with {kb.embedding_model!r} ({kb.embedding_size} dimensions), "
        f"but {but}: set FRONTDESK_EMBEDDING_MODEL back, or ingest the files into a new knowledge base"
    )


def still_answers(places: Places, kb: KnowledgeBase, exc: VectorIndexError) -> KnowledgeBase:
    """After a failure: the knowledge base as it is now, if its index was switched in the middle; else the failure.

    Raises:
        VectorIndexError: ``exc``, which has another cause.
    """
    now = places.moved(kb)
    if now is None:
        raise exc
    return now
