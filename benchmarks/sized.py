"""Corpora of any size for measuring: real passages with real vectors, beyond them the same with noise.

The noise has a standard deviation of .03 a dimension (cosine to the original about .86); texts are those of the originals.
So latency, size and memory mean something, recall says how well the graph finds what exact search finds, and nothing says
how well questions are answered. Questions are real (squad2) with real vectors.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ingest.chunk import chunk_document
from ingest.embed import LocalEmbedder, Vectors, load_embedder
from ingest.index.base import Point, chunk_id
from ingest.schema import Element, ElementKind, ParsedDocument
from ingest.settings import IngestSettings
from ingest.sparse import SparseEncoder, SparseVector

BATCH = 1_000
NOISE = 0.03
Query = tuple[Vectors, SparseVector]


def texts(data: Path) -> list[tuple[str, str]]:
    """(title, text) of English documents of the measuring data."""
    found: list[tuple[str, str]] = []
    for name in ("squad2", "xquad_en_zh"):
        for row in map(json.loads, (data / name / "documents.jsonl").open(encoding="utf-8")):
            found.append((row["title"], row.get("text") or row["text_en"]))
    for folder in ("gitlab_handbook_qa/documents", "dify_docs_en_zh/en"):
        found += [(path.stem, path.read_text(encoding="utf-8")) for path in sorted((data / folder).rglob("*.md"))]
    for row in map(json.loads, (data / "dstc11_track5/knowledge.jsonl").open(encoding="utf-8")):
        said = row.get("answer") or " ".join(map(str, row.get("sentences", [])))
        found.append((row["entity"], f"{row.get('question') or ''} {said}"))
    for row in map(json.loads, (data / "mtrag_un/tasks.jsonl").open(encoding="utf-8")):
        found += [("", context["text"]) for context in row["contexts"]]
    return found


def prepare(data: Path, folder: Path, count: int, questions: int) -> None:
    """Chunk and embed real passages and questions once for all rows."""
    embedder: LocalEmbedder = load_embedder(IngestSettings(), for_documents=True)
    indexed: list[str] = []
    for title, text in texts(data):
        elements = tuple(Element(ElementKind.PARAGRAPH, part) for part in text.split("\n\n") if part.strip())
        for chunk in chunk_document(ParsedDocument("txt", elements), title, 160, embedder.count_tokens):
            indexed.append(chunk.indexed_text(title))
        if len(indexed) >= count:
            break
    np.save(folder / "vectors.npy", embedder.embed_documents(indexed[:count]))
    (folder / "texts.json").write_text(json.dumps(indexed[:count]), encoding="utf-8")
    asked = [row["question"] for row in map(json.loads, (data / "squad2/questions.jsonl").open(encoding="utf-8"))]
    asked = asked[:: max(1, len(asked) // questions)][:questions]
    np.save(folder / "questions.npy", embedder.embed_queries(asked))
    (folder / "questions.json").write_text(json.dumps(asked), encoding="utf-8")


class Corpus:
    """Prepared vectors and texts, continued with noise; the same for the same number, whoever asks."""

    def __init__(self, folder: Path) -> None:
        self._texts: list[str] = json.loads((folder / "texts.json").read_text(encoding="utf-8"))
        self._vectors: Vectors = np.load(folder / "vectors.npy")
        encoder = SparseEncoder()
        self._sparse = [encoder.encode_document(text) for text in self._texts]
        asked = json.loads((folder / "questions.json").read_text(encoding="utf-8"))
        found: Vectors = np.load(folder / "questions.npy")
        self.questions: list[str] = asked
        self.queries: list[Query] = [(v, encoder.encode_query(q)) for v, q in zip(found, asked, strict=True)]

    def vectors(self, start: int, count: int) -> Vectors:
        """Vectors from a number on, shape (count, size)."""
        numbers = np.arange(start, start + count)
        real: Vectors = self._vectors[numbers % len(self._texts)].astype(np.float32)
        noise = np.random.default_rng(start).normal(0, NOISE, real.shape).astype(np.float32)
        noise[numbers < len(self._texts)] = 0
        noisy = real + noise
        return np.asarray(noisy / np.linalg.norm(noisy, axis=1, keepdims=True), dtype=np.float32)

    def points(self, start: int, count: int, version: str = "v") -> list[Point]:
        """Points from a number on; every tenth and every thousandth has a tag."""
        made = []
        for n, vector in zip(range(start, start + count), self.vectors(start, count), strict=True):
            text = self._texts[n % len(self._texts)]
            tags = [*(["tenth"] if n % 10 == 3 else []), *(["thousandth"] if n % 1000 == 7 else [])]
            payload: dict[str, Any] = {
                "tenant": "default", "acl": ["public"], "document": f"{n // 100}.txt", "title": "", "version": version,
                "generation": 1, "live": 1, "ordinal": n, "text": text, "heading_path": [], "pages": [], "sheet": None,
                "language": "en", "tags": tags,
            }  # fmt: skip
            made.append(Point(chunk_id(version, 1, n), self._sparse[n % len(self._texts)], payload, vector))
        return made

    def exact(self, size: int, keep: Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]) -> list[set[int]]:
        """The ten nearest of each question by looking at all vectors that a filter keeps."""
        asked = np.stack([vector for vector, _ in self.queries])
        best = np.zeros((len(asked), 0), dtype=np.float32)
        numbers = np.zeros((len(asked), 0), dtype=np.int64)
        for start in range(0, size, BATCH):
            count = min(BATCH, size - start)
            own = np.arange(start, start + count)
            kept = keep(own)
            scores = asked @ self.vectors(start, count)[kept].T
            best = np.hstack([best, scores])
            numbers = np.hstack([numbers, np.broadcast_to(own[kept], scores.shape)])
            order = np.argsort(-best, axis=1)[:, :10]
            best, numbers = np.take_along_axis(best, order, 1), np.take_along_axis(numbers, order, 1)
        return [set(map(int, row)) for row in numbers]
