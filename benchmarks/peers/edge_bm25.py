"""Bare BM25 of Qdrant Edge: its multilingual tokenizer and defaults, one point a document, nothing of ours."""

from __future__ import annotations

from pathlib import Path

import qdrant_edge as edge

from benchmarks.peers import MOST, whole_text
from finetune.evaluate import DatasetDocument


class EdgeBm25:
    """One shard of whole documents."""

    def __init__(self, documents: list[DatasetDocument], folder: Path) -> None:
        self._documents = documents
        self._bm25 = edge.Bm25(edge.Bm25Config(tokenizer=edge.TokenizerType.Multilingual))
        sparse = {"text": edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)}
        self._shard = edge.EdgeShard.create(str(folder), edge.EdgeConfig(sparse_vectors=sparse))
        points = [
            edge.Point(n, {"text": self._bm25.embed_document(whole_text(d))}, {}) for n, d in enumerate(documents)
        ]
        self._shard.update(edge.UpdateOperation.upsert_points(points))

    def find(self, question: str) -> list[tuple[str, float]]:
        """Document ids with BM25 scores, best first."""
        query = self._bm25.embed_query(question)
        if not query.indices:
            return []
        request = edge.QueryRequest(limit=MOST, query=edge.Query.Nearest(query, using="text"))
        found = self._shard.query(request)
        return [(self._documents[int(str(point.id))].doc_id, float(point.score)) for point in found]


build = EdgeBm25
