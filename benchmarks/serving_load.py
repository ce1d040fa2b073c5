"""Model servers under load, with real prompts: in-process, and vLLM with the base, a merged release, an attached adapter.

    python benchmarks/serving_load.py DATASET [--release support] [--users 1 4 16 64] [--requests 48] [--rows merged front]
        [--rounds 1]

Prompts are those of the dataset's questions with three passages that retrieval finds. Rows:

in-process   the packaged rung, which writes eight answers at a time
base         vLLM with the packaged model as it is
merged       vLLM with the release's adapter in the weights
attached     vLLM with the adapter beside them
no-cache     merged, without the prefix cache
ordered      merged, a prompt's passages in the order of their ids, so that questions on the same passages begin alike
front        merged, asked through the front: what it costs beside ``merged`` is its overhead
warm         merged, the same prompts a second time

The file is not called serving.py: Python would take it for the package of that name.

`frontdesk plan` is held against a load by benchmarks/capacity.py, which measures reading and writing apart.

Times are of whole streams: seconds to the first token (50 and 99 of 100), to the last one (999 of 1000), tokens and requests a second, and the share of
prompt tokens that the prefix cache had. With several rounds the rows of one server take turns, each second round the other way round, and a row sums
its rounds: so a difference of a few parts in a hundred is one of the rows, not of what else the machine did meanwhile.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
from tuned_sets import Shown, neighbours

from app.answer_evaluation import released
from app.model_serving import listening
from app.workspace import Settings
from ingest.errors import SettingsError
from serving.capacity import quantile
from serving.export import export
from serving.front import Front, Limits, Upstream
from serving.front_requests import TENANT
from serving.machine import this_machine
from serving.packaged import PackagedModel
from serving.prompts import Message, render_answer
from serving.releases import Release
from serving.turns import Turns
from serving.vllm import VllmServer, find_python, free_port
from serving.vllm_plan import choose, overridden, shape_of

ROWS = ("in-process", "base", "merged", "front", "warm", "ordered", "no-cache", "attached")
TOKENS = 64
HEAD = (
    "| row | users | first token p50 / p99 s | whole p50 / TP999 s | tokens/s | requests/s | read from the cache |\n"
    "|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: seconds to its first and its last token, and how many it has."""

    first: float
    whole: float
    tokens: int


