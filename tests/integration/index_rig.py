"""Points, and questions to an index, for the tests of the engines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ingest.index.base import Hit, Point, VectorIndex, chunk_id
from ingest.index.edge import EdgeIndex
from ingest.schema import PUBLIC, Principal
from ingest.sparse import SparseEncoder
from tests.fakes import HashEmbedder

SIZE = 64
EMBEDDER = HashEmbedder(size=SIZE)
ENCODER = SparseEncoder()


def edge(folder: Path) -> VectorIndex:
    return EdgeIndex(folder / "index", SIZE)


def point(text: str, version: str = "v", ordinal: int = 0, generation: int = 1, **payload: Any) -> Point:
    without_dense = payload.pop("without_dense", False)
    return Point(
        id=chunk_id(version, generation, ordinal),
        sparse=ENCODER.encode_document(text),
        dense=None if without_dense else EMBEDDER.embed_query(text),
        payload={
            "tenant": "default",
            "acl": ["public"],
            "document": "a.txt",
            "version": version,
            "generation": generation,
            "live": 1,
            "language": "en",
            "text": text,
            "pages": [1, 2],
            "sheet": None,
            **payload,
        },
    )


def dense(
    index: VectorIndex, question: str, kb: str = "kb", principal: Principal = PUBLIC, limit: int = 9
) -> list[Hit]:
    vector = EMBEDDER.embed_query(question)
    return index.search(kb, dense=vector, sparse=None, principal=principal, limit=limit).dense


def sparse(
    index: VectorIndex, question: str, kb: str = "kb", principal: Principal = PUBLIC, limit: int = 9
) -> list[Hit]:
    weights = ENCODER.encode_query(question)
    return index.search(kb, dense=None, sparse=weights, principal=principal, limit=limit).sparse


def texts(hits: list[Hit]) -> list[str]:
    return [hit.payload["text"] for hit in hits]
