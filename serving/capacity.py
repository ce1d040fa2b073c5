"""How many cards or cores a load needs: a rule of thumb, and beside it a simulation of vLLM's batching (simpy). Pure but for the files read.

What a server can do comes from a measurement (benchmarks/capacity.py): how many tokens a second it writes at so many answers at
once, and how many it reads. A continuous batcher writes one token of each running answer a step, so the more run, the longer a step;
prompts are read in between. A replica is simulated step by step; arrivals are random (a Poisson process), lengths are drawn from what
was described.
"""

from __future__ import annotations

import json
import math
import random
from bisect import bisect_left
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest.errors import SettingsError

# Words that people read in a second: an answer that is written faster gains nobody anything (rule of thumb, tokens taken for words).
READING = 5.5
# Seconds that are simulated, after half as many that only fill the server; more answers than this say nothing new.
SIMULATED_S, ENOUGH = 600.0, 20_000
# With more, the servers are the wrong ones for the load.
MOST_REPLICAS = 4096


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lengths(_Part):
    """Tokens of prompts or answers: mean, and how far they spread (standard deviation); drawn log-normally."""

    mean: float = Field(gt=0)
    spread: float = Field(default=0.0, ge=0)

    def draw(self, dice: random.Random) -> int:
        """One of them, at least 1."""
        if not self.spread:
            return max(1, round(self.mean))
        variance = math.log1p((self.spread / self.mean) ** 2)
        return max(1, round(dice.lognormvariate(math.log(self.mean) - variance / 2, math.sqrt(variance))))


class Load(_Part):
    """What is asked.

    requests_a_day: of all customers; ``peak_a_second``: in the busiest minute.
    prompt, answer: tokens.
    shared_prefix:  share of a prompt's tokens that the server has read before (prefix cache).
    without_model:  share of the questions that no model is asked for: cached, curated, refused before, quoted.
    target_s:       seconds within which 95 of 100 answers are whole.
    """

    requests_a_day: float = Field(gt=0)
    peak_a_second: float = Field(gt=0)
    prompt: Lengths = Lengths(mean=700, spread=150)
    answer: Lengths = Lengths(mean=45, spread=25)
    shared_prefix: float = Field(default=0.0, ge=0, lt=1)
    without_model: float = Field(default=0.0, ge=0, lt=1)
    target_s: float = Field(default=5.0, gt=0)

    @property
    def asked_at_peak(self) -> float:
        """Questions a second that reach a model."""
        return self.peak_a_second * (1 - self.without_model)


class Speed(_Part):
    """Tokens a second that one replica writes, all answers together, while so many are written."""

    at_once: int = Field(ge=1)
    tokens_a_second: float = Field(gt=0)


class Measured(_Part):
    """What one replica can do.

    name:       machine and model.
    written:    speeds, at least one.
    read:       tokens of prompts a second.
    at_once:    answers written at a time; more wait.
    kv_bytes:   of a token in the cache; ``kv_gib`` is how much cache a replica has.
    units:      cards or cores of a replica; ``cost`` of one for an hour.
    overhead_s: of a request beside reading and writing: the way there, retrieval, checks.
    """

    name: str
    written: tuple[Speed, ...] = Field(min_length=1)
    read: float = Field(gt=0)
    at_once: int = Field(default=256, ge=1)
    kv_bytes: int = Field(default=0, ge=0)
    kv_gib: float = Field(default=0.0, ge=0)
    unit: str = "card"
    units: int = Field(default=1, ge=1)
    cost: float = Field(default=0.0, ge=0)
    overhead_s: float = Field(default=0.0, ge=0)

    def step_s(self, running: int) -> float:
        """Seconds of a step that writes one token of each running answer, between what was measured."""
        points = sorted((speed.at_once, speed.at_once / speed.tokens_a_second) for speed in self.written)
        counts = [count for count, _ in points]
        place = bisect_left(counts, running)
        if place == 0:
            return points[0][1]
        if place == len(points):
            # Beyond what was measured each further answer costs what the last ones did on average.
            count, seconds = points[-1]
            return seconds * running / count
        (low, fast), (high, slow) = points[place - 1], points[place]
        return fast + (slow - fast) * (running - low) / (high - low)

    @property
    def most_written(self) -> float:
        """Tokens a second at best."""
        return max(speed.tokens_a_second for speed in self.written)


