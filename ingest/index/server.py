"""The production engine: a Qdrant server or cluster, one collection an embedder, tenants by payload index."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from time import time
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_after_delay

from ingest.embed import Vectors
from ingest.index.base import DENSE, SPARSE, Hit, LegHits, Point, writing_of
from ingest.index.server_layout import LINKS, field_indexes, quantized, search_params
from ingest.index.server_requests import may_pass, met, pause, reason, translated
from ingest.index.tuning import PLAIN, SINGLE, Cluster, Tuning
from ingest.schema import EVERYTHING, Filters, Principal
from ingest.sparse import SparseVector

if TYPE_CHECKING:
    from qdrant_client import QdrantClient, models

log = logging.getLogger(__name__)
_PAGE = 256
# Characters of a number in JSON, about.
_DIGITS = 22
T = TypeVar("T")


class ServerIndex:
    """Points of all knowledge bases in one collection; ``kb`` is the tenant field, sparse statistics are per ``kb``.

    The collection is named after the embedder, so that two embedders never share vectors.
    """

    engine = "server"

    def __init__(
        self,
        client: QdrantClient,
        model: str,
        size: int,
        tuning: Tuning = PLAIN,
        cluster: Cluster = SINGLE,
        timeout_s: float = 10.0,
    ) -> None:
        self._client = client
        self._size = size
        self._tuning = tuning
        self._cluster = cluster
        self._timeout_s = timeout_s
        digest = hashlib.sha256(model.encode()).hexdigest()[:12]
        self._collection = f"frontdesk_{digest}_{size}"
        self._ready = False

    def _ensure(self) -> None:
        if self._ready:
            return
        if not self._ask(lambda: self._client.collection_exists(self._collection)):
            self._create()
        # The tenant index must stand before the first upload: the server lays the data out by it.
        for name, schema in field_indexes().items():
            self._index_field(name, schema)
        self._ready = True

    def _create(self) -> None:
        from qdrant_client import models

        memory = models.Memory.COLD if self._tuning.on_disk else None
        vectors = models.VectorParams(
            size=self._size,
            distance=models.Distance.COSINE,
            hnsw_config=models.HnswConfigDiff(m=0, payload_m=LINKS, memory=memory),
            quantization_config=quantized(self._tuning),
            memory=memory,
        )
        index = models.SparseIndexParams(memory=memory) if memory is not None else None
        sparse = models.SparseVectorParams(modifier=models.Modifier.IDF, index=index)

        def create() -> None:
            # Another process, or an attempt whose answer was lost, may have been faster.
            if not self._client.collection_exists(self._collection):
                self._client.create_collection(
                    self._collection,
                    vectors_config={DENSE: vectors},
                    sparse_vectors_config={SPARSE: sparse},
                    shard_number=self._cluster.shards,
                    replication_factor=self._cluster.replicas,
                    write_consistency_factor=self._cluster.write_consistency,
                    on_disk_payload=True,
                )

        self._ask(create)

    def _index_field(self, name: str, schema: models.PayloadSchemaType | Any) -> None:
        import warnings

        with warnings.catch_warnings():
            # The in-memory client says that payload indexes do nothing there; it is used by tests only.
            warnings.filterwarnings("ignore", message="Payload indexes have no effect")
            self._ask(lambda: self._client.create_payload_index(self._collection, name, field_schema=schema, wait=True))

    def _ask(self, request: Callable[[], T]) -> T:
        """Send a request, again with growing pauses while it meets something that may pass; all may be sent twice.

        Raises:
            IndexUnavailable: it was refused, or nothing came of it in time.
        """
        cluster = self._cluster
        retrying = Retrying(
            retry=retry_if_exception(may_pass),
            stop=stop_after_attempt(cluster.tries) | stop_after_delay(self._timeout_s),
            wait=lambda state: pause(state, cluster),
            before_sleep=lambda state: log.warning("the Qdrant server is asked again: %s", reason(met(state))),
            reraise=True,
        )
        with translated():
            return retrying(request)

    def upsert(self, knowledge_base: str, points: Sequence[Point]) -> None:
        """Insert or replace points, in requests of bounded size, each acknowledged by the server."""
        from qdrant_client import models

        self._ensure()
        for part in _bounded(points, self._cluster.batch_bytes):
            batch = [_struct(point, knowledge_base) for point in part]

            def send(batch: list[models.PointStruct] = batch) -> None:
                self._client.upsert(self._collection, batch, wait=True, ordering=models.WriteOrdering.STRONG)

            self._ask(send)

    def count(self, knowledge_base: str, version: str | None = None, generation: int | None = None) -> int:
        """Exact number of points, hidden ones included."""
        self._ensure()
        wanted = _writing(knowledge_base, version, generation)
        return self._ask(lambda: self._client.count(self._collection, count_filter=wanted, exact=True).count)

    def set_live(self, knowledge_base: str, version: str, generation: int) -> None:
        """Let queries see the points of one writing of a version."""
        self._write_payload({"live": 1}, _writing(knowledge_base, version, generation))

    def set_payload(self, knowledge_base: str, document: str, values: Mapping[str, Any]) -> None:
        """Write fields onto all points of a document."""
        self._write_payload(dict(values), _points_of(knowledge_base, document=document))

    def _write_payload(self, values: dict[str, Any], wanted: models.Filter) -> None:
        self._ensure()
        self._ask(lambda: self._client.set_payload(self._collection, values, points=wanted, wait=True))

    def delete(self, knowledge_base: str, version: str, generation: int) -> None:
        """Remove the points of one writing of a version."""
        self._delete(_writing(knowledge_base, version, generation))

    def drop(self, knowledge_base: str) -> None:
        """Remove all points of a knowledge base."""
        self._delete(_writing(knowledge_base, None, None))

    def _delete(self, wanted: models.Filter) -> None:
        from qdrant_client import models

        self._ensure()
        selector = models.FilterSelector(filter=wanted)
        self._ask(lambda: self._client.delete(self._collection, selector, wait=True))

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
        """Both legs in one batch request."""
        from qdrant_client import models

        self._ensure()
        visible = _visible(knowledge_base, principal, filters, time() if at is None else at)
        requests = []
        if dense is not None:
            requests.append(
                models.QueryRequest(
                    query=dense.tolist(),
                    using=DENSE,
                    filter=visible,
                    limit=limit,
                    with_payload=True,
                    params=search_params(self._tuning),
                )
            )
        if sparse is not None and sparse.indices:
            corpus = models.Filter(must=[_equals("kb", knowledge_base)])
            requests.append(
                models.QueryRequest(
                    query=models.SparseVector(indices=sparse.indices, values=sparse.values),
                    using=SPARSE,
                    filter=visible,
                    limit=limit,
                    with_payload=True,
                    # A word that is rare in this knowledge base is rare, whatever its neighbours write about.
                    params=models.SearchParams(idf=models.IdfCorpusParams(corpus=corpus)),
                )
            )
        if not requests:
            return LegHits([], [])
        answers = self._ask(lambda: self._client.query_batch_points(self._collection, requests))
        found = [[Hit(str(p.id), float(p.score), p.payload or {}) for p in answer.points] for answer in answers]
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
        from qdrant_client import models

        visible = _visible(knowledge_base, principal, filters, time() if at is None else at)
        wanted = models.Filter(must=[models.HasIdCondition(has_id=list(ids)), visible])
        return [Hit(str(record.id), 0.0, record.payload or {}) for record in self._scroll(wanted)]

    def points(self, knowledge_base: str, version: str, generation: int) -> Iterator[Hit]:
        """All points of one writing of a version."""
        for record in self._scroll(_writing(knowledge_base, version, generation)):
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
        wanted = _points_of(knowledge_base, document=document, flags=flag, live=1 if live else None)
        for record in self._scroll(wanted, fields):
            yield Hit(str(record.id), 0.0, record.payload or {})

    def writings(self, knowledge_base: str, *, live: bool = False) -> Counter[tuple[str, int]]:
        """Number of points of each (version, generation)."""
        return Counter(
            writing_of(hit.payload) for hit in self.payloads(knowledge_base, ("version", "generation"), live=live)
        )

    def vectors(self, knowledge_base: str, version: str, generation: int) -> dict[str, Vectors]:
        """Dense vectors of one writing of a version, by what they were made of."""
        found: dict[str, Vectors] = {}
        for record in self._scroll(_writing(knowledge_base, version, generation), ("embed_hash",), vectors=True):
            made_of = (record.payload or {}).get("embed_hash")
            dense = record.vector.get(DENSE) if isinstance(record.vector, dict) else None
            if made_of and dense is not None:
                found[made_of] = np.asarray(dense, dtype=np.float32)
        return found

    def _scroll(
        self, wanted: models.Filter, fields: Collection[str] | None = None, *, vectors: bool = False
    ) -> Iterator[models.Record]:
        """Page through points; pages of a few small fields are longer."""
        self._ensure()
        offset: Any = None
        while True:

            def page_from(offset: Any = offset) -> tuple[list[models.Record], Any]:
                return self._client.scroll(
                    self._collection,
                    scroll_filter=wanted,
                    limit=_PAGE if fields is None or vectors else _PAGE * 8,
                    offset=offset,
                    with_payload=True if fields is None else list(fields),
                    with_vectors=[DENSE] if vectors else False,
                )

            page, offset = self._ask(page_from)
            yield from page
            if offset is None:
                return

    def optimize(self, knowledge_base: str) -> None:
        """Nothing to do: a server optimizes by itself."""

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


def connect(
    url: str,
    api_key: str | None,
    timeout_s: float,
    model: str,
    size: int,
    tuning: Tuning = PLAIN,
    cluster: Cluster = SINGLE,
) -> ServerIndex:
    """Connect to a Qdrant server.

    Raises:
        IndexUnavailable: the server does not answer.
    """
    from qdrant_client import QdrantClient

    with translated():
        client = QdrantClient(url=url, api_key=api_key, timeout=max(1, round(timeout_s)), check_compatibility=False)
        client.get_collections()
    return ServerIndex(client, model, size, tuning, cluster, timeout_s)


def _bounded(points: Sequence[Point], most: int) -> Iterator[list[Point]]:
    """Points in parts of about so many bytes, each of one point at least."""
    part: list[Point] = []
    held = 0
    for point in points:
        numbers = len(point.sparse.indices) * 2 + (len(point.dense) if point.dense is not None else 0)
        size = len(json.dumps(point.payload, default=str)) + numbers * _DIGITS
        if part and (held + size > most or len(part) == _PAGE):
            yield part
            part, held = [], 0
        part.append(point)
        held += size
    if part:
        yield part


def _struct(point: Point, knowledge_base: str) -> models.PointStruct:
    from qdrant_client import models

    vectors: dict[str, Any] = {}
    if point.sparse.indices:
        vectors[SPARSE] = models.SparseVector(indices=point.sparse.indices, values=point.sparse.values)
    if point.dense is not None:
        vectors[DENSE] = point.dense.tolist()
    return models.PointStruct(id=point.id, vector=vectors, payload={**point.payload, "kb": knowledge_base})


def _equals(key: str, value: str | int) -> models.FieldCondition:
    from qdrant_client import models

    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def _writing(knowledge_base: str, version: str | None, generation: int | None) -> models.Filter:
    if version is None or generation is None:
        return _points_of(knowledge_base)
    return _points_of(knowledge_base, version=version, generation=generation)


def _points_of(knowledge_base: str, **fields: str | int | None) -> models.Filter:
    from qdrant_client import models

    wanted = {"kb": knowledge_base, **fields}
    return models.Filter(must=[_equals(key, value) for key, value in wanted.items() if value is not None])


def _visible(knowledge_base: str, principal: Principal, filters: Filters, at: float) -> models.Filter:
    from qdrant_client import models

    must: list[models.Condition] = [
        _equals("kb", knowledge_base),
        _equals("live", 1),
        _equals("tenant", principal.tenant),
        models.FieldCondition(key="acl", match=models.MatchAny(any=sorted(principal.groups))),
    ]
    if filters.tags:
        must.append(models.FieldCondition(key="tags", match=models.MatchAny(any=list(filters.tags))))
    if filters.source:
        must.append(models.FieldCondition(key="source", match=models.MatchPrefix(prefix=filters.source)))
    hidden: list[models.Condition] = [
        _equals("enabled", 0),
        models.FieldCondition(key="valid_from", range=models.Range(gt=at)),
        models.FieldCondition(key="valid_until", range=models.Range(lte=at)),
    ]
    return models.Filter(must=must, must_not=hidden)
