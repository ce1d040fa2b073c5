"""/api/knowledge-bases/{kb}/index: where a knowledge base's index is; optimize, rebuild, migrate, snapshot, restore."""

from __future__ import annotations

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.answering import find_kb
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.models import KbName, Request, Text
from app.indexing import Task, check_archive, do, show
from app.service import Service
from ingest.errors import NotFound
from ingest.schema import Principal

router = APIRouter(prefix="/api/knowledge-bases/{kb}/index", tags=["indexes"])


class IndexRequest(Request):
    """Long work on an index.

    `model`, `engine`: for `migrate`; the settings' embedder, and the engine as it is, when not given. `archive`: for
    `snapshot` and `restore`, the name of a file in the folder `snapshots` of the data folder.
    """

    task: Literal["optimize", "rebuild", "reembed", "migrate", "snapshot", "restore"]
    model: Annotated[Text, Field(min_length=1, max_length=300)] | None = None
    engine: Literal["edge", "server"] | None = None
    archive: Annotated[Text, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,150}\.zip$")] | None = None


class TaskBody(BaseModel):
    """The last piece of long work; `problem` and `error` (its kind) say why it failed, `result` what came of it."""

    task: str
    state: Literal["idle", "running", "done", "failed"]
    stage: str
    done: int
    total: int
    problem: str
    error: str
    result: dict[str, object]


class Building(BaseModel):
    """An index that is being built beside the one that answers."""

    task: str
    engine: str
    model: str
    points: int


class IndexBody(BaseModel):
    """Where an index is; `task` is None before the first one since the start."""

    kb: str
    engine: str
    model: str
    dimensions: int
    points: int
    building: Building | None
    task: TaskBody | None


@router.get("")
async def show_index(kb: KbName, service: ServiceOf, principal: Authenticated) -> IndexBody:
    """Where it is, what is being built beside it, and how far long work has come."""
    return await _body(service, kb, principal)


@router.post("", status_code=202)
async def begin_index_task(kb: KbName, body: IndexRequest, service: ServiceOf, principal: Authenticated) -> TaskBody:
    """Begin long work; `GET` of the same address says how far it is. Questions are answered meanwhile.

    `restore` brings the knowledge base of an archive back under the name in the address.
    """
    asked = body.model_dump()
    base = None if body.task == "restore" else await find_kb(service, kb, principal)
    workspace = service.workspace
    await asyncio.to_thread(check_archive, workspace, asked)
    task = service.indexes.begin(kb, body.task, lambda report: do(workspace, base, {**asked, "name": kb}, report))
    return _task(task)


@router.delete("", status_code=200)
async def cancel_index_build(kb: KbName, service: ServiceOf, principal: Authenticated) -> IndexBody:
    """Give up an index that is being built; the one that answers stays."""
    base = await find_kb(service, kb, principal)
    await asyncio.to_thread(service.workspace.mover.give_up, base)
    return await _body(service, kb, principal)


async def _body(service: Service, kb: str, principal: Principal) -> IndexBody:
    # Before the index is looked at: what a task has done is there once it says so.
    task = service.indexes.of(kb)
    try:
        base = await find_kb(service, kb, principal)
    except NotFound:
        if task is None:
            raise
        # It is being restored.
        found = {"kb": kb, "engine": "", "model": "", "dimensions": 0, "points": 0, "building": None}
    else:
        found = await asyncio.to_thread(show, service.workspace, base)
    return IndexBody.model_validate({**found, "task": _task(task) if task is not None else None})


def _task(task: Task) -> TaskBody:
    return TaskBody(
        task=task.kind,
        state=task.state,
        stage=task.stage,
        done=task.done,
        total=task.total,
        problem=task.problem,
        error=task.error,
        result=task.result,
    )
