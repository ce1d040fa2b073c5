"""The gate: what a release must reach before it may answer customers. It fails closed: what cannot be measured is not passed.

A gate is a YAML file:

    evaluations:
      given: {dataset: ../data/questions, passages: given, style: short, limit: 120, general: true}
    lines:
      - {metric: given.f1, at_least: 0.5}
      - {metric: given.f1, at_least: 0.05, over: base, interval: true}
      - {metric: given.general, at_least: -0.05, over: base}
      - {metric: given.latency_ms_p95, at_most: 1.5, times: live}
      - {metric: parity, at_least: 0.9}

Of a release that was converted from another (`releases quantize`), lines may compare with its ``parent``, and with what both cost:

      - {metric: given.f1, at_least: -0.03, over: parent}
      - {metric: size_mib, at_most: 0.7, times: parent}
      - {metric: memory_mib, at_most: 1.0, times: parent}
      - {metric: token_ms, at_most: 1.0, times: parent}
      - {metric: read_ms, at_most: 1.2, times: parent}

``over`` compares the difference to another release, ``times`` the ratio; with ``interval`` the whole 95 % interval must keep to
the bound, not the value alone. The name of the evaluation may be left out where there is one only. ``parity`` is the share of
prompts that the served weights answer word for word as the trained ones; of a converted release, as its parent does.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from finetune.answer_compare import PAIRED, difference
from finetune.answer_runs import AnswerRun, paired
from finetune.errors import GateError, RunMismatch
from finetune.significance import interval

PARITY = "parity"
# (value, its interval)
Found = tuple[float, tuple[float, float] | None]
# What has no evaluation: figures of the release itself (serving.costs).
COSTS = ("size_mib", "memory_mib", "load_s", "read_ms", "token_ms")
PARENT = "parent"
Other = Literal["live", "base", "parent"]


class GateEvaluation(BaseModel):
    """What is asked before the lines are looked at; as the options of `eval answers`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    dataset: Path
    passages: Literal["given", "retrieved", "none"] = "given"
    style: Literal["sentence", "short"] = "short"
    limit: int | None = Field(default=None, ge=1)
    general: bool = False


class GateLine(BaseModel):
    """One condition."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str
    at_least: float | None = None
    at_most: float | None = None
    over: Other | None = None
    times: Other | None = None
    interval: bool = False

    @model_validator(mode="after")
    def _one_bound(self) -> GateLine:
        if (self.at_least is None) == (self.at_most is None):
            raise ValueError(f"{self.metric}: give it at_least or at_most, one of the two")
        if self.over and self.times:
            raise ValueError(f"{self.metric}: give it over (a difference) or times (a ratio), not both")
        if self.times and self.interval:
            raise ValueError(f"{self.metric}: a ratio has no interval; leave it out, or compare with over")
        return self

    @property
    def other(self) -> Other | None:
        """The release that it compares with."""
        return self.over or self.times

    def __str__(self) -> str:
        bound = f"at least {self.at_least:g}" if self.at_least is not None else f"at most {self.at_most:g}"
        beside = f" over {self.over}" if self.over else f" times {self.times}" if self.times else ""
        return f"{self.metric} {bound}{beside}{' with its interval' if self.interval else ''}"


class Gate(BaseModel):
    """A gate file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    evaluations: dict[str, GateEvaluation] = Field(min_length=1)
    lines: list[GateLine] = Field(min_length=1)
    sha256: str = ""

    @model_validator(mode="after")
    def _known(self) -> Gate:
        for line in self.lines:
            self.place_of(line.metric)
        return self

    def place_of(self, metric: str) -> tuple[str, str]:
        """(evaluation, figure) of a metric; parity and costs have no evaluation.

        Raises:
            ValueError: it names none.
        """
        if metric == PARITY or metric in COSTS:
            return "", metric
        first, _, rest = metric.partition(".")
        if first in self.evaluations and rest:
            return first, rest
        if len(self.evaluations) == 1:
            return next(iter(self.evaluations)), metric
        raise ValueError(f"{metric}: begin it with one of {', '.join(self.evaluations)} and a dot")


@dataclass(frozen=True, slots=True)
class Checked:
    """A line with what was found. low, high: of the interval, where one was asked for."""

    line: str
    passed: bool
    reason: str
    value: float | None = None
    interval: tuple[float, float] | None = None

    def as_json(self) -> dict[str, Any]:
        """One entry of ``lines``."""
        return {
            "line": self.line,
            "passed": self.passed,
            "reason": self.reason,
            "value": None if self.value is None else round(self.value, 4),
            "interval": None if self.interval is None else [round(bound, 4) for bound in self.interval],
        }


# The run of a release in an evaluation; who is "this", "live", "base" or "parent".
Runs = Callable[[str, str], AnswerRun]
# What a release costs; who is "this" or "parent".
CostsOf = Callable[[str], Mapping[str, float]]


def nobody_measures(_who: str) -> Mapping[str, float]:
    """Where costs are not measured, a line about them does not pass."""
    raise ValueError("what releases cost is not measured here")


