"""Other systems' retrieval at their defaults, for benchmarks/retrieval.py: a small module each, loaded in a process of its own.

Every system gets the same text of a document (title, line break, text), the same packaged embedder where it embeds, and is
asked for its 50 best passages; documents are ranked by their best passage. Nothing else is set.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from finetune.evaluate import DatasetDocument

# Passages asked for: enough for twenty documents, the same for everybody.
MOST = 50


def whole_text(document: DatasetDocument) -> str:
    """What every system is given of a document."""
    return f"{document.title}\n{document.text}" if document.title else document.text


def run_file(runs: Path, dataset: str, system: str) -> Path:
    """Where the rankings of a system on a set are kept."""
    return runs / dataset / f"{'-'.join(re.findall('[a-z0-9]+', system.lower()))}.jsonl"


class Peer(Protocol):
    """A system that was given a dataset's documents."""

    def find(self, question: str) -> Sequence[tuple[str, float]]:
        """Document ids with scores, best first; a document may come several times."""
        ...


@dataclass(frozen=True, slots=True)
class Entry:
    """A system as the table names it.

    module: below benchmarks.peers; has ``build(documents, folder)``.
    needs: distributions that must be there, their versions are reported.
    dense: it embeds.
    sparse: it matches words.
    """

    name: str
    module: str
    needs: tuple[str, ...]
    dense: bool = False
    sparse: bool = False


PEERS = (
    Entry(
        "LangChain",
        "langchain_peer",
        ("langchain-core", "langchain-text-splitters", "langchain-huggingface", "langchain-qdrant", "qdrant-client"),
        dense=True,
    ),
    Entry("LlamaIndex", "llama_index_peer", ("llama-index-core", "llama-index-embeddings-huggingface"), dense=True),
    Entry("Haystack", "haystack_peer", ("haystack-ai", "sentence-transformers-haystack"), dense=True),
    Entry("txtai", "txtai_peer", ("txtai", "faiss-cpu"), dense=True, sparse=True),
    Entry("bm25s + jieba", "bm25s_peer", ("bm25s", "jieba", "pystemmer"), sparse=True),
    Entry("Edge BM25", "edge_bm25", ("qdrant-edge-py",), sparse=True),
)
