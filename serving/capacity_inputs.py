"""What capacity is planned from: a load, what one replica was measured to do, a training. Pure but for the files read."""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from ingest.errors import SettingsError

DAY_S = 86_400
# A mean for a day that was rounded before it was said is still a peak.
_ROUNDED = 0.99


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    # Options of the command line that say the same as a field.
    options: ClassVar[dict[str, str]] = {}


class Lengths(_Part):
    """Tokens of prompts or answers: mean, and how far they spread (standard deviation); drawn log-normally."""

    mean: float = Field(gt=0, le=1e6)
    spread: float = Field(default=0.0, ge=0, le=1e6)

    def draw(self, dice: random.Random) -> int:
        """One of them, at least 1."""
        if not self.spread:
            return max(1, round(self.mean))
        # log(1 + (spread / mean)^2), whose square may be too large for a float.
        variance = 2 * math.log(math.hypot(1, self.spread / self.mean))
        return max(1, round(dice.lognormvariate(math.log(self.mean) - variance / 2, math.sqrt(variance))))


class Load(_Part):
    """What is asked.

    requests_a_day: of all customers; ``peak_a_second``: in the busiest minute, so no fewer than the day's mean.
    prompt, answer: tokens.
    shared_prefix:  share of a prompt's tokens that the server has read before (prefix cache).
    without_model:  share of the questions that no model is asked for: cached, curated, refused before, quoted; 1 for all.
    target_s:       seconds within which 95 of 100 answers are whole.
    """

    options: ClassVar[dict[str, str]] = {
        "requests_a_day": "--requests-a-day",
        "peak_a_second": "--peak",
        "without_model": "--without-model",
        "target_s": "--target",
    }
    requests_a_day: float = Field(gt=0)
    peak_a_second: float = Field(gt=0)
    prompt: Lengths = Lengths(mean=700, spread=150)
    answer: Lengths = Lengths(mean=45, spread=25)
    shared_prefix: float = Field(default=0.0, ge=0, lt=1)
    without_model: float = Field(default=0.0, ge=0, le=1)
    target_s: float = Field(default=5.0, gt=0)

    @model_validator(mode="after")
    def _peaks(self) -> Self:
        mean = self.requests_a_day / DAY_S
        if self.peak_a_second < _ROUNDED * mean:
            raise ValueError(
                f"peak_a_second (--peak): {self.peak_a_second:g} questions a second in the busiest minute are fewer than "
                f"the day's mean of {mean:.4g} (requests_a_day, --requests-a-day: {self.requests_a_day:g})"
            )
        return self

    @property
    def asked_at_peak(self) -> float:
        """Questions a second that reach a model."""
        return self.peak_a_second * (1 - self.without_model)

    def draw(self, dice: random.Random) -> tuple[int, int]:
        """One question: tokens of its prompt that are to be read, and of its answer; each at least 1."""
        prompt = self.prompt.draw(dice) * (1 - self.shared_prefix)
        return max(1, round(prompt)), self.answer.draw(dice)


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
    kv_bytes:   of a token in the cache, 0 for not known; ``kv_gib`` is how much cache a replica has.
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


class Training(_Part):
    """A training.

    tokens:     that are seen, each as often as it is seen.
    parameters: of the model.
    flops:      floating-point operations a second that each of the ``cards`` achieves.
    """

    options: ClassVar[dict[str, str]] = {
        "tokens": "--train-tokens",
        "parameters": "--train-parameters",
        "cards": "--train-cards",
        "flops": "--train-flops",
    }
    tokens: float = Field(gt=0, le=1e18)
    parameters: float = Field(gt=0, le=1e15)
    cards: int = Field(default=1, ge=1, le=1_000_000)
    flops: float = Field(ge=1)

    @property
    def seconds(self) -> float:
        """Rule of thumb: 8 x tokens x parameters / (cards x flops); 6 for the steps, 2 for recomputing."""
        return 8 * self.tokens * self.parameters / (self.cards * self.flops)


Kind = TypeVar("Kind", bound=_Part)


def read_load(path: Path | None, **changes: float | None) -> Load:
    """A described load (YAML or JSON), with what is said besides it; None says nothing.

    Raises:
        SettingsError: it cannot be read; the message names the line's key, and the option that says the same.
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


def read_training(**said: float | None) -> Training | None:
    """A training by its fields; None for one says nothing, and where nothing is said there is none.

    Raises:
        SettingsError: something is missing or cannot be; the message names the option.
    """
    given = {name: value for name, value in said.items() if value is not None}
    return _checked(Training, given, "the training") if given else None


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
        place = ".".join(map(str, first["loc"]))
        if place in kind.options:
            place = f"{place} ({kind.options[place]})"
        # A check of the whole names what it is about by itself.
        told = [name, place, first["msg"].removeprefix("Value error, ")]
        raise SettingsError(": ".join(part for part in told if part)) from exc
