"""Caches: how often a question that means the same is found, and never one that does not; cached answers a second.

    python benchmarks/cache.py [DATA]                  the tables; DATA/banking77 is skipped where it is not there
    python benchmarks/cache.py --http [--seconds 10]   a server of its own, one keep-alive client process

The near misses (benchmarks/data/near_misses.jsonl: 200 pairs of ten kinds, written for this) differ in one thing that
matters. The threshold is chosen on every other pair and told of the rest. banking77 has customers' questions with their
intent: of each intent one half is asked first and kept, then the other half is asked; a hit of another intent is wrong.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import resource
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import httpx
import numpy as np

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from app.rag.same_question import Asked, asked_of, guarded, same_question  # noqa: E402 - the path comes first
from benchmarks.http_load import own_server, started  # noqa: E402
from ingest.embed import Embedder, load_embedder  # noqa: E402
from ingest.settings import IngestSettings  # noqa: E402

PAIRS = Path(__file__).parent / "data"
THRESHOLDS = (0.80, 0.85, 0.90, 0.93, 0.95, 0.97, 0.99)
Rule = Callable[[Asked, Asked], bool]
RULES: dict[str, Rule] = {
    "cosine alone": lambda _one, _other: True,
    "and equal figures, names, negation, kind": guarded,
    "and equal words in their order (shipped)": same_question,
}
CLIENTS = 16


def rows(path: Path) -> list[dict[str, str]]:
    """Rows of a JSONL file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]


def pairs(embedder: Embedder) -> None:
    """Near misses that would be taken for the same, and paraphrases that would be found, at each threshold."""
    near, same = rows(PAIRS / "near_misses.jsonl"), rows(PAIRS / "paraphrases.jsonl")
    both = near + same
    cosines = np.sum(
        embedder.embed_queries([row["one"] for row in both]) * embedder.embed_queries([row["other"] for row in both]),
        axis=1,
    )
    print(
        "\n| rule | cosine from | near misses hit, 1st half | 2nd half | own paraphrases found |\n|---|---|---|---|---|"
    )
    for name, rule in RULES.items():
        agreed = [rule(asked_of(row["one"]), asked_of(row["other"])) for row in both]
        for threshold in THRESHOLDS:
            hit = [ok and cosine >= threshold for ok, cosine in zip(agreed, cosines, strict=True)]
            wrong, found = hit[: len(near)], sum(hit[len(near) :])
            print(
                f"| {name} | {threshold:.2f} | {sum(wrong[::2])} of {len(wrong[::2])} | {sum(wrong[1::2])} of "
                f"{len(wrong[1::2])} | {found} of {len(same)} |"
            )
    by_kind = defaultdict(list)
    for row, cosine in zip(near, cosines, strict=False):
        by_kind[row["kind"]].append(float(cosine))
    told = ", ".join(f"{kind} {np.median(found):.2f}" for kind, found in by_kind.items())
    print(f"\nmedian cosine of the near misses: {told}; of the paraphrases {np.median(cosines[len(near) :]):.2f}")


def banking(folder: Path, embedder: Embedder) -> None:
    """Hit rate and wrong hits on customers' questions."""
    by_intent = defaultdict(list)
    for row in rows(folder / "queries.jsonl"):
        by_intent[row["intent"]].append(row["query"])
    first = [(text, intent) for intent, texts in by_intent.items() for text in texts[::2]]
    then = [(text, intent) for intent, texts in by_intent.items() for text in texts[1::2]]
    kept, asked = (embedder.embed_queries([text for text, _ in part]) for part in (first, then))
    known = [asked_of(text) for text, _ in first]
    cosines = asked @ kept.T
    print(f"\nbanking77: {len(first)} questions kept, {len(then)} asked, {len(by_intent)} intents")
    print("\n| rule | cosine from | hits | of the same intent | of another |\n|---|---|---|---|---|")
    for name, rule in RULES.items():
        for threshold in (0.85, 0.90, 0.95):
            right = wrong = 0
            for (text, intent), near in zip(then, cosines, strict=True):
                mine = asked_of(text)
                for place in np.argsort(-near):
                    if near[place] < threshold:
                        break
                    if rule(mine, known[place]):
                        right, wrong = right + (first[place][1] == intent), wrong + (first[place][1] != intent)
                        break
            print(f"| {name} | {threshold:.2f} | {(right + wrong) / len(then):.1%} | {right} | {wrong} |")


