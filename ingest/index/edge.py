"""The embedded engine: Qdrant Edge, one shard a knowledge base, opened on demand."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import time
from typing import Any

import numpy as np
import qdrant_edge as edge

from ingest.embed import Vectors
from ingest.errors import DataFolderBusy, IndexUnavailable
from ingest.index.base import DENSE, SPARSE, Hit, LegHits, Point, writing_of
from ingest.index.edge_layout import check_size, index_fields, search_params, shard_config
from ingest.index.tuning import PLAIN, Tuning
from ingest.index.warm import read_ahead
from ingest.schema import EVERYTHING, Filters, Principal
from ingest.sparse import SparseVector

_SCROLL_PAGE = 512
_LONGEST_CALL_S = 60.0
# Points that are optimized in some tens of milliseconds: there is hardly a graph to build.
IN_PASSING = 2_000
_OPTIMIZE = """
import os, sys
import qdrant_edge
os.nice(10)
shard = qdrant_edge.EdgeShard.load(sys.argv[1])
shard.optimize()
shard.flush()
shard.close()
"""


class EdgeIndex:
    """Shards under one folder. One process owns them; threads may share this object.

    size:        dimension of the dense vectors.
    open_shards: shards kept open (least recently used are closed); each holds files and memory maps.
    tuning:      a shard that was made with another is searched as it is until it is optimized the next time.
    """

    engine = "edge"

    def __init__(self, folder: Path, size: int, open_shards: int = 64, tuning: Tuning = PLAIN) -> None:
        self._folder = folder
        self._size = size
        self._tuning = tuning
        self._capacity = open_shards
        self._shards: OrderedDict[str, edge.EdgeShard] = OrderedDict()
        self._users: dict[str, int] = {}
        self._lock = threading.Lock()
        self._returned = threading.Condition(self._lock)
        # Shards that another process has open for us.
        self._away: set[str] = set()

    @contextmanager
    def _shard(self, knowledge_base: str, create: bool = False) -> Iterator[edge.EdgeShard | None]:
        """Lend a shard; one that is lent is never closed under its user. None when there is none yet."""
        with self._lock:
            self._returned.wait_for(lambda: knowledge_base not in self._away)
            shard = self._shards.get(knowledge_base) or self._open(knowledge_base, create)
            if shard is not None:
                self._shards[knowledge_base] = shard
                self._shards.move_to_end(knowledge_base)
                self._users[knowledge_base] = self._users.get(knowledge_base, 0) + 1
                self._close_idle()
        if shard is None:
            yield None
            return
        try:
            with _translated(knowledge_base):
                yield shard
        finally:
            with self._lock:
                if knowledge_base in self._users:
                    self._users[knowledge_base] -= 1
                self._returned.notify_all()

    def _open(self, knowledge_base: str, create: bool) -> edge.EdgeShard | None:
        path = self._folder / knowledge_base
        with _translated(knowledge_base):
            if (path / "edge_config.json").exists():
                check_size(path / "edge_config.json", knowledge_base, self._size)
                shard = edge.EdgeShard.load(str(path), shard_config(self._size, self._tuning))
                index_fields(shard)
                if not self._tuning.on_disk:
                    read_ahead(path)
                return shard
            if not create:
                return None
            # A folder without its configuration is a creation that was cut off: nothing was accepted into it.
            shutil.rmtree(path, ignore_errors=True)
            path.parent.mkdir(parents=True, exist_ok=True)
            shard = edge.EdgeShard.create(str(path), shard_config(self._size, self._tuning))
            index_fields(shard)
            return shard

    def _close_idle(self) -> None:
        for name in list(self._shards):
            if len(self._shards) <= self._capacity:
                return
            if not self._users.get(name):
                self._shards.pop(name).close()

    def upsert(self, knowledge_base: str, points: Sequence[Point]) -> None:
        """Insert or replace points; a restart finds them (write-ahead log)."""
        with self._shard(knowledge_base, create=True) as shard:
            if shard is not None and points:
                shard.update(edge.UpdateOperation.upsert_points([_edge_point(point) for point in points]))

    def count(self, knowledge_base: str, version: str | None = None, generation: int | None = None) -> int:
        """Exact number of points, hidden ones included."""
        with self._shard(knowledge_base) as shard:
            if shard is None:
                return 0
            wanted = _writing(version, generation) if version is not None and generation is not None else None
            return int(shard.count(edge.CountRequest(exact=True, filter=wanted)))

    def set_live(self, knowledge_base: str, version: str, generation: int) -> None:
        """Let queries see the points of one writing of a version."""
        with self._shard(knowledge_base) as shard:
            if shard is not None:
                shard.update(edge.UpdateOperation.set_payload_by_filter(_writing(version, generation), {"live": 1}))

    def set_payload(self, knowledge_base: str, document: str, values: Mapping[str, Any]) -> None:
        """Write fields onto all points of a document."""
        with self._shard(knowledge_base) as shard:
            if shard is not None:
                of_document = edge.Filter(must=[_equals("document", document)])
                shard.update(edge.UpdateOperation.set_payload_by_filter(of_document, dict(values)))

    def delete(self, knowledge_base: str, version: str, generation: int) -> None:
        """Remove the points of one writing of a version."""
        with self._shard(knowledge_base) as shard:
            if shard is not None:
                shard.update(edge.UpdateOperation.delete_points_by_filter(_writing(version, generation)))

    def drop(self, knowledge_base: str) -> None:
        """Remove the knowledge base's shard from the disk."""
        with self._lock:
            # Questions that began before it was to go are answered first.
            self._returned.wait_for(lambda: knowledge_base not in self._away)
            self._returned.wait_for(lambda: not self._users.get(knowledge_base), _LONGEST_CALL_S)
            shard = self._shards.pop(knowledge_base, None)
            if shard is not None:
                shard.close()
            self._users.pop(knowledge_base, None)
            shutil.rmtree(self._folder / knowledge_base, ignore_errors=True)

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
        """Both legs as one planned batch."""
        visible = _visible(principal, filters, time() if at is None else at)
        queries: list[edge.Query] = []
        if dense is not None:
            queries.append(edge.Query.Nearest(dense.tolist(), using=DENSE))
        if sparse is not None and sparse.indices:
            queries.append(edge.Query.Nearest(edge.SparseVector(sparse.indices, sparse.values), using=SPARSE))
        with self._shard(knowledge_base) as shard:
            if shard is None or not queries:
                return LegHits([], [])
            params = search_params(self._tuning)
            requests = [
                edge.QueryRequest(limit=limit, query=q, filter=visible, with_payload=True, params=params)
                for q in queries
            ]
            found = [[_hit(point) for point in leg] for leg in shard.query_batch(edge.QueryBatchRequest(requests))]
        return LegHits(found.pop(0) if dense is not None else [], found.pop(0) if found else [])

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
        if not ids:
            return []
        visible = _visible(principal, filters, time() if at is None else at)
        wanted = edge.Filter(must=[edge.HasIdCondition(set(ids)), visible])
        return [Hit(str(record.id), 0.0, record.payload or {}) for record in self._scroll(knowledge_base, wanted)]

    def points(self, knowledge_base: str, version: str, generation: int) -> Iterator[Hit]:
        """All points of one writing of a version."""
        for record in self._scroll(knowledge_base, _writing(version, generation)):
            yield Hit(str(record.id), 0.0, record.payload or {})

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
        asked = {"document": document, "flags": flag, "live": 1 if live else None}
        wanted = edge.Filter(must=[_equals(key, value) for key, value in asked.items() if value is not None])
        for record in self._scroll(knowledge_base, wanted, fields):
            yield Hit(str(record.id), 0.0, record.payload or {})

    def writings(self, knowledge_base: str, *, live: bool = False) -> Counter[tuple[str, int]]:
        """Number of points of each (version, generation)."""
        return Counter(
            writing_of(hit.payload) for hit in self.payloads(knowledge_base, ("version", "generation"), live=live)
        )

    def vectors(self, knowledge_base: str, version: str, generation: int) -> dict[str, Vectors]:
        """Dense vectors of one writing of a version, by what they were made of."""
        found: dict[str, Vectors] = {}
        for record in self._scroll(knowledge_base, _writing(version, generation), ("embed_hash",), vectors=True):
            dense = record.vector.get(DENSE) if isinstance(record.vector, dict) else None
            made_of = (record.payload or {}).get("embed_hash")
            if made_of and dense is not None:
                found[made_of] = np.asarray(dense, dtype=np.float32)
        return found

    def _scroll(
        self,
        knowledge_base: str,
        wanted: edge.Filter,
        fields: Collection[str] | None = None,
        *,
        vectors: bool = False,
    ) -> Iterator[edge.Record]:
        """Page through points; the shard is free between two pages."""
        offset = None
        while True:
            with self._shard(knowledge_base) as shard:
                if shard is None:
                    return
                page, offset = shard.scroll(
                    edge.ScrollRequest(
                        offset=offset,
                        # Pages of a few small fields may be longer.
                        limit=_SCROLL_PAGE if fields is None or vectors else _SCROLL_PAGE * 8,
                        filter=wanted,
                        with_payload=True if fields is None else edge.PayloadSelector.Include(list(fields)),
                        with_vector=[DENSE] if vectors else None,
                    )
                )
            yield from page
            if offset is None:
                return

    def optimize(self, knowledge_base: str) -> None:
        """Build the HNSW graph and merge segments; calls for this knowledge base wait, all others go on.

        Edge holds Python's lock while it does so: of more than a few points, it is done in a process of its own.

        Raises:
            IndexUnavailable: that process failed; the shard is as it was.
        """
        with self._shard(knowledge_base) as shard:
            if shard is None:
                return
            if shard.count(edge.CountRequest(exact=False)) < IN_PASSING:
                shard.optimize()
                return
        with self._lock:
            self._returned.wait_for(lambda: not self._users.get(knowledge_base) and knowledge_base not in self._away)
            open_shard = self._shards.pop(knowledge_base, None)
            if open_shard is not None:
                open_shard.flush()
                open_shard.close()
            self._away.add(knowledge_base)
        try:
            # Our own interpreter on our own folder.
            done = subprocess.run(  # noqa: S603
                [sys.executable, "-c", _OPTIMIZE, str(self._folder / knowledge_base)],
                capture_output=True,
                text=True,
                check=False,
            )
        finally:
            with self._lock:
                self._away.discard(knowledge_base)
                self._returned.notify_all()
        if done.returncode:
            said = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
            raise IndexUnavailable(f"the index of knowledge base {knowledge_base} could not be optimized: {said}")

    def copy(self, knowledge_base: str, space: str) -> None:
        """Copy a shard's files under another name; the caller sees to it that nothing is written meanwhile."""
        target, part = self._folder / space, self._folder / f"{space}.part"
        with self._shard(knowledge_base) as shard:
            if shard is None or target.exists():
                return
            shard.flush()
            shutil.rmtree(part, ignore_errors=True)
            shutil.copytree(self._folder / knowledge_base, part)
            part.rename(target)

    def close(self) -> None:
        """Flush and close every shard."""
        with self._lock:
            while self._shards:
                _, shard = self._shards.popitem()
                shard.flush()
                shard.close()


