"""LangChain as its tutorials build it: RecursiveCharacterTextSplitter 1000/200, HuggingFaceEmbeddings, Qdrant in memory."""

from __future__ import annotations

from pathlib import Path

from langchain_core.documents import Document
from langchain_huggingface import HuggingFaceEmbeddings
from langchain_qdrant import QdrantVectorStore
from langchain_text_splitters import RecursiveCharacterTextSplitter

from benchmarks.peers import MOST, whole_text
from finetune.evaluate import DatasetDocument
from ingest.embed import packaged_model_folder


class LangChain:
    """A Qdrant vector store of chunks."""

    def __init__(self, documents: list[DatasetDocument], _folder: Path) -> None:
        splitter = RecursiveCharacterTextSplitter(chunk_size=1000, chunk_overlap=200)
        chunks = splitter.split_documents([Document(whole_text(d), metadata={"doc_id": d.doc_id}) for d in documents])
        embeddings = HuggingFaceEmbeddings(model_name=str(packaged_model_folder()))
        self._store = QdrantVectorStore.from_documents(
            chunks, embeddings, location=":memory:", collection_name="benchmark"
        )

    def find(self, question: str) -> list[tuple[str, float]]:
        """Document ids with cosine similarities, best first."""
        found = self._store.similarity_search_with_score(question, k=MOST)
        return [(str(document.metadata["doc_id"]), score) for document, score in found]


build = LangChain
