"""The client's calls about training runs; part of ui.client.Client."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ui.replies import field_of, path_of, read_reply

URL = "/api/training-runs"


@dataclass(frozen=True, slots=True)
class TrainingRecipe:
    """A recipe that can be started by its name, and what it says of itself."""

    name: str
    about: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """A run; ``done`` of ``total`` is how far its ``stage`` is, ``step`` of ``steps`` how far the training is."""

    id: str
    recipe: str
    state: str
    reason: str
    release: str
    stage: str
    done: int
    total: int
    step: int
    steps: int
    loss: float | None
    held_out_loss: float | None
    tokens_per_second: float | None
    eta_s: float | None
    created_at: str | None
    ended_at: str | None

    @property
    def open(self) -> bool:
        """Whether it waits or is carried out."""
        return self.state in ("queued", "running")


@dataclass(frozen=True, slots=True)
class TrainingRuns:
    """Some runs, the newest first, and whether the process that carries them out is there."""

    runs: list[TrainingRun]
    trainer: bool


@dataclass(frozen=True, slots=True)
class LossPoint:
    """The loss at a step."""

    step: int
    loss: float


@dataclass(frozen=True, slots=True)
class Losses:
    """Losses of training and of what is held out."""

    training: list[LossPoint]
    held_out: list[LossPoint]


class TrainingCalls:
    """Recipes and runs. Every method raises ApiError."""

    def _call(self, method: str, path: str, **arguments: Any) -> Any:
        raise NotImplementedError

    def training_recipes(self) -> list[TrainingRecipe]:
        """Recipes that can be started by their names."""
        found = field_of(self._call("GET", "/api/training-recipes"), "recipes")
        return [read_reply(TrainingRecipe, each) for each in found]

    def training_runs(self, *, limit: int = 20) -> TrainingRuns:
        """Runs, the newest first."""
        return read_reply(TrainingRuns, self._call("GET", URL, params={"limit": limit}))

    def training_losses(self, run_id: str, most: int = 300) -> Losses:
        """The losses so far, of so many steps at most."""
        return read_reply(Losses, self._call("GET", f"{URL}/{path_of(run_id)}/losses", params={"most": most}))

    def start_training(self, recipe: str) -> TrainingRun:
        """Queue a run of a recipe."""
        return read_reply(TrainingRun, self._call("POST", URL, json={"recipe": recipe}))

    def cancel_training(self, run_id: str) -> TrainingRun:
        """End a run; its checkpoint stays."""
        return read_reply(TrainingRun, self._call("POST", f"{URL}/{path_of(run_id)}/cancel"))

    def resume_training(self, run_id: str) -> TrainingRun:
        """Queue a cancelled run again."""
        return read_reply(TrainingRun, self._call("POST", f"{URL}/{path_of(run_id)}/resume"))
