"""How many cards or cores a load needs: a rule of thumb, and beside it a simulation of vLLM's batching (simpy). Pure.

What a server can do comes from a measurement (benchmarks/capacity.py): how many tokens a second it writes at so many answers at
once, and how many it reads. A continuous batcher writes one token of each running answer a step, so the more run, the longer a step;
prompts are read in between. A replica is simulated step by step; arrivals are random (a Poisson process), lengths are drawn from what
was described.
"""

from __future__ import annotations

import json
import math
import random
import statistics
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ingest.errors import SettingsError
from serving.capacity_inputs import Load, Measured

# Words that people read in a second: an answer that is written faster gains nobody anything (rule of thumb, tokens taken for words).
READING = 5.5
# Seconds that are simulated at least, after half as many that only fill the server; more answers than this say nothing new.
SIMULATED_S, ENOUGH = 600.0, 20_000
# So many answers, and times an answer alone, are simulated where that takes longer: of few nobody can tell the slowest twentieth.
FEW, LONG = 2_000, 10
# A server that is busy for less than this share of the time answers each question alone.
RARE = 1e-3
# Questions whose times alone are looked at.
ALONE = 1_000
# With more, the servers are the wrong ones for the load.
MOST_REPLICAS = 4096


@dataclass(frozen=True, slots=True)
class Simulated:
    """What became of a load: seconds to the first token and to the last one, answers, and how busy a replica was (0 to 1)."""

    first_p50: float = 0.0
    first_p95: float = 0.0
    whole_p50: float = 0.0
    whole_p95: float = 0.0
    whole_p99: float = 0.0
    answers: int = 0
    busy: float = 0.0
    most_running: int = 0


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
    seconds:  that are simulated: more where few are asked, fewer where ENOUGH answers come before.
    """
    import simpy

    alone = _alone(measured, _drawn(load, seed))
    service = statistics.fmean(whole for _, whole in alone)
    if a_second * service < RARE:
        return _summed(measured, alone, busy=a_second * service, most_running=1)
    seconds = max(seconds, FEW / a_second, LONG * service)
    dice = random.Random(seed)  # noqa: S311 - no secret
    world = simpy.Environment()
    waiting: deque[_Asked] = deque()
    done: list[tuple[float, float]] = []
    came, enough = simpy.Store(world), world.event()
    warm = seconds / 2
    # ``since`` is when it ran out of questions, infinite while it has some.
    spent = {"idle": 0.0, "since": math.inf, "most": 0.0}

    def arrivals() -> Iterator[Any]:
        while True:
            yield world.timeout(dice.expovariate(a_second))
            waiting.append(_Asked(world.now, *load.draw(dice)))
            if not came.items:
                came.put(None)

    def rested() -> None:
        spent["idle"] += max(0.0, world.now - max(spent["since"], warm))
        spent["since"] = math.inf

    def replica() -> Iterator[Any]:
        running: list[_Asked] = []
        while True:
            if not running and not waiting:
                spent["since"] = world.now
                yield came.get()
                rested()
                continue
            while waiting and len(running) < measured.at_once:
                # A prompt is read before its first token; what runs meanwhile waits.
                asked = waiting.popleft()
                yield world.timeout(asked.prompt / measured.read)
                running.append(asked)
            yield world.timeout(measured.step_s(len(running)))
            spent["most"] = max(spent["most"], len(running))
            for asked in running:
                asked.left -= 1
                asked.first = asked.first or world.now
                if not asked.left and asked.came > warm:
                    done.append((asked.first - asked.came, world.now - asked.came))
            running = [asked for asked in running if asked.left]
            if len(done) >= ENOUGH:
                enough.succeed()
                return

    world.process(arrivals())
    world.process(replica())
    world.run(until=enough | world.timeout(warm + seconds))
    rested()
    # Those that still wait have waited already: leaving them out would make a server that cannot keep up look well.
    done += [(world.now - asked.came, world.now - asked.came) for asked in waiting if asked.came > warm]
    return _summed(measured, done, busy=1 - spent["idle"] / (world.now - warm), most_running=int(spent["most"]))


def _drawn(load: Load, seed: int) -> list[tuple[int, int]]:
    dice = random.Random(seed)  # noqa: S311 - no secret
    return [load.draw(dice) for _ in range(ALONE)]


def _alone(measured: Measured, drawn: Sequence[tuple[int, int]]) -> list[tuple[float, float]]:
    """Seconds to the first and the last token of questions that meet no other, without what comes on top of each."""
    step = measured.step_s(1)
    return [(prompt / measured.read + step, prompt / measured.read + answer * step) for prompt, answer in drawn]


def _summed(measured: Measured, done: Sequence[tuple[float, float]], *, busy: float, most_running: int) -> Simulated:
    firsts, wholes = ([at[n] + measured.overhead_s for at in done] or [math.inf] for n in (0, 1))
    return Simulated(
        first_p50=quantile(firsts, 0.5),
        first_p95=quantile(firsts, 0.95),
        whole_p50=quantile(wholes, 0.5),
        whole_p95=quantile(wholes, 0.95),
        whole_p99=quantile(wholes, 0.99),
        answers=len(done),
        busy=busy,
        most_running=most_running,
    )


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which a share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, math.ceil(share * len(ordered)) - 1)]


@dataclass(frozen=True, slots=True)
class Capacity:
    """What a load needs.

    by_thumb:  units by the rule of thumb: users at the peak / (tokens a second of a unit / 5.5).
    replicas:  by simulation: the fewest that keep the target, none where no model is asked; ``units`` of them together.
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
        SettingsError: no number of replicas does: one answer alone takes longer than the target, or MOST_REPLICAS are too few.
    """
    replicas, at_peak = _fewest(measured, load, seed) if load.asked_at_peak else (0, Simulated())
    # Users who are reading or waiting at the peak: those who came while an answer is written as fast as it is read.
    users = load.asked_at_peak * load.answer.mean / READING
    # Less a hair: ten that come out as 10.000000001 are ten.
    by_thumb = math.ceil(users / (measured.most_written / measured.units / READING) - 1e-9)
    kv_gib = at_peak.most_running * (load.prompt.mean + load.answer.mean) * measured.kv_bytes / 2**30
    units = replicas * measured.units
    day = 24 * units * measured.cost
    return Capacity(
        by_thumb=by_thumb,
        users=users,
        replicas=replicas,
        units=units,
        unit=measured.unit,
        at_peak=at_peak,
        kv_gib=kv_gib,
        kv_fits=not measured.kv_gib or kv_gib <= measured.kv_gib,
        cost_hour=units * measured.cost,
        cost_day=day,
        cost_per_thousand=1000 * day / load.requests_a_day,
    )


def _fewest(measured: Measured, load: Load, seed: int) -> tuple[int, Simulated]:
    drawn = _drawn(load, seed)
    least = _summed(measured, _alone(measured, drawn), busy=0, most_running=1).whole_p95
    if least > load.target_s:
        raise SettingsError(
            f"target_s (--target): {load.target_s:g} s cannot be kept: the least possible is {math.ceil(1000 * least) / 1000:.3f} s, which 95 "
            f"of 100 answers of {measured.name} take while nothing else is asked; allow more, ask for shorter answers, or measure a faster server"
        )
    # Fewer could not even keep up.
    work = statistics.fmean(prompt / measured.read + answer / measured.most_written for prompt, answer in drawn)
    needed = load.asked_at_peak * work
    too_many = SettingsError(
        f"more than {MOST_REPLICAS:,} replicas of {measured.name} would be needed: measure a faster server, or allow more than {load.target_s:g} s"
    )
    if needed > MOST_REPLICAS:
        raise too_many
    low, high = 0, max(1, math.ceil(needed))
    found: dict[int, Simulated] = {}

    def keeps(replicas: int) -> bool:
        found[replicas] = simulate(measured, load, load.asked_at_peak / replicas, seed=seed)
        return found[replicas].whole_p95 <= load.target_s

    while not keeps(high):
        if high == MOST_REPLICAS:
            raise too_many
        low, high = high, min(2 * high, MOST_REPLICAS)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if keeps(middle) else (middle, high)
    return high, found[high]