@dataclass(frozen=True, slots=True)
class Asked:
    """Where is asked, and for what.

    salt: of the prefix cache: what was read with another is not found. The front makes it of the tenant.
    """

    url: str
    key: str
    model: str
    salt: str = "measured"
    front: bool = False

    async def one(self, client: httpx.AsyncClient, prompt: Sequence[Message], **changes: object) -> Answered:
        """Ask once; changes are of the request's body."""
        body: dict[str, object] = {
            "model": self.model,
            "messages": [message._asdict() for message in prompt],
            "temperature": 0,
            "max_tokens": TOKENS,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        headers = {"Authorization": f"Bearer {self.key}"}
        if self.front:
            headers[TENANT] = self.salt
        else:
            body["cache_salt"] = self.salt
        body |= changes
        clock = time.perf_counter()
        first, tokens = 0.0, 0
        async with client.stream("POST", f"{self.url}/v1/chat/completions", json=body, headers=headers) as reply:
            reply.raise_for_status()
            async for line in reply.aiter_lines():
                if not line.startswith("data: {"):
                    continue
                said = json.loads(line[6:])
                if said.get("choices") and said["choices"][0]["delta"].get("content"):
                    first = first or time.perf_counter() - clock
                if said.get("usage"):
                    tokens = said["usage"]["completion_tokens"]
        whole = time.perf_counter() - clock
        return Answered(first or whole, whole, tokens)

    async def load(self, prompts: Sequence[Sequence[Message]], users: int) -> tuple[list[Answered], float]:
        """All prompts, so many at a time; the answers, and the seconds that it took."""
        left = iter(prompts)
        found: list[Answered] = []
        async with httpx.AsyncClient(
            timeout=600, limits=httpx.Limits(max_connections=users), trust_env=False
        ) as client:

            async def user() -> None:
                for prompt in left:
                    found.append(await self.one(client, prompt))

            clock = time.perf_counter()
            await asyncio.gather(*(user() for _ in range(users)))
            return found, time.perf_counter() - clock

    def cached(self) -> tuple[float, float]:
        """Prompt tokens that the prefix cache was asked for, and had."""
        headers = {"Authorization": f"Bearer {self.key}"}
        lines = httpx.get(f"{self.url}/metrics", headers=headers, timeout=30, trust_env=False).text.splitlines()
        names = ("vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total")
        asked, had = (sum(float(line.split()[-1]) for line in lines if line.startswith(name)) for name in names)
        return asked, had


@dataclass(slots=True)
class Load:
    """What was asked of one row at one number of users, in all rounds together."""

    found: list[Answered] = field(default_factory=list)
    seconds: float = 0.0
    cached: float = 0.0
    read: float = 0.0

    def add(self, found: Sequence[Answered], seconds: float, cached: float, read: float) -> None:
        """One round: its answers, how long it took, prompt tokens from the cache and in all."""
        self.found.extend(found)
        self.seconds += seconds
        self.cached += cached
        self.read += read

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return sum(each.tokens for each in self.found) / self.seconds


def row(name: str, users: int, load: Load) -> None:
    """Print a row."""
    first, whole = ([getattr(each, what) for each in load.found] for what in ("first", "whole"))
    print(
        f"| {name} | {users} | {quantile(first, 0.5):.2f} / {quantile(first, 0.99):.2f} | {quantile(whole, 0.5):.2f} / "
        f"{quantile(whole, 0.999):.2f} | {load.rate:.1f} | {len(load.found) / load.seconds:.2f} | {load.cached / max(1.0, load.read):.0%} |",
        flush=True,
    )


def _backwards(names: Sequence[str]) -> list[str]:
    """The other way round; what reads a cache stays behind what fills it."""
    turned = [each for each in reversed(names) if each != "warm"]
    return turned + ["warm"] * ("warm" in names)


def rendered(asked: Sequence[Shown], count_tokens: object, *, ordered: bool) -> list[list[Message]]:
    """The prompts of some questions."""
    prompts = []
    for each in asked:
        passages = sorted(each.passages, key=lambda p: p.chunk_id) if ordered else list(each.passages)
        numbered = [replace(passage, n=n) for n, passage in enumerate(passages, start=1)]
        prompts.append(render_answer(each.asked.question, numbered, budget=800, count_tokens=count_tokens))  # type: ignore[arg-type]  # a tokenizer's count
    return prompts


def in_process(
    packaged: PackagedModel, prompts: Sequence[Sequence[Message]], users: int
) -> tuple[list[Answered], float]:
    """The packaged rung: as many ask as there are users."""
    left, lock, found = iter(prompts), threading.Lock(), []

    def user() -> None:
        while True:
            with lock:
                prompt = next(left, None)
            if prompt is None:
                return
            clock, first, said = time.perf_counter(), 0.0, ""
            for piece in packaged.generate(prompt, TOKENS, threading.Event(), time.monotonic() + 600):
                first = first or time.perf_counter() - clock
                said += piece
            whole = time.perf_counter() - clock
            # Of all of it: pieces end where words do, and counted alone each would have a token more. The mark of the end is one, as vLLM counts.
            tokens = min(TOKENS, packaged.count_tokens(said) + 1)
            found.append(Answered(first or whole, whole, tokens))

    threads = [threading.Thread(target=user) for _ in range(users)]
    clock = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found, time.perf_counter() - clock


@contextmanager
def server(
    release: Release, settings: Settings, folder: Path, changes: Sequence[str], *, attached: bool, first: list[Message]
) -> Iterator[VllmServer]:
    """A vLLM server of a release, that has answered a first question."""
    served = export(release, settings.ingest.models_folder.resolve(), folder, attached=attached)
    planned = choose(this_machine(), shape_of(served.weights), adapter=attached, small=True)
    said = overridden(planned, [f"adapter={'attached' if attached else 'merged'}", *changes])
    made = VllmServer(
        find_python(settings.serving.vllm_python),
        served.weights,
        release.label,
        said.settings,
        said.device,
        folder / "vllm.log",
        adapter=served.adapter,
    )
    made.start()
    try:
        made.wait(first)
        yield made
    finally:
        made.stop()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--release", default="support")
    parser.add_argument("--users", nargs="+", type=int, default=[1, 4, 16, 64])
    parser.add_argument("--requests", type=int, default=48, help="at each number of users; at least as many as users")
    parser.add_argument("--rounds", type=int, default=1, help="rows of one server take turns so often")
    parser.add_argument("--rows", nargs="+", choices=ROWS, default=list(ROWS))
    arguments = parser.parse_args()
    settings = Settings.load()
    try:
        find_python(settings.serving.vllm_python)
    except SettingsError as exc:
        print(f"skipped: {exc}")
        return 0
    release, base = released(settings, arguments.release), released(settings, "base")
    most = max(arguments.requests, *arguments.users)
    asked = [each for each in neighbours(arguments.dataset, most) if each.answered][:most]
    turns = Turns(most)
    packaged = PackagedModel(settings.ingest.models_folder, "bfloat16", release if release.folder else None, turns)
    prompts = {ordered: rendered(asked, packaged.count_tokens, ordered=ordered) for ordered in (False, True)}
    read = [sum(packaged.count_tokens(message.content) for message in prompt) for prompt in prompts[False]]
    print(
        f"{len(prompts[False])} prompts of {sum(read) / len(read):.0f} tokens; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores\n{HEAD}"
    )
    if "in-process" in arguments.rows:
        for users in arguments.users:
            before = packaged.read.tokens, packaged.read.shared
            found, seconds = in_process(packaged, prompts[False][: max(users, arguments.requests)], users)
            load = Load()
            load.add(found, seconds, packaged.read.shared - before[1], packaged.read.tokens - before[0])
            row("in-process", users, load)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        kinds = {
            "base": (base, [], False),
            "merged": (release, [], False),
            "no-cache": (release, ["prefix_caching=off"], False),
            "attached": (release, [], True),
        }
        same = {"front", "warm", "ordered"}
        for name, (what, changes, attached) in kinds.items():
            wanted = [name, *(same if name == "merged" else ())]
            if not set(wanted) & set(arguments.rows):
                continue
            with server(what, settings, folder, changes, attached=attached, first=prompts[False][0]) as running:
                inner = Asked(running.url, running.key, what.label)
                names = [row_name for row_name in ROWS if row_name in wanted and row_name in arguments.rows]
                for users in arguments.users:
                    sums = {each: Load() for each in names}
                    for n in range(arguments.rounds):
                        for each in names if n % 2 == 0 else _backwards(names):
                            # Each with a cache of its own, but for the one that is asked the same again.
                            salt = f"{'merged' if each == 'warm' else each} {users} {n}"
                            asks = prompts[each == "ordered"][: max(users, arguments.requests)]
                            with _through(replace(inner, salt=salt), running, what, each) as target:
                                before = inner.cached()
                                found, seconds = asyncio.run(target.load(asks, users))
                                after = inner.cached()
                            sums[each].add(found, seconds, after[1] - before[1], after[0] - before[0])
                    for each, load in sums.items():
                        row(each, users, load)
                    if {"merged", "front"} <= set(names):
                        share = sums["front"].rate / sums["merged"].rate
                        print(f"| front / merged | {users} | | | {share:.3f} | | |", flush=True)
    return 0


@contextmanager
def _through(inner: Asked, running: VllmServer, release: Release, name: str) -> Iterator[Asked]:
    if name != "front":
        yield inner
        return
    key, port = secrets.token_hex(16), free_port()
    front = Front(Upstream(running.url, running.key, (release.label,)), key, Limits(rate=1e6, burst=10**6))
    with listening(front, "127.0.0.1", port):
        yield Asked(f"http://127.0.0.1:{port}", key, release.label, inner.salt, front=True)


if __name__ == "__main__":
    sys.exit(main())
