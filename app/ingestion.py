"""Ingestion beside answering: a thread that works off what was received, with the heavy part in the worker process.

The catalog is the queue: a version in the state ``received`` waits, whatever process put it there. So nothing is lost
when this process ends, and nothing is done twice.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy.exc import SQLAlchemyError

from app.worker import Stopping, Worker, WorkerNotStarted
from ingest.catalog import Catalog
from ingest.pipeline import Ingested, Pipeline
from ingest.records import State

log = logging.getLogger(__name__)
# Versions taken from the queue at once; small ones first among them.
AT_ONCE = 32
IDLE_S = 5.0
# After a failure of database or index, before trying again.
BACK_OFF_S = 5.0


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a document has come within a stage."""

    stage: str
    done: int
    total: int


class Ingestor:
    """Works off received versions until it is stopped.

    finished: called with what became of each document.
    """

    def __init__(
        self, catalog: Catalog, pipeline: Pipeline, worker: Worker, finished: Callable[[Ingested], None]
    ) -> None:
        self._catalog = catalog
        self._pipeline = pipeline
        self._worker = worker
        self._finished = finished
        self._progress: dict[str, Progress] = {}
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="ingestion", daemon=True)
        self.problem = ""

    def start(self) -> None:
        """Begin; what waits from before is taken up at once."""
        self._thread.start()

    def wake(self) -> None:
        """Something was received."""
        self._wake.set()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End; a document in the middle is put back and taken up at the next start."""
        self._stop.set()
        self._wake.set()
        self._worker.stop()
        self._thread.join(timeout_s)
        self._put_back()

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    @property
    def running(self) -> list[str]:
        """Documents that are worked on now."""
        return list(self._progress)

    def progress_of(self, document: str) -> Progress | None:
        """How far a document has come; None when it is not worked on now."""
        return self._progress.get(document)

    def _run(self) -> None:
        try:
            # Now, so that the first upload does not wait for the child to load its libraries.
            self._worker.start()
        except Stopping:
            return
        except (WorkerNotStarted, OSError) as exc:
            self._pause(exc)
        while not self._stop.is_set():
            self._wake.clear()
            try:
                if self._work_off():
                    continue
                self.problem = ""
            except Stopping:
                return
            except (WorkerNotStarted, Exception) as exc:  # noqa: BLE001 - the thread must outlive whatever is away
                self._pause(exc)
                continue
            self._wake.wait(IDLE_S)

    def _pause(self, exc: BaseException) -> None:
        """Worker, database or index away: what waits stays in the catalog, what was begun is put back."""
        log.error("ingestion paused", exc_info=exc)
        self.problem = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
        self._progress.clear()
        with contextlib.suppress(SQLAlchemyError):
            self._put_back()
        self._stop.wait(BACK_OFF_S)

    def _put_back(self) -> None:
        for version in self._catalog.unfinished():
            if version.state is not State.RECEIVED:
                self._catalog.requeue(version, counted=False)

    def _work_off(self) -> bool:
        """Whether anything was there to do."""
        worked = False
        for result in self._pipeline.work_off(self._report, AT_ONCE):
            worked = True
            self._progress.pop(result.document, None)
            self._finished(result)
            if self._stop.is_set():
                raise Stopping
        self._progress.clear()
        return worked

    def _report(self, document: str, stage: str, done: int, total: int) -> None:
        if self._stop.is_set():
            raise Stopping
        self._progress[document] = Progress(stage, done, total)
