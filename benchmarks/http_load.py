"""The HTTP API under load: many clients, answering beside ingestion, clients that go away in the middle.

    python benchmarks/http_load.py [--only questions ingestion disconnects] [--seconds 15] [--url http://127.0.0.1:8000]

Starts a server of its own on a fresh data folder, or uses the one at --url (its key from FRONTDESK_API_KEY), ingests the
example company into a knowledge base `load-…` and deletes that at the end. Clients and server share the machine's cores,
so the figures are lower than what the server alone can do. Each client sends its next request when it has its reply.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import io
import itertools
import json
import math
import os
import random
import re
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PARTS = ("questions", "ingestion", "disconnects")
CLIENTS = (1, 8, 32)
PAGES = 200
WORDS_A_PAGE = 320
HEALTH_EVERY_S = 0.05
GONE = 100
# How long a client reads before it goes away.
STAY_S = 0.5
START_S = 300.0
INGEST_S = 1800.0


@dataclass(slots=True)
class Sample:
    """What requests of one kind took, in milliseconds, and how many failed how."""

    milliseconds: list[float] = field(default_factory=list)
    errors: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def row(self, name: str, clients: int) -> str:
        """A line of the table."""
        done = len(self.milliseconds)
        wrong = ", ".join(f"{count} x {what}" for what, count in self.errors.items()) or "0"
        rate = done / self.seconds if self.seconds else math.nan
        times = " | ".join(f"{percentile(self.milliseconds, share):.1f}" for share in (0.5, 0.99, 1.0))
        return f"| {name} | {clients} | {done} | {rate:.1f} | {times} | {wrong} |"


def percentile(values: list[float], share: float) -> float:
    """Nearest rank; NaN of nothing."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)] if values else math.nan


