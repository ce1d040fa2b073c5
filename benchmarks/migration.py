"""Moving an index to another embedder while customers ask: what is lost, what is left, what it costs them.

    python -m benchmarks.migration DATA [--documents 433] [--clients 4]

A server of its own holds squad2's paragraphs of DATA. Clients ask for passages all the time, each its next question when it
has its reply; documents are uploaded and deleted meanwhile. The new embedder is the packaged one cut to three layers with
vectors of 256 dimensions: another size, another space, so that a question asked of the wrong index would fail or find noise.
Counted: replies that are no 200, questions whose document was among the first five before and after but not meanwhile, points of
the old index after the end, what `documents verify` finds.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx

from benchmarks.http_load import connected, own_server, percentile, started

KB = "moving"
FIRST = 5
SECONDS_BESIDE = 10.0


def smaller_embedder(folder: Path) -> Path:
    """The packaged embedder with three layers and 256 dimensions, as a sentence-transformers folder."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.models import Dense, Pooling, Transformer

    from ingest.embed import packaged_model_folder

    packaged = SentenceTransformer(str(packaged_model_folder()), device="cpu")
    body = packaged[0]
    assert isinstance(body, Transformer)
    encoder: Any = body.auto_model.encoder
    encoder.layer = encoder.layer[:3]
    body.auto_model.config.num_hidden_layers = 3
    torch.manual_seed(0)
    narrow = Dense(384, 256, bias=False, activation_function=torch.nn.Identity())
    torch.nn.init.orthogonal_(narrow.linear.weight)
    SentenceTransformer(modules=[body, Pooling(384, "mean"), narrow], device="cpu").save(str(folder))
    return folder


class Moving:
    """The measured server."""

    def __init__(self, client: httpx.AsyncClient, documents: list[tuple[str, str]], questions: list[tuple[str, str]]):
        self._client = client
        self._documents = documents
        self._questions = questions
        self._stop = False
        self.phase = "before"
        self.milliseconds: dict[str, list[float]] = {"before": [], "meanwhile": [], "after": []}
        self.wrong: Counter[str] = Counter()
        # Whether each question's document was among the first, by phase.
        self.found: dict[str, dict[str, bool]] = {phase: {} for phase in self.milliseconds}

    async def upload(self, documents: list[tuple[str, str]]) -> None:
        """Upload texts and wait until they are ready."""
        for start in range(0, len(documents), 100):
            part = [("files", (name, text.encode())) for name, text in documents[start : start + 100]]
            reply = await self._client.post(f"/api/knowledge-bases/{KB}/documents", files=part)
            reply.raise_for_status()
        while (await self._client.get(f"/api/knowledge-bases/{KB}")).json()["in_progress"]:
            await asyncio.sleep(0.3)

    async def ask(self, start: int) -> None:
        """One client, until told to stop."""
        for question, document in itertools.islice(itertools.cycle(self._questions), start, None):
            if self._stop:
                return
            phase, clock = self.phase, time.perf_counter()
            try:
                reply = await self._client.post("/api/retrieve", json={"question": question, "kb": KB, "limit": FIRST})
            except httpx.HTTPError as exc:
                self.wrong[type(exc).__name__] += 1
                continue
            if reply.status_code != 200:
                self.wrong[str(reply.status_code)] += 1
                continue
            # A question that began before the switch and ended after it belongs to neither.
            if phase == self.phase:
                self.milliseconds[phase].append(1e3 * (time.perf_counter() - clock))
                names = [hit["document"] for hit in reply.json()["fused"]]
                self.found[phase][question] = document in names

    async def write(self) -> list[str]:
        """Upload and delete until told to stop; returns the names that are to be there."""
        kept = []
        for number in itertools.count():
            if self._stop or self.phase == "after":
                return kept
            names = [f"new {number} {side}.txt" for side in "ab"]
            await self.upload([(name, f"The {name[:-4]} chimney is of brick. Number {number}.") for name in names])
            listed = await self._client.get(f"/api/knowledge-bases/{KB}/documents", params={"search": names[0]})
            gone = await self._client.delete(f"/api/documents/{listed.json()['documents'][0]['id']}")
            if gone.status_code != 204:
                self.wrong[f"delete {gone.status_code}"] += 1
            kept.append(names[1])
            await asyncio.sleep(0.5)
        return kept

    async def run(self, model: Path, clients: int) -> tuple[dict[str, Any], float, list[str]]:
        """The whole of it; returns the index afterwards, the seconds of the move, and the names written meanwhile."""
        (await self._client.post("/api/knowledge-bases", json={"name": KB})).raise_for_status()
        await self.upload(self._documents)
        askers = [asyncio.create_task(self.ask(number * 37)) for number in range(clients)]
        await self._seen("before")
        writer = asyncio.create_task(self.write())
        self.phase, clock = "meanwhile", time.perf_counter()
        address = f"/api/knowledge-bases/{KB}/index"
        (await self._client.post(address, json={"task": "migrate", "model": str(model)})).raise_for_status()
        while True:
            body = (await self._client.get(address)).json()
            if body["task"]["state"] != "running":
                break
            await asyncio.sleep(0.2)
        took = time.perf_counter() - clock
        self.phase = "after"
        written = await writer
        await self._seen("after")
        self._stop = True
        await asyncio.gather(*askers)
        return (await self._client.get(address)).json(), took, written

    async def _seen(self, phase: str) -> None:
        # Every question once, or the time that it would take at ten a second.
        end = time.monotonic() + max(SECONDS_BESIDE, len(self._questions) / 10)
        while len(self.found[phase]) < len(self._questions) and time.monotonic() < end:
            await asyncio.sleep(0.2)


