"""/api/training-runs: begun, watched and cancelled here; carried out by the trainer (app/trainer.py), never in this process.

There is one kind of principal yet, whoever has the key: an admin.
"""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi.responses import FileResponse

from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.models import Limit, Offset, Text
from app.api.training_models import (
    LossList,
    LossPoint,
    RecipeBody,
    RecipeList,
    RunBody,
    RunDetail,
    RunList,
    StartRequest,
)
from app.training_runs import TrainingRun

router = APIRouter(prefix="/api", tags=["training"])
_PNG: dict[int | str, dict[str, Any]] = {200: {"content": {"image/png": {}}}}


@router.get("/training-recipes")
async def list_recipes(service: ServiceOf, principal: Authenticated) -> RecipeList:
    """Recipes that can be started by their names: those in the folder `recipes` of the data folder, and the shipped ones."""
    found = await asyncio.to_thread(service.training.recipes)
    return RecipeList(recipes=[RecipeBody(name=each.name, about=each.about) for each in found])


@router.post("/training-runs", status_code=202)
async def start_run(body: StartRequest, service: ServiceOf, principal: Authenticated) -> RunBody:
    """Queue a run; one is carried out at a time. What is wrong with its recipe is the reason that it fails for."""
    return _body(await asyncio.to_thread(service.training.start, body.recipe))


@router.get("/training-runs")
async def list_runs(service: ServiceOf, principal: Authenticated, limit: Limit = 50, offset: Offset = 0) -> RunList:
    """Runs, the newest first."""
    found = await asyncio.to_thread(service.training.all, limit, offset)
    return RunList(
        runs=[_body(each) for each in found], trainer=await asyncio.to_thread(lambda: service.training.trainer)
    )


@router.get("/training-runs/{run_id}")
async def show_run(run_id: Text, service: ServiceOf, principal: Authenticated) -> RunDetail:
    """How far a run is, and what came of it."""
    return RunDetail(**asdict(await asyncio.to_thread(service.training.get, run_id)))


@router.get("/training-runs/{run_id}/losses")
async def show_losses(
    run_id: Text,
    service: ServiceOf,
    principal: Authenticated,
    most: Annotated[int, Query(ge=2, le=100_000, description="Steps at most.")] = 1000,
) -> LossList:
    """The losses so far."""
    trained, held_out = await asyncio.to_thread(service.training.losses, run_id, most)
    return LossList(
        training=[LossPoint(step=step, loss=loss) for step, loss in trained],
        held_out=[LossPoint(step=step, loss=loss) for step, loss in held_out],
    )


@router.get("/training-runs/{run_id}/curve.png", response_class=FileResponse, responses=_PNG)
async def show_curve(run_id: Text, service: ServiceOf, principal: Authenticated) -> FileResponse:
    """The losses so far as a picture, drawn anew every few steps."""
    path = await asyncio.to_thread(service.training.curve, run_id)
    return FileResponse(path, media_type="image/png", headers={"Cache-Control": "no-store"})


@router.post("/training-runs/{run_id}/cancel")
async def cancel_run(run_id: Text, service: ServiceOf, principal: Authenticated) -> RunBody:
    """End a run: one that waits at once, one that trains after the step it is in. Its checkpoint stays."""
    return _body(await asyncio.to_thread(service.training.cancel, run_id))


@router.post("/training-runs/{run_id}/resume", status_code=202)
async def resume_run(run_id: Text, service: ServiceOf, principal: Authenticated) -> RunBody:
    """Queue a cancelled run again; it goes on from its last checkpoint."""
    return _body(await asyncio.to_thread(service.training.resume, run_id))


def _body(run: TrainingRun) -> RunBody:
    said = asdict(run)
    del said["text"]
    return RunBody(**said)
