"""What the trainer does for a run: gather what it learns from, train, release. Each step may run twice."""

from __future__ import annotations

import contextlib
import json
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, stop_when_event_set, wait_exponential

from app.errors import ServerAway
from app.server import announced_url
from app.training_files import PROGRESS
from app.training_runs import RUNS

if TYPE_CHECKING:
    from app.workspace import Settings
    from finetune.recipe import Recipe

log = logging.getLogger(__name__)
RECIPE, MATERIAL, ATTEMPTS = "recipe.yaml", "material.jsonl", "attempts.json"
# A server that is away is waited for this long before the run fails.
PATIENCE_S = 3600.0
LONGEST_PAUSE_S = 30.0
# Ends of the process at the same checkpoint, after which the run will not get further either.
MOST_ATTEMPTS = 3
TOLD_EVERY_S = 0.5


class Stopping(BaseException):
    """The step is given up, because the program stops or the run was cancelled: it has no outcome, so it can be gone on with."""


@dataclass(slots=True)
class Work:
    """What the steps work with, and which run they are at.

    stop:      set when the program is about to end.
    cancelled: set when the run that is carried out was cancelled.
    """

    settings: Settings
    stop: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)
    run_id: str = ""
    ran: bool = False
    _told: str = ""

    def begin(self, run_id: str) -> None:
        """A run is carried out from now on, perhaps one that was cancelled before and goes on."""
        # A new event: a look at how the run stood before shall not end how it goes on.
        self.run_id, self.ran, self.cancelled, self._told = run_id, True, threading.Event(), ""

    def gather(self, name: str, text: str, folder: str | None) -> dict[str, str]:
        """Keep what the run learns from beside it; which release answers now is decided here, once."""
        from app.training import live_release, store_of
        from app.training_material import keep, rows_of
        from serving.releases import checked_name

        recipe = self._recipe(name, text, folder)
        # A name that no release may have should not cost an hour.
        checked_name(recipe.name)
        (self.folder / RECIPE).write_text(text, encoding="utf-8")

        def fetched() -> None:
            rows = rows_of(recipe, self.settings, self._report, self._server)
            keep((row for row in rows if not self._ended()), self.folder / MATERIAL)

        self._patiently(fetched)
        return {"live": live_release(self.settings, store_of(self.settings))}

    def train(self, name: str, text: str, folder: str | None, live: str) -> dict[str, str]:
        """Train, or go on from the last checkpoint; what is left is the adapter with a draft of its release."""
        from app.training import carry_out, open_model, parent_of, tokens_of, write_draft
        from app.training_material import Material, kept
        from finetune.sft import ADAPTER, RUN
        from serving.release_store import DRAFT

        recipe, at = self._recipe(name, text, folder), self.folder
        material = Material.of(kept(at / MATERIAL))
        run = json.loads((at / RUN).read_text(encoding="utf-8")) if (at / RUN).is_file() else {}
        if run.get("state") == "done":
            # It ended between the last step and the word that it did.
            if not (at / ADAPTER / DRAFT).is_file():
                write_draft(at / ADAPTER, recipe, material, parent_of(recipe, self.settings, live), run)
            return {}
        self._count_attempt()
        self._tell("loading")
        opened = open_model(recipe, self.settings, live=live)
        corpus = tokens_of(recipe, material, opened.tokenizer)
        self._ended()
        said = {"minutes": recipe.train.minutes}

        def told(step: int, steps: int, _loss: float) -> None:
            self._tell("training", step, steps, {**said, "steps": steps})

        done = carry_out(
            recipe, opened, material, corpus, at, told, lambda: self.stop.is_set() or self.cancelled.is_set()
        )
        if done.state != "done":
            # Asked to end, and ended well: that is no attempt that failed.
            (at / ATTEMPTS).unlink(missing_ok=True)
            raise Stopping
        return {}

    def release(self, name: str, text: str, folder: str | None) -> dict[str, str]:
        """Add what was trained as a release that waits for its gate."""
        from app.training import store_of
        from finetune.sft import ADAPTER

        recipe = self._recipe(name, text, folder)
        return {"release": store_of(self.settings).add(self.folder / ADAPTER, recipe.name).label}

    @property
    def folder(self) -> Path:
        """Where the run keeps what it makes."""
        path = self.settings.ingest.home / RUNS / self.run_id
        path.mkdir(parents=True, exist_ok=True)
        return path

    def _recipe(self, name: str, text: str, folder: str | None) -> Recipe:
        from finetune.errors import RecipeError
        from finetune.recipe import PACKAGED, parse_recipe

        recipe = parse_recipe(text, name, Path(folder) if folder else Path())
        named = recipe.data.datasets or recipe.data.general or recipe.base != PACKAGED
        if folder is None and named:
            # Whoever may send a request shall not have the trainer read any file of the machine.
            raise RecipeError(
                f"{name}: a recipe that is sent names no files and no base of its own (data.datasets, data.general, base): "
                "put it as a file into the folder recipes of FRONTDESK_HOME, and start it by its name"
            )
        return recipe

    def _server(self) -> Any:
        from app.commands.remote import RemoteDesk

        url = self.settings.app.api_url or announced_url(self.settings.ingest.home)
        if url is None:
            raise ServerAway("no server is running on the data folder; start one, or set FRONTDESK_API_URL")
        return RemoteDesk(url, self.settings.app)

    def _patiently(self, step: Callable[[], None]) -> None:
        """Again and again while the server is away."""

        def sleep(seconds: float) -> None:
            end = time.monotonic() + seconds
            while time.monotonic() < end and not self._ended():
                time.sleep(0.1)

        retrying = Retrying(
            retry=retry_if_exception_type(ServerAway),
            wait=wait_exponential(0.5, max=LONGEST_PAUSE_S),
            stop=stop_after_delay(PATIENCE_S) | stop_when_event_set(self.stop),
            sleep=sleep,
            before_sleep=lambda state: log.warning("training waits: %s", state.outcome and state.outcome.exception()),
            reraise=True,
        )
        retrying(step)

    def _ended(self) -> bool:
        """Always False; leaves where the run is to end."""
        if self.stop.is_set() or self.cancelled.is_set():
            raise Stopping
        return False

    def _count_attempt(self) -> None:
        from finetune.errors import TrainingError

        checkpoints = [path.name for path in self.folder.glob("checkpoint-*")]
        path, at = self.folder / ATTEMPTS, max(checkpoints, key=_step_of, default="")
        before = json.loads(path.read_text()) if path.is_file() else {}
        count = before.get("count", 0) + 1 if before.get("at") == at else 1
        if count > MOST_ATTEMPTS:
            raise TrainingError(
                f"the trainer ended {MOST_ATTEMPTS} times at the same place without a word, most likely for want of memory: "
                "lower train.batch or train.max_length, or set train.checkpointing"
            )
        path.write_text(json.dumps({"at": at, "count": count}))

    def _report(self, _document: str, stage: str, done: int, total: int) -> None:
        self._tell(stage, done, total)

    def _tell(self, stage: str, done: int = 0, total: int = 0, more: dict[str, Any] | None = None) -> None:
        path = self.folder / PROGRESS
        with contextlib.suppress(OSError):
            # A look now and then is enough.
            if stage == self._told and time.time() - path.stat().st_mtime < TOLD_EVERY_S:
                return
        self._told = stage
        part = path.with_suffix(".part")
        part.write_text(json.dumps({"stage": stage, "done": done, "total": total, **(more or {})}))
        part.replace(path)


def _step_of(checkpoint: str) -> int:
    number = checkpoint.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0
