"""A model server's figures: vLLM's exposition in Prometheus' text format to the few numbers that people look at. Pure.

Names are those of vLLM 0.32 (vllm/v1/metrics/loggers.py). Counters are read twice: since the server's start they say little
of how it is now.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

RUNNING, WAITING, CACHE_FULL = "vllm:num_requests_running", "vllm:num_requests_waiting", "vllm:kv_cache_usage_perc"
WRITTEN, READ = "vllm:generation_tokens_total", "vllm:prompt_tokens_total"
ASKED, FOUND = "vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total"
# Seconds that tokens a second are taken over, and those of the cache's hit rate, which moves with every question.
TOKENS_S, HITS_S = 60.0, 300.0
_WANTED = (RUNNING, WAITING, CACHE_FULL, WRITTEN, READ, ASKED, FOUND)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a server said at a time.

    at:              seconds of a clock that never goes back.
    cache_full:      share of the key-value cache that is in use, 0 to 1.
    written, read:   tokens of answers and of prompts since its start.
    asked, found:    tokens of prompts looked up in the prefix cache, and found there.
    """

    at: float
    running: float
    waiting: float
    cache_full: float
    written: float
    read: float
    asked: float
    found: float


@dataclass(frozen=True, slots=True)
class Figures:
    """How a server is doing; None where it is not known yet, or where nothing was asked.

    written_per_s, read_per_s: tokens a second over the last minute.
    hit_rate:                  share of prompts' tokens found in the prefix cache over the last five minutes.
    hit_rate_since_start:      the same since the server's start.
    """

    running: int
    waiting: int
    cache_full: float
    written_per_s: float | None
    read_per_s: float | None
    hit_rate: float | None
    hit_rate_since_start: float | None


def read(exposition: str, at: float) -> Reading | None:
    """The numbers of an exposition; None where it is not vLLM's. Several engines of one server are added up."""
    # Parsing takes long for its hundreds of histogram lines, of which none is wanted.
    lines = "\n".join(line for line in exposition.splitlines() if line.startswith(_WANTED))
    found: dict[str, list[float]] = {}
    try:
        for family in text_string_to_metric_families(lines + "\n"):
            for sample in family.samples:
                found.setdefault(sample.name, []).append(float(sample.value))
    except ValueError:
        return None
    if RUNNING not in found:
        return None

    def total(name: str) -> float:
        return sum(found.get(name, ()))

    return Reading(
        at=at,
        running=total(RUNNING),
        waiting=total(WAITING),
        cache_full=max(found.get(CACHE_FULL, (0.0,))),
        written=total(WRITTEN),
        read=total(READ),
        asked=total(ASKED),
        found=total(FOUND),
    )


class History:
    """A server's latest readings."""

    def __init__(self) -> None:
        self._readings: deque[Reading] = deque()

    def add(self, reading: Reading) -> None:
        """Take one; a server that began anew is known from then on only."""
        if self._readings and _began_anew(self._readings[-1], reading):
            self._readings.clear()
        self._readings.append(reading)
        while len(self._readings) > 2 and reading.at - self._readings[1].at >= HITS_S:
            self._readings.popleft()

    def figures(self) -> Figures | None:
        """How it is doing; None before anything was read."""
        if not self._readings:
            return None
        last = self._readings[-1]
        minute, five = _since(self._readings, TOKENS_S), self._readings[0]
        return Figures(
            running=int(last.running),
            waiting=int(last.waiting),
            cache_full=last.cache_full,
            written_per_s=_share(last.written - minute.written, last.at - minute.at),
            read_per_s=_share(last.read - minute.read, last.at - minute.at),
            hit_rate=_share(last.found - five.found, last.asked - five.asked),
            hit_rate_since_start=_share(last.found, last.asked),
        )


def _began_anew(before: Reading, now: Reading) -> bool:
    return any(getattr(now, name) < getattr(before, name) for name in ("written", "read", "asked", "found"))


def _since(readings: Iterable[Reading], seconds: float) -> Reading:
    """The earliest reading that is no older than some seconds before the last."""
    kept = list(readings)
    return next(reading for reading in kept if kept[-1].at - reading.at <= seconds)


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None