def _edge_point(point: Point) -> edge.Point:
    vectors: dict[str, edge.NamedVector] = {}
    if point.sparse.indices:
        vectors[SPARSE] = edge.SparseVector(point.sparse.indices, point.sparse.values)
    if point.dense is not None:
        vectors[DENSE] = point.dense.tolist()
    return edge.Point(point.id, vectors, point.payload)


def _hit(point: edge.ScoredPoint) -> Hit:
    return Hit(str(point.id), float(point.score), point.payload or {})


def _equals(key: str, value: str | int) -> edge.FieldCondition:
    return edge.FieldCondition(key, match=edge.MatchValue(value))


def _writing(version: str | None, generation: int | None) -> edge.Filter:
    return edge.Filter(must=[_equals("version", version or ""), _equals("generation", generation or 0)])


def _visible(principal: Principal, filters: Filters, at: float) -> edge.Filter:
    must = [
        _equals("live", 1),
        _equals("tenant", principal.tenant),
        edge.FieldCondition("acl", match=edge.MatchAny(sorted(principal.groups))),
    ]
    if filters.tags:
        must.append(edge.FieldCondition("tags", match=edge.MatchAny(list(filters.tags))))
    if filters.source:
        must.append(edge.FieldCondition("source", match=edge.MatchPrefix(filters.source)))
    hidden = [
        _equals("enabled", 0),
        edge.FieldCondition("valid_from", range=edge.RangeFloat(gt=at)),
        edge.FieldCondition("valid_until", range=edge.RangeFloat(lte=at)),
    ]
    return edge.Filter(must=[*must], must_not=[*hidden])


@contextmanager
def _translated(knowledge_base: str) -> Iterator[None]:
    """Edge raises plain ``Exception``; tell the lock from the rest by its words."""
    try:
        yield
    except Exception as exc:
        if type(exc) is not Exception:
            raise
        if "WouldBlock" in str(exc):
            raise DataFolderBusy(
                "another frontdesk process has this index open: stop it, or give this one its own FRONTDESK_HOME"
            ) from exc
        raise IndexUnavailable(f"the index of knowledge base {knowledge_base} failed: {exc}") from exc
