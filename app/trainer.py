"""The trainer: a process of its own that carries out training runs, one at a time, as durable workflows (DBOS).

It has its own name, version and database, apart from the server's, and asks the server for pairs over HTTP: it never opens
the data folder's index. A step that is done is not done again after a crash; the one that trains goes on from its last
checkpoint. While it waits it has loaded nothing heavy, and after its last run it starts itself anew: memory goes back.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from dbos import DBOS, DBOSConfig
from filelock import FileLock, Timeout

from app.durable import JsonSerializer, executor_id
from app.errors import Conflict
from app.training_runs import (
    ALIVE,
    APPLICATION,
    APPLICATION_VERSION,
    QUEUE,
    RUNS,
    SCHEMA,
    WORKFLOW,
    database_of,
    migrated,
)
from app.training_work import Stopping, Work
from ingest.errors import FrontdeskError

if TYPE_CHECKING:
    from app.workspace import Settings

log = logging.getLogger(__name__)
LOOK_S = 1.0
# Answering comes first: the trainer gets what is left of the machine.
NICENESS = 10
# How long a run has for the step it is in when the trainer is to stop.
GRACE_S = 600.0
_OPEN = ["PENDING", "ENQUEUED", "DELAYED"]


_work: Work | None = None


def _current() -> Work:
    if _work is None or _work.stop.is_set():
        raise Stopping
    return _work


def _guarded(run_id: str, step: Callable[[Work], dict[str, str]]) -> dict[str, str]:
    """Carry out a step; what goes wrong is its outcome, with a reason that a person can act on."""
    work = _current()
    try:
        return {"problem": "", **step(work)}
    except FrontdeskError as exc:
        if work.stop.is_set() or work.cancelled.is_set():
            raise Stopping from exc
        log.warning("training run %s failed: %s", run_id, exc)
        return {"problem": str(exc)}
    except Exception as exc:
        log.exception("training run %s failed", run_id)
        return {"problem": f"it failed ({type(exc).__name__}: {str(exc)[:500]}); the trainer's log has more"}


@DBOS.step(name="gather")
def _gather(run_id: str, name: str, text: str, folder: str | None) -> dict[str, str]:
    return _guarded(run_id, lambda work: work.gather(name, text, folder))


@DBOS.step(name="train")
def _train(run_id: str, name: str, text: str, folder: str | None, live: str) -> dict[str, str]:
    return _guarded(run_id, lambda work: work.train(name, text, folder, live))


@DBOS.step(name="release")
def _release(run_id: str, name: str, text: str, folder: str | None) -> dict[str, str]:
    return _guarded(run_id, lambda work: work.release(name, text, folder))


@DBOS.workflow(name=WORKFLOW, max_recovery_attempts=None)
def carry_out_run(name: str, text: str, folder: str | None) -> dict[str, str]:
    """A run from its recipe to a release, or to a reason.

    name:   the recipe's file, or "sent".
    folder: what paths in the recipe are relative to; None for one that was sent.
    """
    run_id = str(DBOS.workflow_id)
    _current().begin(run_id)
    gathered = _gather(run_id, name, text, folder)
    if gathered["problem"]:
        return gathered
    trained = _train(run_id, name, text, folder, gathered["live"])
    return trained if trained["problem"] else _release(run_id, name, text, folder)


def serve(settings: Settings, stop: threading.Event, work_of: Callable[[Settings], Work] = Work) -> bool:
    """Carry out runs until told to stop; returns whether it ended to give memory back, and is to be started anew.

    work_of: makes what the steps work with.

    Raises:
        Conflict: another trainer has this data folder.
    """
    global _work
    home = settings.ingest.home
    with _alone(home):
        _work = work = work_of(settings)
        url = database_of(home, settings.ingest.sqlalchemy_url)
        migrated(home, url)
        config: DBOSConfig = {
            "name": APPLICATION,
            "system_database_url": url,
            "dbos_system_schema": SCHEMA,
            "application_version": APPLICATION_VERSION,
            "executor_id": executor_id(home / "trainer-id"),
            "serializer": JsonSerializer(),
            "log_level": "WARNING",
        }
        DBOS(config=config)
        try:
            DBOS.launch()
            # One at a time, whatever the number of trainers.
            DBOS.register_queue(QUEUE, worker_concurrency=1, global_concurrency=1, polling_interval_sec=LOOK_S)
            return _watch(work, stop)
        finally:
            work.stop.set()
            DBOS.destroy(workflow_completion_timeout_sec=int(GRACE_S))
            _work = None


def _watch(work: Work, stop: threading.Event) -> bool:
    alive = work.settings.ingest.home / RUNS / ALIVE
    alive.parent.mkdir(parents=True, exist_ok=True)
    idle = 0
    while not stop.wait(LOOK_S):
        alive.touch()
        cancelled = work.cancelled
        if work.run_id and not cancelled.is_set():
            status = DBOS.get_workflow_status(work.run_id)
            if status is not None and status.status == "CANCELLED":
                cancelled.set()
        # Twice, for a run that was cancelled is still at its last step, and one may have been queued between two looks.
        idle = idle + 1 if work.ran and not DBOS.list_workflows(status=_OPEN, load_input=False) else 0
        if idle > 1 and "torch" in sys.modules:
            return True
    alive.unlink(missing_ok=True)
    return False


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    home.mkdir(parents=True, exist_ok=True)
    lock = FileLock(home / "trainer.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as exc:
        raise Conflict(
            f"another trainer works on {home}: one is enough, it takes the runs one after the other"
        ) from exc
    try:
        yield
    finally:
        lock.release()


def lower_priority() -> None:
    """Let whoever answers customers go first."""
    # Not relative: the trainer starts itself anew after each run. Who was started with less is left alone.
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
