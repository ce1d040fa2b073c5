"""What an index engine must do; the contract tests in tests/integration/test_index_contract.py hold each engine to it.

A point is a chunk: id, dense vector (may be absent), sparse vector, payload. Payload fields that queries filter on:

    kb, tenant, acl[], version, generation, live (1 or 0: Edge 0.9 never matches a boolean), language, flags[],
    enabled (1 or 0), tags[], source, valid_from, valid_until (seconds since 1970; see ingest.records.Curation)

What a point does not carry hides it from nobody: points are written before anything is said of their document.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ingest.embed import Vectors
from ingest.schema import EVERYTHING, Filters, Principal
from ingest.sparse import SparseVector

DENSE = "dense"
SPARSE = "sparse"
KEYWORD_FIELDS = ("tenant", "acl", "version", "document", "language", "text_hash", "tags", "source", "flags")
INTEGER_FIELDS = ("generation", "live", "enabled", "valid_from", "valid_until")
_NAMESPACE = uuid.UUID("6f0d5f2e-3c1b-5a47-9d0e-1f7a6c2b8e90")


def chunk_id(version: str, generation: int, ordinal: int) -> str:
    """Id of a chunk: UUIDv5 of its writing and its place in it.

    Two writings of one version share no id: the same bytes received again, while they are live or being written, would
    else be written over the points that customers are answered from.
    """
    return str(uuid.uuid5(_NAMESPACE, f"{version}:{generation}:{ordinal}"))


def embed_hash(text: str) -> str:
    """What a vector was made of: a hash of the indexed text, exactly as the model read it."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(frozen=True, slots=True)
class Point:
    """A chunk on its way into the index; ``dense`` has shape (size,) or is None (it then has no dense vector)."""

    id: str
    sparse: SparseVector
    payload: dict[str, Any]
    dense: Vectors | None = None


@dataclass(frozen=True, slots=True)
class Hit:
    """A chunk that one leg found; the score is the leg's own (cosine, or BM25 with IDF)."""

    id: str
    score: float
    payload: dict[str, Any] = field(compare=False, repr=False)


def writing_of(payload: Mapping[str, Any]) -> tuple[str, int]:
    """The (version, generation) that a point belongs to."""
    return str(payload.get("version", "")), int(payload.get("generation", 0))


@dataclass(frozen=True, slots=True)
class LegHits:
    """What each leg found, best first; a leg that was not asked is empty."""

    dense: list[Hit]
    sparse: list[Hit]


class VectorIndex(Protocol):
    """A place for points. Methods block; ``knowledge_base`` is the catalog's id. All may be called twice.

    Raises (all methods):
        DataFolderBusy: another process owns the files (Edge).
        IndexUnavailable: the engine failed or does not answer.
    """

    engine: str

    def upsert(self, knowledge_base: str, points: Sequence[Point]) -> None:
        """Insert or replace points; the knowledge base's space is made when missing."""
        ...

    def count(self, knowledge_base: str, version: str | None = None, generation: int | None = None) -> int:
        """Exact number of points, hidden ones included; 0 when the knowledge base has no space yet."""
        ...

    def set_live(self, knowledge_base: str, version: str, generation: int) -> None:
        """Let queries see the points of one writing of a version."""
        ...

    def set_payload(self, knowledge_base: str, document: str, values: Mapping[str, Any]) -> None:
        """Write fields onto all points of a document, hidden ones included; its other fields stay."""
        ...

    def delete(self, knowledge_base: str, version: str, generation: int) -> None:
        """Remove the points of one writing of a version."""
        ...

    def drop(self, knowledge_base: str) -> None:
        """Remove everything of a knowledge base."""
        ...

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
        """Both legs in one round trip, live points that the principal may see; ``limit`` hits a leg.

        Points of documents that are disabled, out of their time, or not asked for are left out before the limit.

        at: seconds since 1970; now, when not given.
        """
        ...

    def fetch(
        self,
        knowledge_base: str,
        ids: Sequence[str],
        *,
        principal: Principal,
        filters: Filters = EVERYTHING,
        at: float | None = None,
    ) -> list[Hit]:
        """Those of some points that the same query could find, in no particular order, score 0; in one round trip."""
        ...

    def points(self, knowledge_base: str, version: str, generation: int) -> Iterator[Hit]:
        """All points of one writing of a version, in no particular order, score 0."""
        ...

    def payloads(
        self,
        knowledge_base: str,
        fields: Collection[str] | None = None,
        *,
        document: str | None = None,
        flag: str | None = None,
        live: bool = False,
    ) -> Iterator[Hit]:
        """Some payload fields (all, when none are named) of many points, in no particular order, score 0.

        document, flag: only points of this document, with this flag.
        live:           only points that queries may see.
        """
        ...

    def writings(self, knowledge_base: str, *, live: bool = False) -> Counter[tuple[str, int]]:
        """Number of points of each (version, generation).

        live: only those that queries may see; else hidden ones are included.
        """
        ...

    def vectors(self, knowledge_base: str, version: str, generation: int) -> dict[str, Vectors]:
        """Dense vectors of one writing of a version, shape (size,), by what they were made of (``embed_hash``)."""
        ...

    def optimize(self, knowledge_base: str) -> None:
        """Build what makes queries fast (HNSW); slow, never on the event loop."""
        ...

    def close(self) -> None:
        """Flush and let go of files and connections."""
        ...
