"""Ingestion beside answering: what was received becomes durable workflows, with the heavy part in other processes.

The catalog says what waits: a version in the state ``received``, whatever process put it there. Each gets one workflow,
named after its writing, so that nothing is lost between the two and nothing is done twice. A process that never comes
back loses its workflows to the others, where several share a database.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from dbos import DBOS, DBOSConfig, SetEnqueueOptions, SetWorkflowID, WorkflowStatus

from app import workflows
from app.durable import JsonSerializer, executor_id
from app.worker import Stopping, Worker, WorkerNotStarted
from app.workflows import APPLICATION_VERSION, QUEUE, Stage, Work, ingest
from ingest.catalog import Catalog
from ingest.pipeline import Pipeline
from ingest.reconcile import SILENCE
from ingest.records import State, Version
from ingest.stages import Ingested

log = logging.getLogger(__name__)
# Workflows that run at once in this process; most of them wait for a parser or the embedder.
AT_ONCE = 4
# Versions given to the queue by one look at the catalog.
LOOK = 500
IDLE_S = 5.0
# After a failure of database or index, before trying again.
BACK_OFF_S = 5.0
POLL_S = 0.2
_OPEN = ("PENDING", "ENQUEUED", "DELAYED")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a document has come within a stage; ``stalled`` when nothing was heard of it for too long."""

    stage: str
    done: int
    total: int
    stalled: bool = False


