"""Training runs as everybody but the trainer sees them: begun, listed, watched, cancelled. Nothing here trains or imports what does.

A run is a workflow in the trainer's own database (app/trainer.py); what it leaves is in a folder of its own, named by its id.
The two share a data folder and nothing else, so either may be away.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from dbos import DBOS, DBOSClient, EnqueueOptions, WorkflowStatus
from filelock import FileLock

from app.durable import JsonSerializer, workflow_database
from app.errors import Conflict, UsageError
from app.training_files import CURVE, RecipeFile, losses_of, progress_of, recipe_files
from ingest.errors import NotFound

# Part of every open workflow: raise it when the order or the meaning of the trainer's steps changes.
APPLICATION, APPLICATION_VERSION, QUEUE, WORKFLOW = "frontdesk-trainer", "training-1", "training", "train"
# Of PostgreSQL, where ingestion has the default one.
SCHEMA = "frontdesk_training"
RUNS, RECIPES, ALIVE = "runs/training", "recipes", "trainer-alive"
# The trainer touches its file every few seconds.
SILENT_S = 30.0
# Characters of a recipe.
LONGEST = 50_000
UPDATED = "frontdesk was updated before it ended, and its steps are others now: start it again"
_STATES: Mapping[str, State] = {
    "ENQUEUED": "queued",
    "DELAYED": "queued",
    "PENDING": "running",
    "CANCELLED": "cancelled",
}
_OPEN = ("ENQUEUED", "DELAYED", "PENDING")

State = Literal["queued", "running", "done", "failed", "cancelled"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingRun:
    """A run as it is now.

    recipe:      the file's name, or "sent".
    stage:       what it is at: "finding passages", "loading", "training", "releasing"; "" while it waits.
    done, total: how far that stage is; total 0 where nobody knows.
    step, steps: updates of the weights so far, and of the whole run.
    eta_s:       seconds that the training will still take, as far as can be told.
    release:     label of what was made.
    reason:      why it failed.
    """

    id: str
    recipe: str
    text: str
    state: State
    reason: str = ""
    release: str = ""
    stage: str = ""
    done: int = 0
    total: int = 0
    step: int = 0
    steps: int = 0
    loss: float | None = None
    held_out_loss: float | None = None
    tokens_per_second: float | None = None
    eta_s: float | None = None
    created_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None


def database_of(home: Path, sqlalchemy_url: str) -> str:
    """Where the trainer's workflows are: a file of their own, or PostgreSQL, where that is the database."""
    return workflow_database(sqlalchemy_url) or f"sqlite:///{home / 'training.db'}"


def migrated(home: Path, url: str) -> None:
    """See that the tables are there; server and trainer may both be the first."""
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / "training.db.lock"):
        DBOS.migrate(url, schema=SCHEMA)


