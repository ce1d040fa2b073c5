"""The vector engine at size: latency by filter, recall against exact search, many knowledge bases, memory, disk.

    python -m benchmarks.index_size DATA [--sizes 10000 100000] [--million] [--quantization none int8 binary]
    python -m benchmarks.index_size DATA --sizes 20000 --only-quantization

Vectors are real ones (English passages of DATA, by the packaged embedder) up to ``--real``; beyond that the same ones with
noise (benchmarks/sized.py).

Edge is asked through its own class, both legs in one batch as retrieval does; embedding, fusion and catalog are not in
the figures. Each row is measured in a process of its own, so that memory is its own. "queries meanwhile" are asked one
after the other while a copy of what was just written is optimized, as a server does it.
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
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.sized import BATCH, Corpus, Query, prepare
from ingest.index.edge import EdgeIndex
from ingest.index.tuning import Tuning
from ingest.schema import EVERYTHING, PUBLIC, Filters

LIMIT = 50
# Share of the points that a tag's filter keeps.
KEEP = {"100 %": EVERYTHING, "10 %": Filters(tags=("tenth",)), "0.1 %": Filters(tags=("thousandth",))}
SMALL, SMALL_SIZE = 200, 500
MILLION = 1_000_000


def written(index: EdgeIndex, corpus: Corpus, kb: str, start: int, size: int) -> float:
    """Write points; returns the seconds it took."""
    clock = time.perf_counter()
    for begin in range(start, start + size, BATCH):
        index.upsert(kb, corpus.points(begin, min(BATCH, start + size - begin)))
    return time.perf_counter() - clock


def timed(ask: Callable[[Query], object], queries: Iterator[Query] | list[Query]) -> list[float]:
    """Milliseconds of each question."""
    taken = []
    for query in queries:
        clock = time.perf_counter()
        ask(query)
        taken.append(1e3 * (time.perf_counter() - clock))
    return taken


def both(index: EdgeIndex, kb: str, filters: Filters = EVERYTHING) -> Callable[[Query], object]:
    """Asks both legs, as retrieval does."""

    def ask(query: Query) -> object:
        return index.search(kb, dense=query[0], sparse=query[1], principal=PUBLIC, limit=LIMIT, filters=filters)

    return ask


def recall(index: EdgeIndex, corpus: Corpus, size: int, filters: Filters) -> float:
    """Recall@10 of the dense leg against exact search over what the filter keeps."""
    step = {"tenth": (10, 3), "thousandth": (1000, 7)}.get(filters.tags[0] if filters.tags else "", (1, 0))
    expected = corpus.exact(size, lambda own: own % step[0] == step[1])
    found = []
    for (vector, _), wanted in zip(corpus.queries, expected, strict=True):
        hits = index.search("optimized", dense=vector, sparse=None, principal=PUBLIC, limit=10, filters=filters).dense
        found.append(len(wanted & {hit.payload["ordinal"] for hit in hits}) / max(1, len(wanted)))
    return statistics.mean(found)


def p(values: list[float], share: float) -> float:
    """A percentile."""
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def disk(folder: Path) -> float:
    """MiB that a folder takes on the disk."""
    return sum(path.stat().st_blocks * 512 for path in folder.rglob("*") if path.is_file()) / 2**20


def resident() -> float:
    """MiB of memory now, mapped files that were read included."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def peak() -> float:
    """MiB at most so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def one_size(corpus: Corpus, folder: Path, size: int, quantization: Any, filters: list[str]) -> dict[str, Any]:
    """Build one knowledge base and ask it."""
    before = resident()
    index = EdgeIndex(folder, corpus.vectors(0, 1).shape[1], tuning=Tuning(quantization))
    row: dict[str, Any] = {"size": size, "quantization": quantization, "write_s": written(index, corpus, "kb", 0, size)}
    done = threading.Event()

    def optimize() -> None:
        index.copy("kb", "optimized")
        index.optimize("optimized")
        done.set()

    clock = time.perf_counter()
    optimizing = threading.Thread(target=optimize)
    optimizing.start()
    meanwhile: list[float] = []
    while not done.is_set():
        meanwhile += timed(both(index, "kb"), corpus.queries[len(meanwhile) % len(corpus.queries) :][:1])
    optimizing.join()
    row["optimize_s"] = time.perf_counter() - clock
    row["meanwhile"] = [len(meanwhile), p(meanwhile, 0.5), p(meanwhile, 0.99), max(meanwhile)]
    index.drop("kb")
    # A server has its files in memory long before: reading ahead is begun when a shard is opened.
    time.sleep(1 + size / 100_000)
    timed(both(index, "optimized"), corpus.queries[:50])
    row["filters"] = {}
    for name in filters:
        taken = timed(both(index, "optimized", KEEP[name]), corpus.queries)
        row["filters"][name] = [p(taken, 0.5), p(taken, 0.99), recall(index, corpus, size, KEEP[name])]
    row |= {"memory": resident() - before, "peak": peak()}
    index.close()
    row["disk"] = disk(folder)
    return row


def neighbours(corpus: Corpus, folder: Path, size: int) -> dict[str, Any]:
    """Many small knowledge bases beside a large one, asked in turns."""
    index = EdgeIndex(folder, corpus.vectors(0, 1).shape[1])
    written(index, corpus, "kb", 0, size)
    names = [f"small{n}" for n in range(SMALL)]
    for n, name in enumerate(names):
        written(index, corpus, name, n * SMALL_SIZE, SMALL_SIZE)
    for name in ("kb", *names):
        index.optimize(name)
    of_large: list[float] = []
    of_small: list[float] = []
    for n, query in enumerate(corpus.queries * 2):
        of_small += timed(both(index, names[n * 7 % SMALL]), [query])
        of_large += timed(both(index, "kb"), [query])
    same = timed(both(index, names[0]), corpus.queries)
    row = {
        "small": [p(of_small, 0.5), p(of_small, 0.99)],
        "small_again": [p(same, 0.5), p(same, 0.99)],
        "large": [p(of_large, 0.5), p(of_large, 0.99)],
        "peak": peak(),
    }
    index.close()
    row["disk"] = disk(folder)
    return row


def show_size(row: dict[str, Any]) -> None:
    """Rows of the table of sizes."""
    head = f"| {row['size']:,} | {row['quantization']} |"
    for name, (p50, p99, found) in row["filters"].items():
        print(f"{head} {name} | {p50:.1f} | {p99:.1f} | {found:.3f} |", flush=True)
    count, p50, p99, most = row["meanwhile"]
    print(
        f"  {row['size']:,} {row['quantization']}: written in {row['write_s']:.0f} s, optimized in {row['optimize_s']:.0f} s; "
        f"{count} queries meanwhile p50 {p50:.1f} p99 {p99:.1f} longest {most:.0f} ms; {row['disk']:.0f} MiB on disk, "
        f"{row['memory']:.0f} MiB more memory than before, {row['peak']:.0f} MiB at most",
        flush=True,
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--million", action="store_true", help="a million chunks, too: takes an hour or more")
    parser.add_argument("--real", type=int, default=5_000, help="real vectors; the rest are these with noise")
    parser.add_argument("--questions", type=int, default=200)
    parser.add_argument("--quantization", nargs="+", default=["none", "int8", "binary"])
    parser.add_argument("--only-quantization", action="store_true", help="no filters, no neighbours")
    parser.add_argument("--prepared", type=Path, help="a folder to keep prepared vectors in")
    parser.add_argument("--row", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: no measuring data at {arguments.data}")
        return 0
    if arguments.row:
        kind, size, quantization = arguments.row.split(":")
        corpus = Corpus(arguments.prepared)
        names = ["100 %"] if arguments.only_quantization or quantization != "none" else list(KEEP)
        with tempfile.TemporaryDirectory(dir=arguments.prepared) as folder:
            if kind == "size":
                row = one_size(corpus, Path(folder), int(size), quantization, names)
            else:
                row = neighbours(corpus, Path(folder), int(size))
        print(json.dumps(row))
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.prepared or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "questions.json").exists():
            prepare(arguments.data, folder, arguments.real, arguments.questions)
        real = len(json.loads((folder / "texts.json").read_text(encoding="utf-8")))
        print(
            f"{real} real vectors, beyond them the same with noise; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores"
        )
        print(
            "| chunks | quantization | filter keeps | p50 ms | p99 ms | recall@10 |\n|---|---|---|---|---|---|",
            flush=True,
        )
        sizes = [*arguments.sizes, *([MILLION] if arguments.million else [])]
        for size in sizes:
            for quantization in arguments.quantization:
                show_size(_row(arguments, folder, f"size:{size}:{quantization}"))
        if not arguments.only_quantization:
            row = _row(arguments, folder, f"neighbours:{max(arguments.sizes)}:none")
            print(
                f"{SMALL} knowledge bases of {SMALL_SIZE} beside one of {max(arguments.sizes):,}, asked in turns: "
                f"small p50 {row['small'][0]:.1f} p99 {row['small'][1]:.1f} ms (the same one again "
                f"{row['small_again'][0]:.1f} and {row['small_again'][1]:.1f}), large p50 {row['large'][0]:.1f} p99 "
                f"{row['large'][1]:.1f} ms; {row['disk']:.0f} MiB on disk, {row['peak']:.0f} MiB of memory at most"
            )
        print(f"load at the end {os.getloadavg()[0]:.1f}")
    return 0


def _row(arguments: argparse.Namespace, folder: Path, row: str) -> dict[str, Any]:
    command = [
        sys.executable,
        "-m",
        "benchmarks.index_size",
        str(arguments.data),
        "--prepared",
        str(folder),
        "--row",
        row,
    ]
    if arguments.only_quantization:
        command.append("--only-quantization")
    done = subprocess.run(command, check=True, env=os.environ, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


if __name__ == "__main__":
    sys.exit(main())