Kind = TypeVar("Kind", Load, Measured)


def read_load(path: Path | None, **changes: float | None) -> Load:
    """A described load (YAML or JSON), with what is said besides it; None says nothing.

    Raises:
        SettingsError: it cannot be read; the message names the line's key.
    """
    said = _said(path) if path is not None else {}
    given = {name: value for name, value in changes.items() if value is not None}
    return _checked(Load, {**said, **given}, str(path or "the load"))


def read_measured(path: Path) -> Measured:
    """What was measured (YAML or JSON), as benchmarks/capacity.py --json writes it.

    Raises:
        SettingsError: it cannot be read; the message names the line's key.
    """
    return _checked(Measured, _said(path), str(path))


def _said(path: Path) -> dict[str, Any]:
    import yaml

    try:
        said = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as exc:
        raise SettingsError(f"{path} cannot be read: {str(exc).splitlines()[0]}") from exc
    if not isinstance(said, dict):
        raise SettingsError(f"{path} cannot be read: it is no mapping of names to values")
    return said


def _checked(kind: type[Kind], said: dict[str, Any], name: str) -> Kind:
    try:
        return kind.model_validate(said)
    except ValidationError as exc:
        first = exc.errors()[0]
        raise SettingsError(f"{name}: {'.'.join(map(str, first['loc']))}: {first['msg']}") from exc


@dataclass(frozen=True, slots=True)
class Simulated:
    """What became of a load: seconds to the first token and to the last one, answers, and how busy a replica was (0 to 1)."""

    first_p50: float
    first_p95: float
    whole_p50: float
    whole_p95: float
    whole_p99: float
    answers: int
    busy: float
    most_running: int


@dataclass(slots=True)
class _Asked:
    """A question on its way through a replica."""

    came: float
    prompt: int
    left: int
    first: float = 0.0