class Load:
    """The measured server, with a knowledge base of its own."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client
        self._kb = f"load-{uuid.uuid4().hex[:8]}"
        lines = (EXAMPLES / "questions.jsonl").read_text(encoding="utf-8").splitlines()
        self._questions = [str(json.loads(line)["question"]) for line in lines]

    async def prepare(self) -> None:
        """Ingest the example company."""
        (await self._client.post("/api/knowledge-bases", json={"name": self._kb})).raise_for_status()
        files = sorted((EXAMPLES / "files").glob("*/*.*"))
        await self._upload([(f"{path.parent.name}/{path.name}", path.read_bytes()) for path in files])
        seconds = await self._ingested()
        print(f"example company: {len(files)} files ingested in {seconds:.1f} s", flush=True)

    async def forget(self) -> None:
        """Delete the knowledge base."""
        # A server that is gone is told by the error that ended the measurement.
        with contextlib.suppress(httpx.HTTPError):
            await self._client.delete(f"/api/knowledge-bases/{self._kb}")

    async def questions(self, seconds: float) -> None:
        """Retrieval and whole answers at 1, 8 and 32 clients."""
        print(
            "\n| request | clients | done | requests/s | p50 ms | p99 ms | max ms | errors |\n|---|---|---|---|---|---|---|---|"
        )
        first = Sample()
        for question in self._questions:
            await self._timed(lambda q=question: self._retrieve(q), first)
        first.seconds = sum(first.milliseconds) / 1e3
        print(first.row(f"retrieve, each of {len(self._questions)} questions for the first time", 1), flush=True)
        for name, ask in (("retrieve", self._retrieve), ("chat, extractive", self._chat)):
            for clients in CLIENTS:
                print((await self._loop(ask, clients, seconds)).row(name, clients), flush=True)

    async def ingestion(self, pages: int, seconds: float) -> None:
        """/health and questions in quiet, and while a long PDF is ingested."""
        print(
            "\n| request | clients | done | requests/s | p50 ms | p99 ms | max ms | errors |\n|---|---|---|---|---|---|---|---|"
        )
        await self._beside("quiet", asyncio.sleep(seconds))
        await self._upload([("long.pdf", long_pdf(pages))])
        took = await self._beside("ingesting", self._ingested())
        found = (
            await self._client.get(f"/api/knowledge-bases/{self._kb}/documents", params={"search": "long.pdf"})
        ).json()
        document = found["documents"][0]
        print(
            f"\n{document['state']}: {document['pages']} pages, {document['chunks']} chunks in {took:.1f} s, "
            f"{document['pages'] / took:.1f} pages/s, {document['chunks'] / took:.1f} chunks/s, answering meanwhile",
            flush=True,
        )

    async def disconnects(self) -> None:
        """Clients that begin a streamed answer and go away in the middle of it."""

        async def begin(question: str) -> bool:
            body, begun = {"question": question, "kb": self._kb}, False
            with contextlib.suppress(httpx.HTTPError, TimeoutError):
                async with self._client.stream("POST", "/api/chat", json=body) as reply:
                    async for line in reply.aiter_lines():
                        begun = line.startswith("event: sources")
                        await asyncio.sleep(STAY_S)
                        break
            return begun

        asked = itertools.islice(itertools.cycle(self._questions), GONE)
        tasks = [asyncio.create_task(begin(question)) for question in asked]
        await asyncio.sleep(STAY_S)
        print("\n| when | frontdesk_answering | frontdesk_generating |\n|---|---|---|")
        await self._print_busy(f"{GONE} clients ask")
        begun = sum(await asyncio.gather(*tasks))
        clock = time.perf_counter()
        busy = await self._print_busy(f"all gone, {begun} had read a first event")
        await asyncio.sleep(max(0.0, 2.0 - (time.perf_counter() - clock)))
        busy = await self._print_busy("2 s later")
        while busy and time.perf_counter() - clock < 60:
            await asyncio.sleep(0.25)
            busy = sum(await self._busy()) > 0
            if not busy:
                print(f"| {time.perf_counter() - clock:.1f} s later | 0 | 0 |")

    async def _print_busy(self, when: str) -> bool:
        answering, generating = await self._busy()
        print(f"| {when} | {answering:g} | {generating:g} |", flush=True)
        return answering + generating > 0

    async def _loop(self, ask: Callable[[str], Awaitable[httpx.Response]], clients: int, seconds: float) -> Sample:
        """So many clients for so long; each has its place in the list of questions."""
        sample, end = Sample(), time.perf_counter() + seconds

        async def one(start: int) -> None:
            for number in itertools.count(start):
                if time.perf_counter() >= end:
                    return
                question = self._questions[number % len(self._questions)]
                await self._timed(lambda q=question: ask(q), sample)

        clock = time.perf_counter()
        await asyncio.gather(*(one(number * 7) for number in range(clients)))
        sample.seconds = time.perf_counter() - clock
        return sample

    async def _beside(self, name: str, work: Awaitable[float | None]) -> float:
        """Ask for /health at a fixed pace and put questions while some work is done; returns its result."""
        health, asked, stop = Sample(), Sample(), asyncio.Event()

        async def probe() -> None:
            due = time.perf_counter()
            while not stop.is_set():
                await self._timed(lambda: self._client.get("/health"), health)
                due = max(due + HEALTH_EVERY_S, time.perf_counter())
                await asyncio.sleep(due - time.perf_counter())

        async def ask() -> None:
            for question in itertools.cycle(self._questions):
                if stop.is_set():
                    return
                await self._timed(lambda q=question: self._chat(q), asked)
                await asyncio.sleep(0.2)

        clock = time.perf_counter()
        tasks = [asyncio.create_task(probe()), asyncio.create_task(ask())]
        try:
            result = await work
        finally:
            stop.set()
            await asyncio.gather(*tasks)
        health.seconds = asked.seconds = time.perf_counter() - clock
        print(health.row(f"/health, every {HEALTH_EVERY_S * 1e3:g} ms, {name}", 1))
        print(asked.row(f"chat, extractive, 0.2 s apart, {name}", 1), flush=True)
        return result or 0.0

    async def _timed(self, send: Callable[[], Awaitable[httpx.Response]], sample: Sample) -> None:
        clock = time.perf_counter()
        try:
            reply = await send()
        except httpx.HTTPError as exc:
            sample.errors[type(exc).__name__] += 1
            return
        if reply.status_code == 200:
            sample.milliseconds.append(1e3 * (time.perf_counter() - clock))
        else:
            sample.errors[str(reply.status_code)] += 1

    async def _retrieve(self, question: str) -> httpx.Response:
        return await self._client.post("/api/retrieve", json={"question": question, "kb": self._kb})

    async def _chat(self, question: str) -> httpx.Response:
        body = {"question": question, "kb": self._kb, "engine": "extractive", "stream": False}
        return await self._client.post("/api/chat", json=body)

    async def _upload(self, files: list[tuple[str, bytes]]) -> None:
        parts = [("files", file) for file in files]
        (await self._client.post(f"/api/knowledge-bases/{self._kb}/documents", files=parts)).raise_for_status()

    async def _ingested(self) -> float:
        """Seconds until nothing is in progress."""
        clock = time.perf_counter()
        while time.perf_counter() - clock < INGEST_S:
            state = (await self._client.get(f"/api/knowledge-bases/{self._kb}")).json()
            if state["in_progress"] == 0:
                if state["failed"]:
                    raise SystemExit(f"{state['failed']} documents failed")
                return time.perf_counter() - clock
            await asyncio.sleep(0.25)
        raise SystemExit(f"not ingested after {INGEST_S:g} s")

    async def _busy(self) -> tuple[float, float]:
        """Answers being made, and answers that the packaged model writes or has waiting."""
        text = (await self._client.get("/metrics")).text
        found = dict(re.findall(r"^(frontdesk_answering|frontdesk_generating) (\S+)$", text, re.MULTILINE))
        return float(found["frontdesk_answering"]), float(found["frontdesk_generating"])


def long_pdf(pages: int) -> bytes:
    """A PDF of prose: words of the example company's texts in sentences that occur once."""
    texts = "\n".join(path.read_text(encoding="utf-8") for path in sorted((EXAMPLES / "files" / "en").glob("*.md")))
    words = re.findall(r"[A-Za-z]{3,}", texts)
    draw, out = random.Random(0), io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    for page in range(pages):
        canvas.setFont("Helvetica-Bold", 14)
        canvas.drawString(60, 780, f"{page + 1} {' '.join(draw.sample(words, 3)).capitalize()}")
        text = canvas.beginText(60, 750)
        text.setFont("Helvetica", 10)
        written = 0
        while written < WORDS_A_PAGE:
            sentence = f"{' '.join(draw.sample(words, 13)).capitalize()} {draw.randint(1, 9999)}."
            text.textLine(sentence)
            written += 14
        canvas.drawText(text)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


