"""Whole retrieval at size, as customers get it: question to ranked passages, by stage, then over HTTP by many clients.

    python -m benchmarks.latency DATA [--sizes 10000 100000] [--quantization int8 none] [--questions 200] [--prepared FOLDER]

Vectors: benchmarks/sized.py. The first table asks the retrieval of a process that does nothing else: embed, search both
legs, rank; no reranker, and no question twice. The second one asks a server of the same data folder, clients and server
on the same cores, each client its next question when it has its reply: every question for the first time, then again (its
vector is remembered, its search is not). Each row is measured in a process of its own, so that its memory is its own.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from app.workspace import open_workspace
from benchmarks.http_load import CLIENTS, Sample, connected, own_server, percentile, started
from benchmarks.sized import BATCH, Corpus, prepare

KB = "sized"
STAGES = ("embed", "search", "rank")
ROW = "| {} | {} | {:.0f} | {:.0f} | {:.1f} | {:.1f} | {} | {:.0f} |"


def build(corpus: Corpus, size: int) -> tuple[float, float]:
    """A knowledge base of one document in the data folder that the settings name; seconds to write and to optimize."""
    with open_workspace() as workspace:
        kb = workspace.catalog.create_knowledge_base(KB)
        version = workspace.catalog.begin_version(kb, "all", "0" * 64, "", 0)
        if version is None:
            raise SystemExit("the data folder is not fresh")
        clock = time.perf_counter()
        for start in range(0, size, BATCH):
            workspace.index.upsert(kb.id, corpus.points(start, min(BATCH, size - start), version.id))
        written = time.perf_counter() - clock
        clock = time.perf_counter()
        workspace.index.optimize(kb.id)
        optimized = time.perf_counter() - clock
        workspace.catalog.publish(version, title="", format="txt", pages=None, chunks=size)
    return written, optimized


def ask(corpus: Corpus, warm: int = 30) -> tuple[list[dict[str, float]], float]:
    """Milliseconds of each question by stage and in all, and the peak of memory in MiB."""
    found = []
    with open_workspace() as workspace:
        kb = workspace.catalog.knowledge_base(KB)
        for number, question in enumerate(corpus.questions):
            clock = time.perf_counter()
            timings = dict(workspace.search.search(kb, question).timings_ms)
            timings["all"] = 1e3 * (time.perf_counter() - clock)
            # The first ones load what a server has loaded long ago.
            if number >= warm:
                found.append(timings)
    return found, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


async def clients(url: str, questions: list[str], size: int) -> None:
    """Print requests a second of several numbers of clients."""

    async with connected(url) as client:
        await started(client)

        async def one(mine: list[str], sample: Sample) -> None:
            for question in mine:
                clock = time.perf_counter()
                try:
                    reply = await client.post("/api/retrieve", json={"question": question, "kb": KB})
                except httpx.HTTPError as exc:
                    sample.errors[type(exc).__name__] += 1
                    continue
                if reply.status_code == 200:
                    sample.milliseconds.append(1e3 * (time.perf_counter() - clock))
                else:
                    sample.errors[str(reply.status_code)] += 1

        for number, count in enumerate(CLIENTS):
            # Other questions for each number of clients: none has been asked before.
            for name in ("first time", "again"):
                sample = Sample()
                clock = time.perf_counter()
                mine = questions[number :: len(CLIENTS)]
                await asyncio.gather(*(one(mine[c::count], sample) for c in range(count)))
                sample.seconds = time.perf_counter() - clock
                print(sample.row(f"{size:,} chunks, {name}", count), flush=True)
        text = (await client.get("/metrics")).text
        memory = re.search(r"^process_resident_memory_bytes (\S+)$", text, re.MULTILINE)
        if memory:
            print(f"memory of the server: {float(memory[1]) / 2**20:.0f} MiB", flush=True)


def measure(folder: Path, size: int, quantization: str) -> None:
    """One row: build, ask here, ask over HTTP."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        settings = {"FRONTDESK_HOME": home, "FRONTDESK_INDEX_QUANTIZATION": quantization}
        os.environ.update(settings, FRONTDESK_MODELS=str(folder / "models"))
        corpus = Corpus(folder)
        written, optimized = build(corpus, size)
        asked, peak = ask(corpus)
        whole = [timings["all"] for timings in asked]
        stages = " | ".join(f"{statistics.median(t[stage] for t in asked):.1f}" for stage in STAGES)
        p50, p99 = percentile(whole, 0.5), percentile(whole, 0.99)
        print(ROW.format(f"{size:,}", quantization, written, optimized, p50, p99, stages, peak), flush=True)
        http = folder / f"http-{size}-{quantization}.txt"
        with http.open("w", encoding="utf-8") as table, own_server(**settings) as url:
            command = [sys.executable, "-m", "benchmarks.latency", "-", "--ask", url, "--sizes", str(size)]
            subprocess.run([*command, "--prepared", str(folder)], check=True, stdout=table)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--quantization", nargs="+", default=["none", "int8"])
    parser.add_argument("--real", type=int, default=2_000, help="real vectors; the rest are these with noise")
    parser.add_argument("--questions", type=int, default=1_000)
    parser.add_argument("--prepared", type=Path, help="a folder to keep prepared vectors in")
    parser.add_argument("--row", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--ask", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.ask:
        questions = json.loads((arguments.prepared / "questions.json").read_text(encoding="utf-8"))
        asyncio.run(clients(arguments.ask, questions, arguments.sizes[0]))
        return 0
    if not arguments.data.is_dir():
        print(f"skipped: no measuring data at {arguments.data}")
        return 0
    if arguments.row:
        measure(arguments.prepared, arguments.sizes[0], arguments.quantization[0])
        return 0
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.prepared or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "questions.json").exists():
            prepare(arguments.data, folder, arguments.real, arguments.questions)
        print(f"{os.cpu_count()} cores, load at the start {os.getloadavg()[0]:.1f}")
        print("| chunks | quantization | write s | optimize s | p50 ms | p99 ms | embed | search | rank | peak MiB |")
        print("|---|---|---|---|---|---|---|---|---|---|", flush=True)
        tables = []
        for size in arguments.sizes:
            for quantization in arguments.quantization:
                command = [sys.executable, "-m", "benchmarks.latency", str(arguments.data), "--row"]
                command += ["--prepared", str(folder), "--sizes", str(size), "--quantization", quantization]
                subprocess.run(command, check=True)
                tables.append((quantization, folder / f"http-{size}-{quantization}.txt"))
        print(
            "\n| request | clients | done | requests/s | p50 ms | p99 ms | max ms | errors |\n|---|---|---|---|---|---|---|---|"
        )
        for quantization, table in tables:
            print(f"{quantization}:\n{table.read_text(encoding='utf-8')}", end="")
        print(f"load at the end {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