def read_gate(path: Path) -> Gate:
    """A gate file; its datasets are found beside it.

    Raises:
        GateError: it cannot be read, or says something that no gate says.
    """
    try:
        text = path.read_text(encoding="utf-8")
        said = yaml.safe_load(text)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise GateError(f"{path} cannot be read: {str(exc).splitlines()[0]}") from exc
    try:
        gate = Gate.model_validate(said)
    except ValidationError as exc:
        problem = exc.errors()[0]
        where = ".".join(str(part) for part in problem["loc"])
        raise GateError(
            f"{path}: {where + ': ' if where else ''}{problem['msg'].removeprefix('Value error, ')}"
        ) from exc
    found = {
        name: each.model_copy(update={"dataset": path.parent / each.dataset}) for name, each in gate.evaluations.items()
    }
    return gate.model_copy(update={"evaluations": found, "sha256": hashlib.sha256(text.encode()).hexdigest()})


def check(gate: Gate, runs: Runs, parity: Callable[[], float], costs: CostsOf = nobody_measures) -> list[Checked]:
    """Look at every line; a figure that is not there does not pass.

    runs, parity, costs: asked for only what the lines need.
    """
    return [_checked(line, partial(_measured, gate, line, runs, parity, costs)) for line in gate.lines]


def _checked(line: GateLine, measured: Callable[[], Found]) -> Checked:
    try:
        value, bounds = measured()
    except (KeyError, ValueError, RunMismatch) as exc:
        said = f"there is no figure {exc}" if isinstance(exc, KeyError) else str(exc)
        return Checked(str(line), False, f"{line.metric}: {said}")
    low, high = bounds if line.interval and bounds is not None else (value, value)
    passed = low >= line.at_least if line.at_least is not None else high <= float(line.at_most or 0.0)
    found = f"{value:.4g}" + (f" ({low:.4g} to {high:.4g})" if line.interval else "")
    return Checked(str(line), passed, f"{line}: found {found}", value, bounds if line.interval else None)


def _measured(gate: Gate, line: GateLine, runs: Runs, parity: Callable[[], float], costs: CostsOf) -> Found:
    evaluation, figure = gate.place_of(line.metric)
    if figure == PARITY:
        if line.other or line.interval:
            raise ValueError("parity is compared with nothing and has no interval")
        return parity(), None
    if figure in COSTS:
        return _cost(line, costs), None
    mine = runs("this", evaluation)
    if line.other is None:
        value, bounds = _figure(mine, figure)
        if line.interval and bounds is None:
            raise ValueError("it has no interval")
        return value, bounds
    theirs = runs(line.other, evaluation)
    if line.times:
        divisor = _figure(theirs, figure)[0]
        if not divisor:
            raise ValueError(f"that of {line.other} is 0: a ratio says nothing")
        return _figure(mine, figure)[0] / divisor, None
    steps = _figure(mine, figure)[0] - _figure(theirs, figure)[0]
    if not line.interval:
        return steps, None
    if figure == "general":
        return steps, interval(_general_steps(mine, theirs))
    found = difference(figure, paired(mine, theirs)) if figure in PAIRED else None
    if found is None:
        raise ValueError("two releases have no pairs of it, so the difference has no interval")
    return steps, found.interval


def _cost(line: GateLine, costs: CostsOf) -> float:
    if line.interval or line.other not in (None, PARENT):
        raise ValueError("what a release costs is compared with its parent only, and has no interval")
    mine = costs("this")[line.metric]
    if line.other is None:
        return mine
    theirs = costs(PARENT)
    if line.over:
        return mine - theirs[line.metric]
    # Of times, the ratio within a round says more than that of two medians.
    within = costs("this").get(line.metric.replace("_ms", "_times")) if line.metric.endswith("_ms") else None
    return mine / theirs[line.metric] if within is None else within


def _figure(run: AnswerRun, name: str) -> Found:
    report: Mapping[str, Any] = run.report
    if name == "general":
        general = report["general"]
        return float(general["contains"]), tuple(general["interval"])
    if name.startswith("labels."):
        return float(report["labels"][name.removeprefix("labels.")]), None
    bounds = report["intervals"].get(name)
    return float(report[name]), tuple(bounds) if bounds else None


def _general_steps(run: AnswerRun, other: AnswerRun) -> Sequence[float]:
    right = {each["qid"]: float(each["right"]) for each in other.report["general"]["answers"]}
    mine = {each["qid"]: float(each["right"]) for each in run.report["general"]["answers"]}
    if mine.keys() != right.keys():
        raise ValueError("the releases were asked different general questions")
    return [mine[qid] - right[qid] for qid in sorted(mine)]


def verdict(
    gate: Gate, checked: Sequence[Checked], runs: Sequence[str], at: str, beside: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """What is kept with the release.

    beside: the release and its parent, figure by figure; only of one that was converted.
    """
    kept = {
        "passed": all(each.passed for each in checked),
        "at": at,
        "gate": gate.sha256,
        "runs": sorted(set(runs)),
        "lines": [each.as_json() for each in checked],
    }
    return kept if beside is None else {**kept, "beside": dict(beside)}
