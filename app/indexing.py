"""Long work on indexes in the service: in threads of its own, one task a knowledge base; how far it is can be asked."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal

from app.errors import Conflict, UsageError
from app.workspace import Workspace
from ingest.builds import Build
from ingest.errors import FrontdeskError, NotFound
from ingest.moving import Moved
from ingest.records import KnowledgeBase
from ingest.stages import Progress

log = logging.getLogger(__name__)
TaskState = Literal["idle", "running", "done", "failed"]
# Below the data folder: where archives are written and read.
SNAPSHOTS = "snapshots"
TASKS = ("optimize", "rebuild", "reembed", "migrate", "snapshot", "restore", "cancel", "show")


@dataclass(slots=True)
class Task:
    """A piece of long work and what came of it."""

    kind: str
    state: TaskState = "running"
    stage: str = ""
    done: int = 0
    total: int = 0
    problem: str = ""
    error: str = ""
    result: dict[str, Any] = field(default_factory=dict)


class IndexTasks:
    """Starts tasks and remembers the last one of each knowledge base, by its name.

    received: called when documents may wait for their ingestion.
    """

    def __init__(self, workspace: Workspace, received: Callable[[], None]) -> None:
        self._workspace = workspace
        self._received = received
        self._tasks: dict[str, Task] = {}
        self._lock = threading.Lock()
        self._stop = threading.Event()

    def start(self) -> None:
        """Go on with what an earlier process was building."""
        threading.Thread(target=self._go_on, name="index-builds", daemon=True).start()

    def stop(self) -> None:
        """Let go: a build in the middle is gone on with at the next start."""
        self._stop.set()

    def of(self, name: str) -> Task | None:
        """The last task of a knowledge base."""
        with self._lock:
            return self._tasks.get(name)

    def begin(self, name: str, kind: str, work: Callable[[Progress], dict[str, Any]]) -> Task:
        """Start a task; what it returns is its result.

        Raises:
            Conflict: another one of this knowledge base is running.
        """
        with self._lock:
            running = self._tasks.get(name)
            if running is not None and running.state == "running":
                raise Conflict(f"{running.kind} of knowledge base {name!r} is running; wait for its end")
            task = self._tasks[name] = Task(kind)
        threading.Thread(target=self._run, args=(task, name, work), name=f"index-{kind}", daemon=True).start()
        return task

    def _run(self, task: Task, name: str, work: Callable[[Progress], dict[str, Any]]) -> None:
        def report(_document: str, stage: str, done: int, total: int) -> None:
            if self._stop.is_set():
                raise _Stopping
            task.stage, task.done, task.total = stage, done, total

        try:
            task.result = work(report)
            task.state = "done"
        except _Stopping:
            task.problem, task.state = "the server was stopped; it goes on at the next start", "failed"
        except FrontdeskError as exc:
            log.warning("%s of knowledge base %s: %s", task.kind, name, exc)
            task.problem, task.error = str(exc), type(exc).__name__
            task.state = "failed"
        except Exception as exc:
            log.exception("%s of knowledge base %s failed", task.kind, name)
            task.problem = f"it failed ({type(exc).__name__}: {exc}); the log has more"
            task.state = "failed"
        finally:
            self._received()

    def _go_on(self) -> None:
        workspace = self._workspace
        for build in settle_builds(workspace):
            try:
                kb = workspace.catalog.knowledge_base_by_id(build.knowledge_base_id)
            except NotFound:
                continue
            work = partial(self._resumed, build)
            with suppress(Conflict):
                self.begin(kb.name, build.kind, work)

    def _resumed(self, build: Build, report: Progress) -> dict[str, Any]:
        return moved_json(self._workspace.mover.resume(build, report))


class _Stopping(Exception):
    """The program ends."""


def settle_builds(workspace: Workspace) -> list[Build]:
    """Give up restorations that were cut off; the builds that can be gone on with.

    Where several processes share a catalog, another one may be at it: a build goes on when the command is run again.
    """
    if workspace.settings.ingest.shared:
        return []
    builds = workspace.catalog.builds()
    cut_off = [build for build in builds if build.kind == "restore"]
    for build in cut_off:
        workspace.catalog.give_up_build(build)
    if cut_off:
        workspace.pipeline.purge()
    return [build for build in builds if build.kind != "restore"]


def do(workspace: Workspace, kb: KnowledgeBase | None, asked: dict[str, Any], report: Progress) -> dict[str, Any]:
    """Carry out one task of a knowledge base; as JSON what came of it.

    kb:    None for ``restore``, which makes one.
    asked: ``task`` (TASKS); ``model`` and ``engine`` for migrate; ``archive``, a file's name in the folder of snapshots,
           for snapshot and restore; ``name`` of the knowledge base for restore.

    Raises:
        UsageError: an archive is not named.
        FrontdeskError: it could not be done; see ingest/moving.py and ingest/snapshot.py.
    """
    mover, kind = workspace.mover, asked["task"]
    archive = check_archive(workspace, asked)
    if kb is None:
        return _restored(workspace, archive, asked.get("name"), report)
    if kind == "snapshot":
        taken = workspace.snapshots.take(kb, archive, report)
        return {**asdict(taken), "missing": list(taken.missing), "archive": archive.name}
    if kind == "optimize":
        return {"kb": kb.name, "points": mover.optimize(kb, report)}
    if kind in ("rebuild", "reembed"):
        return moved_json(mover.rebuild(kb, report, embed=kind == "reembed"))
    if kind == "migrate":
        model = asked.get("model") or workspace.settings.ingest.embedding_model
        return moved_json(mover.migrate(kb, report, model=model, engine=asked.get("engine")))
    if kind == "cancel":
        return {"kb": kb.name, "cancelled": mover.give_up(kb)}
    return show(workspace, kb)


def check_archive(workspace: Workspace, asked: Mapping[str, Any]) -> Path:
    """Where the archive of a task lies; of no meaning for tasks without one.

    Raises:
        UsageError: a task that needs one does not name it.
        NotFound: there is none of that name.
    """
    folder = workspace.settings.ingest.home / SNAPSHOTS
    kind, name = asked["task"], asked.get("archive")
    if kind not in ("snapshot", "restore"):
        return folder
    if not name:
        raise UsageError(f"archive: say which file of the folder {SNAPSHOTS!r} to use")
    archive = folder / Path(name).name
    if kind == "restore" and not archive.is_file():
        raise NotFound(f"there is no {archive.name} in the folder {SNAPSHOTS!r} of the data folder")
    return archive


def _restored(workspace: Workspace, archive: Path, name: str | None, report: Progress) -> dict[str, Any]:
    kb = workspace.snapshots.restore(archive, report, name=name)
    report(kb.name, "comparing", 0, 1)
    wrong = workspace.pipeline.verify(kb)
    counts = workspace.catalog.counts(kb.tenant).get(kb.id)
    return {
        "kb": kb.name,
        "model": kb.embedding_model,
        "documents": counts.documents if counts else 0,
        "points": workspace.index.count(kb.id),
        "again": sorted(each.document for each in wrong if each.queued),
    }


def show(workspace: Workspace, kb: KnowledgeBase) -> dict[str, Any]:
    """Where an index is, how large, and what is being built beside it."""
    address = workspace.index.whole(kb.address)
    build = workspace.catalog.build(kb.id)
    building = None
    if build is not None:
        place = build.place
        building = {
            "task": build.kind,
            "engine": place.engine,
            "model": place.model,
            "points": workspace.index.at(place).count(place.space),
        }
    return {
        "kb": kb.name,
        "engine": address.engine,
        "model": address.model,
        "dimensions": address.size,
        "points": workspace.index.count(kb.id),
        "building": building,
    }


def moved_json(moved: Moved) -> dict[str, Any]:
    """``ingest.moving.Moved`` as JSON."""
    return {
        "kb": moved.kb,
        "engine": moved.engine,
        "model": moved.model,
        "points": moved.points,
        "switched": moved.switched,
        "from_files": list(moved.from_files),
        "lost": list(moved.lost),
    }
