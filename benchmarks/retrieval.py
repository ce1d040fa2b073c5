"""Retrieval on every measuring set: bare BM25 of Qdrant Edge over whole documents against frontdesk, in one run.

    python benchmarks/retrieval.py DATA [--sets squad2 cmrc2018 ...] [--limit 1000]

DATA holds the sets as published (see benchmarks/datasets.py). The bare line is Edge's own multilingual BM25 with its
defaults over title and text, one point a document. frontdesk runs `eval retrieval`: real ingestion, real retrieval.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import qdrant_edge as edge
from datasets import SETS, convert

from app.evaluation import run_retrieval
from finetune.evaluate import RetrievalReport, evaluate_retrieval, read_documents, read_questions
from serving.prompts import Message


class BareBm25:
    """One Edge shard, BM25 vectors of whole documents, nothing of ours."""

    def __init__(self, dataset: Path, folder: Path) -> None:
        self._documents = read_documents(dataset)
        self._bm25 = edge.Bm25(edge.Bm25Config(tokenizer=edge.TokenizerType.Multilingual))
        sparse = {"text": edge.EdgeSparseVectorParams(modifier=edge.Modifier.Idf)}
        self._shard = edge.EdgeShard.create(str(folder), edge.EdgeConfig(sparse_vectors=sparse))
        points = [
            edge.Point(n, {"text": self._bm25.embed_document(f"{d.title}\n{d.text}")}, {})
            for n, d in enumerate(self._documents)
        ]
        self._shard.update(edge.UpdateOperation.upsert_points(points))

    def find(self, question: str, history: Sequence[Message] = ()) -> list[str]:
        """Document ids, best first; bare BM25 knows no turns before."""
        query = self._bm25.embed_query(question)
        if not query.indices:
            return []
        request = edge.QueryRequest(limit=50, query=edge.Query.Nearest(query, using="text"))
        return [self._documents[int(str(point.id))].doc_id for point in self._shard.query(request)]


def sample(dataset: Path, limit: int) -> None:
    """Keep a random part of the answerable questions, the same one every time."""
    path = dataset / "questions.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    rows = [row for row in rows if not row.get("is_impossible")]
    if len(rows) > limit:
        rows = random.Random(0).sample(rows, limit)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


def line(name: str, system: str, report: RetrievalReport) -> str:
    """A row of the table."""
    return (
        f"{name:16} {system:10} {report.recall_at_1:.3f} {report.recall_at_5:.3f} {report.recall_at_20:.3f} "
        f"{report.mrr_at_10:.3f} {report.ndcg_at_10:.3f} {report.questions:6} {report.index_seconds:7.1f} {report.query_ms_p50:7.1f}"
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--limit", type=int, default=1000, help="questions a set, drawn at random")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: no measuring data at {arguments.data}")
        return 0
    print("set              system       R@1   R@5  R@20   MRR  nDCG  asked   index s  p50 ms")
    worse = []
    with tempfile.TemporaryDirectory() as temporary:
        target = Path(temporary)
        for name, _, _ in convert(arguments.data, target / "sets", arguments.sets):
            dataset = target / "sets" / name
            sample(dataset, arguments.limit)
            started = time.perf_counter()
            bare_finder = BareBm25(dataset, target / f"bare-{name}")
            bare = evaluate_retrieval(read_questions(dataset), bare_finder, time.perf_counter() - started)
            print(line(name, "edge bm25", bare), flush=True)
            ours = run_retrieval(dataset, lambda *_: None, lambda *_: None)
            print(line(name, "frontdesk", ours), flush=True)
            if ours.recall_at_1 < bare.recall_at_1 or ours.mrr_at_10 < bare.mrr_at_10:
                worse.append(name)
    print(f"below bare BM25 in R@1 or MRR on: {', '.join(worse) or 'no set'}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
