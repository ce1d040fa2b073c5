"""What releases cost beside each other: size, memory, and the time of reading and writing, taken alternately.

    python -m serving.costs MODELS DTYPE FOLDER    # one release, asked over its standard input; started by `measure`

Each release is in a process of its own, so that memory is its own, and all are asked in turn, so that other work on the
machine falls on each alike, with one thread each. Compare ratios; milliseconds are of this machine at that hour.
"""

from __future__ import annotations

import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from serving.errors import EngineAway
from serving.loading import load, target
from serving.prompts import Message
from serving.releases import Release, read_release

ROUNDS = 3
# Tokens written a round.
WRITTEN = 12
_PACKAGED = "-"
_SHOWN = 4


@dataclass(frozen=True, slots=True)
class Costs:
    """What one release costs.

    size_mib:   of its files on disk; of an adapter with the packaged model's, which it needs.
    memory_mib: resident after loading, without what Python and PyTorch take by themselves.
    load_s:     seconds until it is in memory.
    read_ms, token_ms: median of reading the prompt, and of each token written.
    read_times, token_times: median over the rounds of its time by that of the first release in the same round.
    """

    size_mib: float
    memory_mib: float
    load_s: float
    read_ms: float
    token_ms: float
    read_times: float
    token_times: float

    def as_json(self) -> dict[str, float]:
        """By name, rounded."""
        return {name: round(value, _SHOWN) for name, value in asdict(self).items()}


def measure(
    models: Path, dtype: str, releases: Sequence[Release], prompt: Sequence[Message], rounds: int = ROUNDS
) -> list[Costs]:
    """The costs of releases, in their order; times are compared with the first.

    Raises:
        EngineAway: one cannot be loaded.
    """
    with contextlib.ExitStack() as stack:
        asked = [stack.enter_context(_child(models, dtype, release)) for release in releases]
        begun = [_reply(child, None) for child in asked]
        line = json.dumps({"prompt": [message._asdict() for message in prompt], "tokens": WRITTEN})
        # The first answer does what is done once.
        taken = [[_reply(child, line) for child in asked] for _ in range(rounds + 1)][1:]

    def median(place: int, name: str) -> float:
        return statistics.median(each[place][name] for each in taken)

    def times(place: int, name: str) -> float:
        return statistics.median(each[place][name] / max(each[0][name], 1e-9) for each in taken)

    return [
        Costs(
            _size(release, models) / 2**20,
            begun[n]["memory_mib"],
            begun[n]["load_s"],
            median(n, "read_ms"),
            median(n, "token_ms"),
            times(n, "read_ms"),
            times(n, "token_ms"),
        )
        for n, release in enumerate(releases)
    ]


def _size(release: Release, models: Path) -> int:
    packaged = sum(path.stat().st_size for path in target(models).glob("*") if path.is_file())
    if release.folder is None:
        return packaged
    return release.size + (packaged if release.manifest.kind == "adapter" else 0)


@contextlib.contextmanager
def _child(models: Path, dtype: str, release: Release) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "serving.costs", str(models), dtype, str(release.folder or _PACKAGED)]
    child = subprocess.Popen(  # noqa: S603 - our own module
        [*command, "shipped" if release.shipped else ""],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield child
    finally:
        child.kill()
        child.communicate()


def _reply(child: subprocess.Popen[str], line: str | None) -> dict[str, float]:
    assert child.stdin is not None and child.stdout is not None and child.stderr is not None  # noqa: S101, PT018 - pipes
    if line is not None:
        child.stdin.write(line + "\n")
        child.stdin.flush()
    said = child.stdout.readline()
    if not said:
        last = (child.stderr.read().strip().splitlines() or ["it said nothing"])[-1]
        raise EngineAway(f"a release cannot be measured: {last[:300]}")
    reply: dict[str, float] = json.loads(said)
    return reply


def _serve(models: Path, dtype: str, folder: str, shipped: bool) -> None:
    """Answer the other process: load, then one line a question."""
    import psutil
    import torch
    import transformers  # noqa: F401 - its memory is not the release's

    def resident() -> float:
        return float(psutil.Process().memory_info().rss) / 2**20

    # Several threads wait for each other by spinning; where other work has the cores, that is what would be measured.
    torch.set_num_threads(1)
    # Computing takes memory by itself, too: the first product does.
    torch.ones(64, 64) @ torch.ones(64, 64)
    before, clock = resident(), time.perf_counter()
    loaded = load(models, dtype, None if folder == _PACKAGED else read_release(Path(folder), shipped=shipped))
    _say({"load_s": time.perf_counter() - clock, "memory_mib": resident() - before})
    for line in sys.stdin:
        asked = json.loads(line)
        _say(_timed(loaded, asked["prompt"], asked["tokens"]))


def _timed(loaded: Any, prompt: list[dict[str, str]], tokens: int) -> dict[str, float]:
    import torch

    ids = loaded.tokenizer.apply_chat_template(prompt, add_generation_prompt=True, return_dict=True)["input_ids"]
    with torch.inference_mode():
        clock = time.perf_counter()
        out = loaded.model(input_ids=torch.tensor([ids]), use_cache=True, logits_to_keep=1)
        read = time.perf_counter() - clock
        clock = time.perf_counter()
        for _ in range(tokens):
            chosen = out.logits[:, -1:].argmax(-1)
            out = loaded.model(input_ids=chosen, past_key_values=out.past_key_values, use_cache=True)
        written = time.perf_counter() - clock
    return {"read_ms": 1e3 * read, "token_ms": 1e3 * written / tokens, "tokens_read": len(ids)}


def _say(values: dict[str, float]) -> None:
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2], sys.argv[3], sys.argv[4] == "shipped")
