"""LlamaIndex's starter: VectorStoreIndex.from_documents (sentence splitter, 1,024 tokens) with HuggingFaceEmbedding."""

from __future__ import annotations

from pathlib import Path

from llama_index.core import Document, VectorStoreIndex
from llama_index.embeddings.huggingface import HuggingFaceEmbedding

from benchmarks.peers import MOST, whole_text
from finetune.evaluate import DatasetDocument
from ingest.embed import packaged_model_folder


class LlamaIndex:
    """A vector index in memory."""

    def __init__(self, documents: list[DatasetDocument], _folder: Path) -> None:
        embedder = HuggingFaceEmbedding(model_name=str(packaged_model_folder()), device="cpu")
        # No metadata: LlamaIndex would write them into the text that is embedded.
        given = [Document(id_=d.doc_id, text=whole_text(d)) for d in documents]
        index = VectorStoreIndex.from_documents(given, embed_model=embedder)
        self._retriever = index.as_retriever(similarity_top_k=MOST)

    def find(self, question: str) -> list[tuple[str, float]]:
        """Document ids with cosine similarities, best first."""
        found = self._retriever.retrieve(question)
        return [(str(hit.node.ref_doc_id), float(hit.score or 0)) for hit in found]


build = LlamaIndex