class Ingestor:
    """Works off received versions until it is stopped.

    home:         folder of the workflows' own database, where it is not ``database_url``.
    database_url: PostgreSQL that several processes share; None for SQLite in ``home``.
    finished:     called with what became of each document.
    """

    def __init__(
        self,
        catalog: Catalog,
        pipeline: Pipeline,
        worker: Worker,
        finished: Callable[[Ingested], None],
        *,
        home: Path,
        database_url: str | None = None,
        application_version: str = APPLICATION_VERSION,
    ) -> None:
        self._catalog = catalog
        self._worker = worker
        self._home = home
        self._database_url = database_url
        self._version = application_version
        self._work = Work(catalog, pipeline, finished, self._trouble, self.wake)
        self._pipeline = pipeline
        self._seen: set[str] = set()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingestion", daemon=True)
        self._launched = False
        self.problem = ""

    def start(self) -> None:
        """Begin; what waits from before is taken up at once."""
        self._thread.start()

    def wake(self) -> None:
        """Something was received."""
        self._wake.set()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End; a document in the middle goes on at the next start where it stood."""
        self._work.stop.set()
        self._wake.set()
        self._worker.stop()
        self._thread.join(timeout_s)
        end = threading.Event()
        for _ in range(int(timeout_s * 10)):
            if not self._work.running:
                break
            end.wait(0.1)
        workflows.use(None)
        if self._launched:
            DBOS.destroy()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def running(self) -> list[str]:
        """Documents that are worked on now."""
        return [stage.version.document for stage in self._running()]

    def progress_of(self, version: Version) -> Progress | None:
        """How far a version has come; None while it waits."""
        stage = self._work.running.get(version.id)
        if stage is not None:
            return Progress(stage.name, stage.done, stage.total)
        if version.state not in (State.PARSING, State.EMBEDDING, State.INDEXING):
            return None
        # Another process has it, or one that is gone.
        stalled = version.heartbeat_at is None or _utc(version.heartbeat_at) < datetime.now(UTC) - SILENCE
        return Progress(version.state, version.done, version.total, stalled)

    def cancel(self, document_id: str) -> bool:
        """Ask for the end of a document's ingestion; False when it is not being ingested.

        One that waits is failed at once; one in the middle at its next step, within seconds.
        """
        version = self._catalog.cancel(document_id)
        if version is None:
            return False
        self.wake()
        return True

    def _running(self) -> list[Stage]:
        return list(self._work.running.values())

    def _trouble(self, problem: str) -> None:
        self.problem = problem

    def _warm_up(self) -> None:
        """Start the children now, so that the first upload does not wait for them to load their libraries."""
        try:
            self._worker.start()
        except Stopping:
            return
        except (WorkerNotStarted, OSError) as exc:
            # Whoever needs it tries again; until then it is said.
            log.warning("the worker could not be started yet: %s", exc)
            self.problem = str(exc)

    def _run(self) -> None:
        # Beside the work: what waits is looked at, and read, while the embedder is still being loaded.
        threading.Thread(target=self._warm_up, name="warm-up-worker", daemon=True).start()
        while not self._work.stop.is_set():
            self._wake.clear()
            try:
                if not self._launched:
                    self._launch()
                    threading.Thread(target=self._reconcile, name="reconcile", daemon=True).start()
                self._look()
                self._beat()
                self._take_over()
                if not self._work.running:
                    self.problem = ""
            except Stopping:
                return
            except Exception as exc:  # noqa: BLE001 - the thread must outlive whatever is away
                self._pause(exc)
                continue
            self._wake.wait(IDLE_S)

    def _pause(self, exc: BaseException) -> None:
        """Worker or database away: what waits stays in the catalog."""
        if self._work.stop.is_set():
            return
        log.error("ingestion paused", exc_info=exc)
        self.problem = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        self._work.stop.wait(BACK_OFF_S)

    def _launch(self) -> None:
        workflows.use(self._work)
        config: DBOSConfig = {
            "name": "frontdesk",
            "system_database_url": self._database_url or f"sqlite:///{self._home / 'ingestion.db'}",
            "application_version": self._version,
            "executor_id": executor_id(self._home / "executor-id"),
            "serializer": JsonSerializer(),
            "log_level": "WARNING",
        }
        DBOS(config=config)
        try:
            DBOS.launch()
            DBOS.register_queue(QUEUE, worker_concurrency=AT_ONCE, polling_interval_sec=POLL_S)
        except BaseException:
            with contextlib.suppress(Exception):
                DBOS.destroy()
            raise
        self._launched = True

    def _reconcile(self) -> None:
        """Compare catalog and index once after the start, beside the work; what differs is repaired and told."""
        for kb in self._catalog.all_knowledge_bases():
            if self._work.stop.is_set():
                return
            try:
                wrong = self._pipeline.verify(kb)
            except Exception:  # an engine that is away is waited for elsewhere
                log.warning("catalog and index of %s could not be compared", kb.name, exc_info=True)
                continue
            for each in wrong:
                what = f"document {each.document!r}" if each.document else "no document"
                log.warning("reconciled %s: %d points of %s, %d expected", kb.name, each.found, what, each.expected)
            if any(each.queued for each in wrong):
                self.wake()

    def _look(self) -> None:
        """Give every version that waits its workflow."""
        for version in self._catalog.received(LOOK):
            name = _name(version)
            if name in self._seen:
                if version.cancelled:
                    self._give_up(version)
                continue
            if not self._settled(version, DBOS.get_workflow_status(name)):
                # Small files first: an archive of scans must not keep a price list waiting.
                priority = 1 + min(version.size_bytes // 1024, 2**30)
                with SetWorkflowID(name), SetEnqueueOptions(priority=priority):
                    DBOS.enqueue_workflow(QUEUE, ingest, version.id, version.generation)
                self._seen.add(name)

    def _settled(self, version: Version, status: WorkflowStatus | None) -> bool:
        """Whether a workflow of an earlier start stands in the way; the version then gets a new writing."""
        if status is None:
            return False
        if status.status in _OPEN and status.app_version == self._version:
            self._seen.add(_name(version))
            return True
        # It ended without an end of the version, or belongs to a version of the steps that nobody runs any more.
        if status.status in _OPEN:
            DBOS.cancel_workflow(_name(version))
        self._catalog.requeue(version, counted=False)
        self.wake()
        return True

    def _give_up(self, version: Version) -> None:
        from ingest.errors import CANCELLED

        DBOS.cancel_workflow(_name(version))
        self._work.finished(self._pipeline.stages.fail(version, CANCELLED))

    def _beat(self) -> None:
        """Say in the catalog how far each running version is."""
        seen = [(s.version.id, s.version.generation, s.done, s.total) for s in self._running()]
        if seen:
            self._catalog.beat(seen)

    def _take_over(self) -> None:
        """Go on with what nobody has been heard of for a while: its process never came back, or forgot it."""
        for version in self._catalog.silent(datetime.now(UTC) - SILENCE):
            if version.id in self._work.running:
                continue
            status = DBOS.get_workflow_status(_name(version))
            if status is not None and status.status == "ENQUEUED" and status.app_version == self._version:
                continue
            if status is not None and status.status == "PENDING" and status.app_version == self._version:
                log.warning("taking over %s from %s", version.document, status.executor_id)
                self._catalog.beat([(version.id, version.generation, version.done, version.total)])
                DBOS.resume_workflow(_name(version), queue_name=QUEUE)
                continue
            if status is not None and status.status in _OPEN:
                DBOS.cancel_workflow(_name(version))
            self._catalog.requeue(version, counted=False)
            self.wake()


def _utc(moment: datetime) -> datetime:
    """SQLite gives moments back without their zone."""
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _name(version: Version) -> str:
    """One workflow for each writing of a version."""
    # A document that was deleted and uploaded again begins with generation 1 once more.
    return f"{version.document_id}.{version.id}.{version.generation}"
