"""Retrieval latency by stage, index size and memory at 1k, 10k and 100k chunks in Qdrant Edge.

    python benchmarks/latency.py DATA [--sizes 1000 10000 100000] [--questions 200]

Up to 10,000 chunks are real text with real vectors (English sets and documentation of DATA). Beyond that the same
texts are repeated with noise on their vectors: good for latency, size and memory, meaningless for quality. Each size
runs in a process of its own, so that its peak memory is its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from app.rag.answerable import AnswerabilityJudge
from app.rag.retrieve import HybridSearch
from ingest.catalog import Catalog
from ingest.chunk import chunk_document
from ingest.database import open_database
from ingest.embed import SentenceTransformerEmbedder
from ingest.index.base import Point, chunk_id
from ingest.index.edge import EdgeIndex
from ingest.schema import Element, ElementKind, ParsedDocument
from ingest.sparse import SparseEncoder

REAL = 10_000
BATCH = 2_000


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


def prepare(data: Path, folder: Path, count: int) -> None:
    """Chunk and embed real texts once for all sizes."""
    embedder = SentenceTransformerEmbedder("packaged")
    chunks: list[dict[str, Any]] = []
    for title, text in texts(data):
        elements = tuple(Element(ElementKind.PARAGRAPH, part) for part in text.split("\n\n") if part.strip())
        for chunk in chunk_document(ParsedDocument("txt", elements), title, 160, embedder.count_tokens):
            chunks.append({"title": title, "text": chunk.text, "indexed": chunk.indexed_text(title)})
        if len(chunks) >= count:
            break
    chunks = chunks[:count]
    vectors = embedder.embed_documents([chunk["indexed"] for chunk in chunks])
    np.save(folder / "vectors.npy", vectors)
    (folder / "chunks.json").write_text(json.dumps(chunks), encoding="utf-8")


def measure(data: Path, folder: Path, size: int, questions: int) -> None:
    """Build one index and time the stages; prints a row."""
    chunks = json.loads((folder / "chunks.json").read_text(encoding="utf-8"))
    vectors = np.load(folder / "vectors.npy")
    embedder = SentenceTransformerEmbedder("packaged")
    sparse = SparseEncoder()
    home = folder / f"index-{size}"
    catalog = Catalog(open_database(f"sqlite:///{home}/catalog.db"))
    kb = catalog.create_knowledge_base("latency")
    version = catalog.begin_version(kb, "all", "0" * 64, "", 0)
    assert version is not None
    index = EdgeIndex(home / "index", embedder.size)
    noise = np.random.default_rng(0)
    started = time.perf_counter()
    for start in range(0, size, BATCH):
        points = []
        for n in range(start, min(start + BATCH, size)):
            chunk, vector = chunks[n % len(chunks)], vectors[n % len(chunks)]
            if n >= len(chunks):
                vector = vector + noise.normal(0, 0.03, vector.shape).astype(np.float32)
                vector /= np.linalg.norm(vector)
            payload = {
                "tenant": kb.tenant, "acl": ["public"], "document": "all", "title": chunk["title"], "version": version.id,
                "generation": version.generation, "live": 1, "ordinal": n, "text": chunk["text"], "heading_path": [],
                "pages": [], "sheet": None, "language": "en", "tokens": 0, "text_hash": str(n),
            }  # fmt: skip
            points.append(
                Point(
                    chunk_id(version.id, version.generation, n),
                    sparse.encode_document(chunk["indexed"]),
                    payload,
                    vector,
                )
            )
        index.upsert(kb.id, points)
    built = time.perf_counter() - started
    started = time.perf_counter()
    index.optimize(kb.id)
    optimized = time.perf_counter() - started
    catalog.publish(version, title="", format="txt", pages=None, chunks=size)
    search, judge = HybridSearch(index, catalog, embedder, sparse), AnswerabilityJudge(embedder)
    asked = [row["question"] for row in map(json.loads, (data / "squad2/questions.jsonl").open(encoding="utf-8"))]
    stages: dict[str, list[float]] = {"embed": [], "search": [], "judge": []}
    for question in asked[:: max(1, len(asked) // questions)][:questions]:
        found = search.search(kb, question)
        clock = time.perf_counter()
        judge.judge(question, found, found.passages(5))
        stages["judge"].append(1e3 * (time.perf_counter() - clock))
        stages["embed"].append(found.timings_ms["embed"])
        stages["search"].append(found.timings_ms["search"])
    retrieval = [e + s for e, s in zip(stages["embed"], stages["search"], strict=True)]
    p50 = {name: statistics.median(values) for name, values in stages.items()}
    p99 = sorted(retrieval)[int(len(retrieval) * 0.99)]
    index.close()
    disk = sum(path.stat().st_blocks * 512 for path in (home / "index").rglob("*") if path.is_file()) / 2**20
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"{size:8} {built:8.1f} {optimized:8.1f} {statistics.median(retrieval):8.1f} {p99:8.1f} {p50['embed']:8.1f} "
        f"{p50['search']:8.1f} {p50['judge']:8.1f} {disk:8.0f} {peak:8.0f}",
        flush=True,
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[1_000, 10_000, 100_000])
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: no measuring data at {arguments.data}")
        return 0
    if arguments.folder:
        measure(arguments.data, arguments.folder, arguments.sizes[0], arguments.questions)
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(arguments.data, folder, min(REAL, max(arguments.sizes)))
        real = len(np.load(folder / "vectors.npy", mmap_mode="r"))
        print(f"{real} real chunks with real vectors; beyond them repeated texts, vectors with noise: for latency only")
        print("  chunks  write s  optim. s  p50 ms   p99 ms  embed    search    judge  disk MiB  peak MiB", flush=True)
        for size in arguments.sizes:
            command = [sys.executable, __file__, str(arguments.data), "--folder", str(folder)]
            command += ["--sizes", str(size), "--questions", str(arguments.questions)]
            subprocess.run(command, check=True, env=os.environ)
    return 0


if __name__ == "__main__":
    sys.exit(main())
