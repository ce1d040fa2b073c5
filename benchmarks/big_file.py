"""One very large PDF through a running server: speed, memory of the process that reads it, answers meanwhile.

    python benchmarks/big_file.py [--pages 1000]

Starts a server of its own on a fresh data folder. Clients and server share the machine's cores. Memory is looked at
every 50 ms, so the shortest peaks are missed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.http_load import EXAMPLES, HEALTH_EVERY_S, Sample, connected, own_server, started  # noqa: E402
from benchmarks.pdfs import report  # noqa: E402 - after the path is set

KB = "big"
ASK_EVERY_S = 0.2
LONGEST_S = 3600.0
LOOK_EVERY_S = 0.05
_ZYGOTE = "ingest.sandbox.zygote"


class Memory:
    """Peak resident memory of our descendants by what they do, in MiB, while it is open."""

    def __init__(self) -> None:
        self.peaks: dict[str, float] = defaultdict(float)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Memory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            processes = _processes()
            for pid, (parent, command, resident) in processes.items():
                kind = _kind(pid, parent, command, processes)
                if kind:
                    self.peaks[kind] = max(self.peaks[kind], resident)


def _processes() -> dict[int, tuple[int, str, float]]:
    """Parent, command line and resident MiB of every process that can be looked at."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        # A process may end while it is looked at.
        with contextlib.suppress(OSError, StopIteration, ValueError):
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines() if ":" in line)
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            resident = int(status.get("VmRSS", "0 kB").split()[0]) / 1024
            found[int(folder.name)] = (int(status["PPid"]), command, resident)
    return found


def _kind(pid: int, parent: int, command: str, processes: dict[int, tuple[int, str, float]]) -> str:
    """What a process is; "" when it does not descend from this one."""
    line, above = [pid], parent
    while above in processes and above != os.getpid():
        line.append(above)
        above = processes[above][0]
    if above != os.getpid():
        return ""
    if _ZYGOTE in command:
        return "reading the file" if _ZYGOTE in processes[parent][1] else "what readers are forked from"
    if len(line) == 1:
        return "server"
    return "embedding" if "spawn_main" in command else "other"


async def _repeat(send: httpx.Request, client: httpx.AsyncClient, sample: Sample) -> None:
    clock = time.perf_counter()
    try:
        reply = await client.send(send)
    except httpx.HTTPError as exc:
        sample.errors[type(exc).__name__] += 1
        return
    if reply.status_code == 200:
        sample.milliseconds.append(1e3 * (time.perf_counter() - clock))
    else:
        sample.errors[str(reply.status_code)] += 1


class Meanwhile:
    """/health and questions at a fixed pace, until it is closed."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.health, self.asked = Sample(), Sample()
        self._client, self._stop = client, asyncio.Event()
        lines = (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
        self._questions = [str(json.loads(line)["question"]) for line in lines]

    async def __aenter__(self) -> Meanwhile:
        self._clock = time.perf_counter()
        self._tasks = [asyncio.create_task(self._probe()), asyncio.create_task(self._ask())]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._stop.set()
        await asyncio.gather(*self._tasks)
        self.health.seconds = self.asked.seconds = time.perf_counter() - self._clock

    async def _probe(self) -> None:
        due = time.perf_counter()
        while not self._stop.is_set():
            await _repeat(self._client.build_request("GET", "/health"), self._client, self.health)
            due = max(due + HEALTH_EVERY_S, time.perf_counter())
            await asyncio.sleep(due - time.perf_counter())

    async def _ask(self) -> None:
        number = 0
        while not self._stop.is_set():
            question = self._questions[number % len(self._questions)]
            body = {"question": question, "kb": KB, "engine": "extractive", "stream": False}
            await _repeat(self._client.build_request("POST", "/api/chat", json=body), self._client, self.asked)
            number += 1
            await asyncio.sleep(ASK_EVERY_S)


async def upload(client: httpx.AsyncClient, files: list[tuple[str, bytes]], kb: str = KB) -> float:
    """Upload files and wait for their end; seconds from the first byte to the last outcome."""
    clock = time.perf_counter()
    sent = await client.post(f"/api/knowledge-bases/{kb}/documents", files=[("files", file) for file in files])
    sent.raise_for_status()
    while time.perf_counter() - clock < LONGEST_S:
        state = (await client.get(f"/api/knowledge-bases/{kb}")).json()
        if state["in_progress"] == 0:
            return time.perf_counter() - clock
        await asyncio.sleep(0.1)
    raise SystemExit(f"not ingested after {LONGEST_S:g} s")


async def measure(url: str, pages: int) -> int:
    """Ingest the examples, then the large file, and print the tables; 1 when the file did not become ready."""
    async with connected(url) as client:
        await started(client)
        (await client.post("/api/knowledge-bases", json={"name": KB})).raise_for_status()
        examples = [(path.name, path.read_bytes()) for path in sorted((EXAMPLES / "files" / "en").glob("*.*"))]
        await upload(client, examples)
        body = report(pages)
        with Memory() as memory:
            async with Meanwhile(client) as meanwhile:
                seconds = await upload(client, [("big.pdf", body)])
        listed = await client.get(f"/api/knowledge-bases/{KB}/documents", params={"search": "big.pdf"})
    document = listed.json()["documents"][0]
    print(
        f"\n{document['state']} {document.get('reason') or ''}: {document['pages']} pages, {len(body) / 2**20:.1f} MiB, "
        f"{document['chunks']} chunks in {seconds:.1f} s: {(document['pages'] or math.nan) / seconds:.1f} pages/s, "
        f"{document['chunks'] / seconds:.1f} chunks/s"
    )
    print(
        "\n| meanwhile | clients | done | requests/s | p50 ms | p99 ms | max ms | errors |\n|---|---|---|---|---|---|---|---|"
    )
    print(meanwhile.health.row(f"/health, every {HEALTH_EVERY_S * 1e3:g} ms", 1))
    print(meanwhile.asked.row(f"chat, extractive, {ASK_EVERY_S:g} s apart", 1))
    print("\n| process | peak MiB |\n|---|---|")
    for kind, peak in sorted(memory.peaks.items()):
        print(f"| {kind} | {peak:.0f} |")
    return int(document["state"] != "ready")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pages", type=int, default=1000)
    arguments = parser.parse_args()
    print(f"{os.cpu_count()} cores, load before the start {os.getloadavg()[0]:.1f} (what else runs here)", flush=True)
    with own_server() as url:
        return asyncio.run(measure(url, arguments.pages))


if __name__ == "__main__":
    sys.exit(main())