@contextlib.contextmanager
def own_server(**settings: str) -> Iterator[str]:
    """A server on a fresh data folder, or on the one that the settings name; gives its address.

    Models that are made ready already are used.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as folder, (Path(folder) / "log").open("w+b") as log:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FRONTDESK_")}
        environment |= {name: os.environ[name] for name in ("FRONTDESK_MODELS",) if name in os.environ}
        environment |= {"FRONTDESK_HOME": f"{folder}/home"} | settings
        environment |= {"FRONTDESK_PORT": str(port), "PYTHONPATH": str(ROOT)}
        command = [sys.executable, "-m", "app.main"]
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=log, stderr=log)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGTERM)
            code = process.wait(60)
            if code:
                log.seek(0)
                print(f"the server ended with {code}:\n{log.read().decode()[-2000:]}", file=sys.stderr)


async def started(client: httpx.AsyncClient) -> None:
    """Wait until the server answers and has loaded its model."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        with contextlib.suppress(httpx.HTTPError, KeyError, ValueError):
            parts = {part["name"]: part for part in (await client.get("/ready")).json()["components"]}
            if parts["packaged"]["detail"] != "being loaded":
                return
        await asyncio.sleep(0.5)
    raise SystemExit(f"the server was not ready after {START_S:g} s")


@contextlib.asynccontextmanager
async def connected(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """A client with as many connections as are wanted; it takes no proxy of the environment."""
    key = os.environ.get("FRONTDESK_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=max(CLIENTS))
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=120, limits=limits, trust_env=False) as client:
        yield client


async def measure(url: str, parts: list[str], seconds: float, pages: int) -> None:
    """Run the parts against a server and print their tables."""
    async with connected(url) as client:
        await started(client)
        load = Load(client)
        await load.prepare()
        try:
            if "questions" in parts:
                await load.questions(seconds)
            if "disconnects" in parts:
                await load.disconnects()
            if "ingestion" in parts:
                await load.ingestion(pages, seconds)
        finally:
            await load.forget()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS))
    parser.add_argument("--seconds", type=float, default=15.0, help="how long each number of clients asks")
    parser.add_argument("--pages", type=int, default=PAGES, help="pages of the PDF that is ingested")
    parser.add_argument("--url", help="a server that runs; without it one is started")
    arguments = parser.parse_args()
    beside = statistics.fmean(os.getloadavg()[:2])
    print(f"{os.cpu_count()} cores, load before the start {beside:.1f} (what else runs on this machine)", flush=True)
    with contextlib.nullcontext(arguments.url) if arguments.url else own_server() as url:
        asyncio.run(measure(url, arguments.only, arguments.seconds, arguments.pages))
    return 0


if __name__ == "__main__":
    sys.exit(main())
