"""Haystack's components at their defaults: DocumentSplitter (200 words), document store in memory, embedding retriever."""

from __future__ import annotations

from pathlib import Path

from haystack import Document
from haystack.components.preprocessors import DocumentSplitter
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)

from benchmarks.peers import MOST, whole_text
from finetune.evaluate import DatasetDocument
from ingest.embed import packaged_model_folder


class Haystack:
    """A document store in memory."""

    def __init__(self, documents: list[DatasetDocument], _folder: Path) -> None:
        given = [Document(content=whole_text(d), meta={"doc_id": d.doc_id}) for d in documents]
        splitter = DocumentSplitter()
        splitter.warm_up()
        model = str(packaged_model_folder())
        embedder = SentenceTransformersDocumentEmbedder(model=model, progress_bar=False)
        embedder.warm_up()
        store = InMemoryDocumentStore()
        store.write_documents(embedder.run(splitter.run(given)["documents"])["documents"])
        self._embedder = SentenceTransformersTextEmbedder(model=model, progress_bar=False)
        self._embedder.warm_up()
        self._retriever = InMemoryEmbeddingRetriever(store, top_k=MOST)

    def find(self, question: str) -> list[tuple[str, float]]:
        """Document ids with similarities, best first."""
        found = self._retriever.run(self._embedder.run(question)["embedding"])["documents"]
        return [(str(document.meta["doc_id"]), float(document.score or 0)) for document in found]


build = Haystack