def processor_seconds(pid: int) -> float:
    """What a process has used of the processor, user and system, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def over_http(seconds: float) -> None:
    """Cached and curated answers a second over keep-alive connections."""
    with own_server(FRONTDESK_PACKAGED="off") as url:
        async with httpx.AsyncClient(base_url=url, timeout=120, trust_env=False) as client:
            await started(client)
            (await client.post("/api/knowledge-bases", json={"name": "load"})).raise_for_status()
            text = "# Guarantee\n\nThe motor of the WM-900 is guaranteed for 10 years.\n"
            files = [("files", ("a.md", text.encode()))]
            (await client.post("/api/knowledge-bases/load/documents", files=files)).raise_for_status()
            while not (state := (await client.get("/api/knowledge-bases/load")).json())["ready"]:
                if state["failed"]:
                    raise SystemExit("the document could not be ingested")
                await asyncio.sleep(0.2)
            curated = {"questions": ["How do I reach a person?"], "answer": "Call **0800 123** from 8 to 18."}
            (await client.post("/api/knowledge-bases/load/curated", json=curated)).raise_for_status()
            pid = server_pid(url)
            print(f"load before: {os.getloadavg()[0]:.1f}, {os.cpu_count()} cores, {CLIENTS} connections")
            print(
                "\n| request | answers/s | p50 ms | p99 ms | server's CPU | answers a CPU second | client's CPU | errors |\n|---|---|---|---|---|---|---|---|"
            )
            question = "How long is the motor of the WM-900 guaranteed?"
            for name, path, body in (
                ("/v1, cached", "/v1/chat/completions", _completion("load@extractive", question)),
                ("/v1, curated", "/v1/chat/completions", _completion("load", "How do I reach a person?")),
                ("/api/chat, cached", "/api/chat", _chat(question, "extractive")),
                ("/api/chat, curated", "/api/chat", _chat("How do I reach a person?", None)),
            ):
                (await client.post(path, json=body)).raise_for_status()
                reply = (await client.post(path, json=body)).json()
                told = reply.get("frontdesk", reply)
                assert told["cached"] == "exact" or told["engine"] == "curated", told
                print(await loaded(url, path, body, seconds, name, pid), flush=True)


def _completion(model: str, question: str) -> dict[str, object]:
    return {"model": model, "messages": [{"role": "user", "content": question}]}


def _chat(question: str, engine: str | None) -> dict[str, object]:
    return {"question": question, "kb": "load", "engine": engine, "stream": False}


def server_pid(url: str) -> int:
    """The process that listens there: our youngest child."""
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text(encoding="ascii").split()
    for pid in map(int, reversed(children)):
        with contextlib.suppress(OSError):
            if b"app.main" in Path(f"/proc/{pid}/cmdline").read_bytes():
                return pid
    raise SystemExit(f"no process of ours serves {url}")


async def loaded(url: str, path: str, body: dict[str, object], seconds: float, name: str, pid: int) -> str:
    """Ask over raw keep-alive connections: a client library would cost more than the server."""
    host, port = url.removeprefix("http://").split(":")
    payload = json.dumps(body).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    request, times, errors = head.encode() + payload, [], 0
    end = time.perf_counter() + seconds

    async def one() -> None:
        nonlocal errors
        reader, writer = await asyncio.open_connection(host, int(port))
        while (clock := time.perf_counter()) < end:
            writer.write(request)
            header = await reader.readuntil(b"\r\n\r\n")
            length = int(header.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            await reader.readexactly(length)
            if header.startswith(b"HTTP/1.1 200"):
                times.append(1e3 * (time.perf_counter() - clock))
            else:
                errors += 1
        writer.close()

    clock, server, own = time.perf_counter(), processor_seconds(pid), resource.getrusage(resource.RUSAGE_SELF)
    await asyncio.gather(*(one() for _ in range(CLIENTS)))
    took = time.perf_counter() - clock
    after = resource.getrusage(resource.RUSAGE_SELF)
    mine = after.ru_utime + after.ru_stime - own.ru_utime - own.ru_stime
    served = processor_seconds(pid) - server
    ordered = sorted(times)
    p50, p99 = (ordered[max(0, math.ceil(share * len(ordered)) - 1)] for share in (0.5, 0.99))
    return (
        f"| {name} | {len(times) / took:,.0f} | {p50:.1f} | {p99:.1f} | {served / took:.0%} of a core | {len(times) / served:,.0f} | {mine / took:.0%} | "
        f"{errors} |"
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--http", action="store_true")
    parser.add_argument("--seconds", type=float, default=10.0)
    given = parser.parse_args()
    if given.http:
        asyncio.run(over_http(given.seconds))
        return 0
    embedder = load_embedder(IngestSettings())
    pairs(embedder)
    folder = given.data / "banking77" if given.data else None
    if folder is None or not folder.is_dir():
        print("\nskipped: banking77 (no folder DATA/banking77)")
    else:
        banking(folder, embedder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