class TrainingRuns:
    """The runs of a data folder; methods block for as long as a database takes."""

    def __init__(self, home: Path, sqlalchemy_url: str) -> None:
        self._home = home
        self._url = database_of(home, sqlalchemy_url)
        self._client: DBOSClient | None = None
        self._opening = threading.Lock()

    def recipes(self) -> list[RecipeFile]:
        """Those that can be started by name."""
        return recipe_files(self._home / RECIPES)

    def start(self, recipe: str | Mapping[str, Any]) -> TrainingRun:
        """Queue a run of a recipe: the name of a file, or what one would say.

        What is in the recipe is looked at by the trainer: a wrong line is the reason that the run fails for.

        Raises:
            NotFound: there is no such file.
            UsageError: it is too long, or cannot be read.
        """
        name, text, folder = self._text(recipe)
        if len(text) > LONGEST:
            raise UsageError(f"the recipe has {len(text):,} characters; {LONGEST:,} are allowed")
        options: EnqueueOptions = {
            "workflow_name": WORKFLOW,
            "queue_name": QUEUE,
            "workflow_id": uuid.uuid4().hex[:12],
            "app_version": APPLICATION_VERSION,
        }
        handle: Any = self._opened().enqueue(options, name, text, folder)
        return self.get(handle.get_workflow_id())

    def all(self, limit: int = 50, offset: int = 0) -> list[TrainingRun]:
        """Runs, the newest first."""
        if self._client is None and not self._begun():
            return []
        found = self._opened().list_workflows(name=WORKFLOW, sort_desc=True, limit=limit, offset=offset)
        return [self._run(each) for each in found]

    def get(self, run_id: str) -> TrainingRun:
        """One run.

        Raises:
            NotFound: there is none of that id.
        """
        return self._run(self._status(run_id))

    def cancel(self, run_id: str) -> TrainingRun:
        """End a run: one that waits at once, one that trains after the step it is in; its checkpoint stays.

        Raises:
            NotFound: there is none of that id.
            Conflict: it has ended already.
        """
        if self._status(run_id).status not in _OPEN:
            raise Conflict(f"run {run_id} has ended already: there is nothing to cancel")
        self._opened().cancel_workflow(run_id)
        return self.get(run_id)

    def resume(self, run_id: str) -> TrainingRun:
        """Queue a cancelled run again; it goes on from its last checkpoint.

        Raises:
            NotFound: there is none of that id.
            Conflict: it was not cancelled.
        """
        if self._status(run_id).status != "CANCELLED":
            raise Conflict(f"run {run_id} was not cancelled: start its recipe again instead")
        self._opened().resume_workflow(run_id, queue_name=QUEUE)
        return self.get(run_id)

    def curve(self, run_id: str) -> Path:
        """The picture of a run's losses.

        Raises:
            NotFound: there is no such run, or no picture of it yet.
        """
        path = self._folder(self._status(run_id).workflow_id) / CURVE
        if not path.is_file():
            raise NotFound(f"run {run_id} has no losses yet: ask again when it has trained some steps")
        return path

    def losses(self, run_id: str, most: int = 1000) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
        """(step, loss) of training, thinned out evenly to so many, and of what is held out.

        Raises:
            NotFound: there is no such run.
        """
        return losses_of(self._folder(self._status(run_id).workflow_id), most)

    @property
    def trainer(self) -> bool:
        """Whether a trainer is there."""
        try:
            return time.time() - (self._home / RUNS / ALIVE).stat().st_mtime < SILENT_S
        except OSError:
            return False

    def close(self) -> None:
        """Let go of the database."""
        with self._opening:
            if self._client is not None:
                self._client.destroy()
                self._client = None

    def _text(self, recipe: str | Mapping[str, Any]) -> tuple[str, str, str | None]:
        if not isinstance(recipe, str):
            text = json.dumps(recipe, ensure_ascii=False, indent=1)
            try:
                text.encode()
            except UnicodeEncodeError as exc:
                raise UsageError("the recipe is not valid Unicode: send it as UTF-8, without lone surrogates") from exc
            return "sent", text, None
        for each in self.recipes():
            if recipe in (each.name, each.path.stem):
                try:
                    return each.name, each.path.read_text(encoding="utf-8"), str(each.path.parent.resolve())
                except (OSError, UnicodeDecodeError) as exc:
                    raise UsageError(f"recipe {each.name} cannot be read ({exc})") from exc
        raise NotFound(
            f"no recipe named {recipe!r}: put it into {self._home / RECIPES}, or start one of "
            + ", ".join(each.name for each in self.recipes())
        )

    def _begun(self) -> bool:
        return not self._url.startswith("sqlite") or (self._home / "training.db").is_file()

    def _opened(self) -> DBOSClient:
        with self._opening:
            if self._client is None:
                migrated(self._home, self._url)
                self._client = DBOSClient(
                    system_database_url=self._url,
                    dbos_system_schema=SCHEMA,
                    serializer=JsonSerializer(),
                    application_name=APPLICATION,
                )
            return self._client

    def _status(self, run_id: str) -> WorkflowStatus:
        found: Sequence[WorkflowStatus] = ()
        if self._client is not None or self._begun():
            found = self._opened().list_workflows(workflow_ids=[run_id], name=WORKFLOW)
        if not found:
            raise NotFound(f"no training run {run_id!r}")
        return found[0]

    def _folder(self, run_id: str) -> Path:
        return self._home / RUNS / run_id

    def _run(self, status: WorkflowStatus) -> TrainingRun:
        name, text, _ = status.input["args"] if status.input else ("", "", None)
        outcome = status.output if isinstance(status.output, dict) else {}
        state = _STATES.get(status.status) or ("done" if outcome.get("release") is not None else "failed")
        reason = str(outcome.get("problem") or "")
        if state == "failed" and not reason:
            reason = f"the trainer could not carry it out ({status.error or status.status}); its log has more"
        if status.status in _OPEN and status.app_version != APPLICATION_VERSION:
            state, reason = "failed", UPDATED
        ended = state in ("done", "failed", "cancelled")
        return TrainingRun(
            id=status.workflow_id,
            recipe=str(name),
            text=str(text),
            state=state,
            reason=reason,
            release=str(outcome.get("release") or ""),
            created_at=_moment(status.created_at),
            started_at=_moment(status.dequeued_at),
            ended_at=_moment(status.completed_at) if ended else None,
            **progress_of(self._folder(status.workflow_id), running=state == "running"),
        )


def _moment(milliseconds: int | None) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None