def read(data: Path, count: int) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """(name, text) of paragraphs and (question, name) of one answerable question each."""
    rows = [json.loads(line) for line in (data / "squad2/documents.jsonl").open(encoding="utf-8")][:count]
    documents = [(f"{row['doc_id']}.txt".replace("/", "-"), f"{row['title']}\n\n{row['text']}") for row in rows]
    wanted = {row["doc_id"]: name for row, (name, _) in zip(rows, documents, strict=True)}
    asked: dict[str, str] = {}
    for row in map(json.loads, (data / "squad2/questions.jsonl").open(encoding="utf-8")):
        if not row.get("is_impossible") and row["doc_id"] in wanted:
            asked.setdefault(wanted.pop(row["doc_id"]), row["question"])
    return documents, [(question, name) for name, question in asked.items()]


async def measure(url: str, model: Path, data: Path, count: int, clients: int, home: Path) -> list[str]:
    """Run it and print what came of it; returns the documents that must be there."""
    documents, questions = read(data, count)
    async with connected(url) as client:
        await started(client)
        moving = Moving(client, documents, questions)
        index, took, written = await moving.run(model, clients)
    print(
        f"{len(documents)} documents, {len(questions)} questions, {clients} clients; moved in {took:.1f} s to "
        f"{index['dimensions']} dimensions, {index['points']} points; {len(written)} documents uploaded and as many "
        f"deleted meanwhile; task: {index['task']['state']} {index['task']['problem']}"
    )
    print(
        "| phase | questions | p50 ms | p99 ms | longest ms | document among the first five |\n|---|---|---|---|---|---|"
    )
    for phase, taken in moving.milliseconds.items():
        found = moving.found[phase].values()
        share = sum(found) / max(1, len(found))
        print(
            f"| {phase} | {len(taken)} | {percentile(taken, 0.5):.0f} | {percentile(taken, 0.99):.0f} | "
            f"{max(taken, default=0):.0f} | {share:.3f} of {len(found)} |"
        )
    lost = [
        question
        for question, there in moving.found["meanwhile"].items()
        if not there and moving.found["before"].get(question) and moving.found["after"].get(question)
    ]
    print(
        f"no reply or another one than 200: {dict(moving.wrong)}; found before and after but not meanwhile: {len(lost)}"
    )
    shards = [path.name for path in (home / "index").iterdir() if path.is_dir()]
    print(f"shards on the disk afterwards: {len(shards)}")
    return written


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--documents", type=int, default=433)
    parser.add_argument("--clients", type=int, default=4)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: no measuring data at {arguments.data}")
        return 0
    print(f"{os.cpu_count()} cores, load at the start {os.getloadavg()[0]:.1f}", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        model, home = smaller_embedder(folder / "smaller"), folder / "home"
        with own_server(FRONTDESK_HOME=str(home)) as url:
            asyncio.run(measure(url, model, arguments.data, arguments.documents, arguments.clients, home))
        # By itself, on the data folder that the server has left.
        environment = {k: v for k, v in os.environ.items() if not k.startswith("FRONTDESK_")} | {
            "FRONTDESK_HOME": str(home),
            **{k: os.environ[k] for k in ("FRONTDESK_MODELS",) if k in os.environ},
        }
        command = [sys.executable, "-m", "app.cli", "documents", "verify", "--kb", KB, "--json"]
        with contextlib.suppress(subprocess.TimeoutExpired):
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
            print(
                f"documents verify: exit {done.returncode}: {done.stdout.strip()[:300] or done.stderr.strip()[-300:]}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
