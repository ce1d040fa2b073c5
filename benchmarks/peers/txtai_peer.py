"""txtai's hybrid index at its defaults: dense vectors in Faiss and BM25, convex combination, one text a document."""

from __future__ import annotations

from pathlib import Path

from txtai import Embeddings

from benchmarks.peers import MOST, whole_text
from finetune.evaluate import DatasetDocument
from ingest.embed import packaged_model_folder


class Txtai:
    """One embeddings index."""

    def __init__(self, documents: list[DatasetDocument], _folder: Path) -> None:
        self._index = Embeddings(path=str(packaged_model_folder()), hybrid=True)
        self._index.index([(d.doc_id, whole_text(d), None) for d in documents])

    def find(self, question: str) -> list[tuple[str, float]]:
        """Document ids with fused scores, best first."""
        return [(str(doc_id), float(score)) for doc_id, score in self._index.search(question, MOST)]


build = Txtai