def simulate(
    measured: Measured, load: Load, a_second: float, *, seed: int = 7, seconds: float = SIMULATED_S
) -> Simulated:
    """One replica that is asked so often.

    a_second: questions that reach it, on average.
    """
    import simpy

    dice = random.Random(seed)  # noqa: S311 - no secret
    world = simpy.Environment()
    waiting: deque[_Asked] = deque()
    done: list[tuple[float, float]] = []
    came = simpy.Store(world)
    warm = seconds / 2
    spent = {"busy": 0.0, "most": 0.0}

    def arrivals() -> Iterator[Any]:
        while len(done) < ENOUGH:
            yield world.timeout(dice.expovariate(a_second))
            prompt = load.prompt.draw(dice) * (1 - load.shared_prefix)
            waiting.append(_Asked(world.now, max(1, round(prompt)), load.answer.draw(dice)))
            if not came.items:
                came.put(None)

    def replica() -> Iterator[Any]:
        running: list[_Asked] = []
        while True:
            if not running and not waiting:
                yield came.get()
                continue
            began = world.now
            while waiting and len(running) < measured.at_once:
                # A prompt is read before its first token; what runs meanwhile waits.
                asked = waiting.popleft()
                yield world.timeout(asked.prompt / measured.read)
                running.append(asked)
            yield world.timeout(measured.step_s(len(running)))
            spent["busy"] += world.now - began
            spent["most"] = max(spent["most"], len(running))
            for asked in running:
                asked.left -= 1
                asked.first = asked.first or world.now
                if not asked.left and asked.came > warm:
                    done.append((asked.first - asked.came, world.now - asked.came))
            running = [asked for asked in running if asked.left]

    world.process(arrivals())
    world.process(replica())
    world.run(until=warm + seconds)
    # Those that still wait have waited already: leaving them out would make a server that cannot keep up look well.
    done += [(world.now - asked.came, world.now - asked.came) for asked in waiting if asked.came > warm]
    firsts, wholes = ([at[n] + measured.overhead_s for at in done] or [math.inf] for n in (0, 1))
    return Simulated(
        first_p50=quantile(firsts, 0.5),
        first_p95=quantile(firsts, 0.95),
        whole_p50=quantile(wholes, 0.5),
        whole_p95=quantile(wholes, 0.95),
        whole_p99=quantile(wholes, 0.99),
        answers=len(done),
        busy=spent["busy"] / world.now,
        most_running=int(spent["most"]),
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a load needs.

    by_thumb:  units by the rule of thumb: users at the peak / (tokens a second of a unit / 5.5).
    replicas:  by simulation: the fewest that keep the target; ``units`` of them together.
    kv_gib:    of cache that a replica fills at the peak; ``kv_fits``: whether it has that.
    cost_hour, cost_day: of all units.
    """

    by_thumb: int
    users: float
    replicas: int
    units: int
    unit: str
    at_peak: Simulated
    kv_gib: float
    kv_fits: bool
    cost_hour: float
    cost_day: float
    cost_per_thousand: float

    def as_json(self) -> dict[str, Any]:
        """Keys are stable."""
        return json.loads(json.dumps(asdict(self)))  # type: ignore[no-any-return]  # of a dataclass: a dict


def plan(measured: Measured, load: Load, *, seed: int = 7) -> Capacity:
    """The fewest replicas that answer the peak in time.

    Raises:
        SettingsError: no number of replicas does: one answer alone takes longer than the target.
    """
    alone = simulate(measured, load, 1e-3, seed=seed, seconds=1e6)
    if alone.whole_p95 > load.target_s:
        raise SettingsError(
            f"target_s: 95 of 100 answers take {alone.whole_p95:.1f} s of {measured.name} while nothing else is asked; allow more, "
            "ask for shorter answers, or measure a faster server"
        )
    # Users who are reading or waiting at the peak: those who came while an answer is written as fast as it is read.
    users = load.asked_at_peak * load.answer.mean / READING
    # Less a hair: ten that come out as 10.000000001 are ten.
    by_thumb = math.ceil(users / (measured.most_written / measured.units / READING) - 1e-9)
    low, high = 0, max(1, math.ceil(by_thumb / measured.units))
    found: dict[int, Simulated] = {}

    def keeps(replicas: int) -> bool:
        found[replicas] = simulate(measured, load, load.asked_at_peak / replicas, seed=seed)
        return found[replicas].whole_p95 <= load.target_s

    while not keeps(high):
        low, high = high, high * 2
        if high > MOST_REPLICAS:
            raise SettingsError(
                f"more than {MOST_REPLICAS} replicas of {measured.name} would be needed: measure a faster server"
            )
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    at_peak = found[high]
    kv_gib = at_peak.most_running * (load.prompt.mean + load.answer.mean) * measured.kv_bytes / 2**30
    units = high * measured.units
    day = 24 * units * measured.cost
    return Capacity(
        by_thumb=by_thumb,
        users=users,
        replicas=high,
        units=units,
        unit=measured.unit,
        at_peak=at_peak,
        kv_gib=kv_gib,
        kv_fits=not measured.kv_gib or kv_gib <= measured.kv_gib,
        cost_hour=units * measured.cost,
        cost_day=day,
        cost_per_thousand=1000 * day / load.requests_a_day,
    )


def training_seconds(tokens: float, parameters: float, cards: int, flops: float) -> float:
    """Rule of thumb: 8 x tokens x parameters / (cards x achieved floating-point operations a second); 6 for the steps, 2 for recomputing."""
    return 8 * tokens * parameters / (cards * flops)
