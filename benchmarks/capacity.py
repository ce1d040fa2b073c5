"""`frontdesk plan` held against a load: what one server can do is measured first, then it is asked as often as was predicted for.

    python benchmarks/capacity.py DATASET [--release support] [--busy 0.5 0.75] [--seconds 120] [--at-once 256]
        [--json FILE] [--load-json FILE]

Reading is measured with answers of one token, writing with answers whose prompt the prefix cache has, at as many at once as the server writes at most
(max_num_seqs, up to --at-once). --json keeps both for `frontdesk plan --measured FILE`, with the cache that the server has and with its cards or cores;
--load-json keeps the lengths of prompts and answers for `frontdesk plan --load FILE`. One copy of the model is measured, however many cards there are.
Then questions come at random (a Poisson process), at so many a second that the simulation says
the server is so busy, and seconds to the whole answer are set beside the simulated ones. Prompts are those of the dataset's questions with three
passages that retrieval finds; the lengths that the simulation draws from are theirs.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import httpx
from serving_load import TOKENS, Answered, Asked, rendered, server
from tuned_sets import neighbours

from app.answer_evaluation import released
from app.workspace import Settings
from ingest.errors import SettingsError
from serving.capacity import quantile, simulate
from serving.capacity_inputs import Lengths, Load, Measured, Speed
from serving.machine import Machine, this_machine
from serving.packaged import PackagedModel
from serving.prompts import Message
from serving.vllm import find_python
from serving.vllm_plan import GPU_AT_ONCE, ModelShape, ServeSettings, kv_gib, shape_of

HEAD = (
    "| questions a second | busy, simulated | measured: p50 s | p95 s | first token p95 s | simulated: p50 s | p95 s | first token p95 s | p95 apart |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def client() -> httpx.AsyncClient:
    """For as many requests at once as there are."""
    return httpx.AsyncClient(timeout=600, limits=httpx.Limits(max_connections=None), trust_env=False)


async def reading(asked: Asked, prompts: Sequence[list[Message]], tokens: Sequence[int]) -> float:
    """Tokens of prompts that are read a second, one prompt at a time."""
    async with client() as http:
        clock = time.perf_counter()
        for number, prompt in enumerate(prompts):
            await replace(asked, salt=f"read {number}").one(http, prompt, max_tokens=1)
        return sum(tokens) / (time.perf_counter() - clock)


async def writing(asked: Asked, prompt: list[Message], at_once: int, tokens: int = 64) -> float:
    """Tokens a second that so many answers have together, their prompt read before."""
    salted = replace(asked, salt=f"write {at_once}")
    async with client() as http:
        await salted.one(http, prompt, max_tokens=1)
        found = await asyncio.gather(
            *(salted.one(http, prompt, max_tokens=tokens, ignore_eos=True) for _ in range(at_once))
        )
    # Between the first token and the last one: what comes before is reading.
    seconds = statistics.median(each.whole - each.first for each in found)
    return at_once * (tokens - 1) / seconds


async def load(asked: Asked, prompts: Sequence[list[Message]], a_second: float, seconds: float) -> list[Answered]:
    """Questions at random times, whether those before are answered or not; each is read anew."""
    dice = random.Random(11)
    running: list[asyncio.Task[Answered]] = []
    async with client() as http:
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            number = len(running)
            salted = replace(asked, salt=f"load {a_second} {number}")
            running.append(asyncio.create_task(salted.one(http, prompts[number % len(prompts)])))
            await asyncio.sleep(dice.expovariate(a_second))
        return await asyncio.gather(*running)


def busiest(measured: Measured, described: Load, busy: float) -> float:
    """Questions a second at which the simulated server is so busy (0 to 1, both exclusive)."""

    def reached(a_second: float) -> bool:
        return simulate(measured, described, a_second).busy >= busy

    low, high = 0.0, 1.0
    while not reached(high):
        low, high = high, high * 2
    while high - low > high / 500:
        middle = (low + high) / 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return low


def counts(most: int) -> list[int]:
    """How many answers are written at once: 1, 2, 4 and so on, and the most."""
    return sorted({*(2**n for n in range(most.bit_length())), most})


def replica(
    label: str,
    settings: ServeSettings,
    shape: ModelShape,
    machine: Machine,
    read: float,
    written: Sequence[tuple[int, float]],
) -> Measured:
    """What was measured of one copy of a model, as `frontdesk plan` reads it.

    read:    tokens of prompts a second.
    written: answers at once, and the tokens a second that they had together.
    """
    units, unit = (settings.cards, "card") if machine.gpus else (machine.cores, "core")
    what = f"{units} x {machine.gpus[0].name}" if machine.gpus else f"{units} cores"
    return Measured(
        name=f"vLLM, {label}, {what}",
        written=tuple(Speed(at_once=n, tokens_a_second=round(speed, 1)) for n, speed in written),
        read=round(read, 1),
        at_once=settings.max_num_seqs,
        kv_bytes=shape.kv_bytes(settings.dtype),
        kv_gib=round(kv_gib(settings, shape, machine), 2),
        unit=unit,
        units=units,
    )


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--release", default="support")
    parser.add_argument("--busy", nargs="+", type=float, default=[0.5, 0.75])
    parser.add_argument("--seconds", type=float, default=120.0, help="of each load")
    parser.add_argument(
        "--at-once",
        type=int,
        default=GPU_AT_ONCE,
        help="most answers that are written at once, at most what the server writes",
    )
    parser.add_argument("--json", type=Path, help="where to write what `frontdesk plan --measured` reads")
    parser.add_argument("--load-json", type=Path, help="where to write lengths, for `frontdesk plan --load`")
    arguments = parser.parse_args()
    if arguments.at_once < 1 or not all(0 < busy < 1 for busy in arguments.busy):
        parser.error("--at-once is at least 1, --busy are shares between 0 and 1")
    settings = Settings.load()
    try:
        find_python(settings.serving.vllm_python)
    except SettingsError as exc:
        print(f"skipped: {exc}")
        return 0
    release = released(settings, arguments.release)
    packaged = PackagedModel(settings.ingest.models_folder, "bfloat16", release if release.folder else None)
    asked = [each for each in neighbours(arguments.dataset, 64) if each.answered]
    prompts = rendered(asked, packaged.count_tokens, ordered=False)
    # A message's tokens, and those that the chat template puts around it.
    tokens = [sum(packaged.count_tokens(m.content) + 5 for m in prompt) for prompt in prompts]
    machine = this_machine()
    print(
        f"{len(prompts)} prompts of {statistics.mean(tokens):.0f} tokens; load {os.getloadavg()[0]:.1f} on {machine.cores} cores"
    )
    with (
        tempfile.TemporaryDirectory() as temporary,
        server(release, settings, Path(temporary), ["data_parallel=1"], attached=False, first=prompts[0]) as running,
    ):
        target = Asked(running.url, running.key, release.label)
        most = min(running.settings.max_num_seqs, arguments.at_once)
        read = asyncio.run(reading(target, prompts[:12], tokens[:12]))
        written = [(n, asyncio.run(writing(target, prompts[0], n))) for n in counts(most)]
        measured = replica(release.label, running.settings, shape_of(running.weights), machine, read, written)
        print(
            f"reads {read:.0f} tokens a second; writes {', '.join(f'{s:.0f} ({n} at once)' for n, s in written)}",
            flush=True,
        )
        if arguments.json:
            arguments.json.write_text(json.dumps(measured.model_dump(mode="json"), indent=1))
        # Answers are as long as this release makes them.
        lengths = [each.tokens for each in asyncio.run(target.load(prompts[:16], 4))[0]]
        described = Load(
            requests_a_day=1,
            peak_a_second=1,
            prompt=Lengths(mean=statistics.mean(tokens), spread=statistics.pstdev(tokens)),
            answer=Lengths(mean=statistics.mean(lengths), spread=statistics.pstdev(lengths)),
        )
        if arguments.load_json:
            lengths_only = described.model_dump(mode="json", include={"prompt", "answer"})
            arguments.load_json.write_text(json.dumps(lengths_only, indent=1))
        print(f"answers of {described.answer.mean:.0f} tokens (at most {TOKENS})\n{HEAD}", flush=True)
        for busy in arguments.busy:
            a_second = busiest(measured, described, busy)
            found = asyncio.run(load(target, prompts, a_second, arguments.seconds))
            told = simulate(measured, described, a_second)
            whole, first = ([getattr(each, what) for each in found] for what in ("whole", "first"))
            p95 = quantile(whole, 0.95)
            print(
                f"| {a_second:.2f} | {told.busy:.0%} | {quantile(whole, 0.5):.2f} | {p95:.2f} | {quantile(first, 0.95):.2f} | "
                f"{told.whole_p50:.2f} | {told.whole_p95:.2f} | {told.first_p95:.2f} | {told.whole_p95 / p95 - 1:+.0%} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
