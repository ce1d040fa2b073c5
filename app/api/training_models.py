"""What goes over the wire about training runs."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, Field

from app.api.models import Moment, Request, Text
from app.training_runs import State

RecipeName = Annotated[Text, Field(min_length=1, max_length=100, examples=["demo.yaml"])]


class StartRequest(Request):
    """A run to begin."""

    recipe: Annotated[
        RecipeName | dict[str, Any],
        Field(
            description="The name of a recipe file (`GET /api/training-recipes`), or what one would say. One that is sent "
            "names no files and no base of its own."
        ),
    ]


class RecipeBody(BaseModel):
    """A recipe that can be started by its name."""

    name: str
    about: str


class RecipeList(BaseModel):
    """All of them."""

    recipes: list[RecipeBody]


class RunBody(BaseModel):
    """A training run. `done` of `total` is how far its `stage` is, 0 where nobody knows; `step` of `steps` how far the training is."""

    id: str
    recipe: str
    state: State
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
    created_at: Moment | None
    started_at: Moment | None
    ended_at: Moment | None


class RunDetail(RunBody):
    """A run with the recipe as it was when it was queued."""

    text: str


class RunList(BaseModel):
    """Some runs, the newest first; `trainer` says whether the process that carries them out is there."""

    runs: list[RunBody]
    trainer: bool


class LossPoint(BaseModel):
    """The loss at a step."""

    step: int
    loss: float


class LossList(BaseModel):
    """Losses of training and of what is held out; training is thinned out where there are more steps than were asked for."""

    training: list[LossPoint]
    held_out: list[LossPoint]
