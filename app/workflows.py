"""Ingestion as durable workflows (DBOS): a step a stage.

A step that was done is not done again after a crash; one that was cut off runs again and finds what it did before, for
every step may run twice. No step raises for a document's sake: a failure is written on the document and ends its
workflow. So an open workflow always means unfinished work.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dbos import DBOS
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception,
    stop_after_delay,
    stop_when_event_set,
    wait_exponential,
)

from app.worker import Stopping, WorkerGone, WorkerNotStarted
from ingest.catalog import Catalog
from ingest.errors import CANCELLED, Cancelled, FrontdeskError
from ingest.pipeline import Pipeline
from ingest.reconcile import INTERRUPTED
from ingest.records import KnowledgeBase, State, Version
from ingest.stages import WINDOW, Ingested, may_pass, reason_of
from ingest.worklist import MOST_SANDBOXED_ATTEMPTS

log = logging.getLogger(__name__)
# Part of every open workflow: raise it when the order or the meaning of the steps changes. Workflows that another
# version left open are begun anew under this one (Ingestor).
APPLICATION_VERSION = "ingest-1"
QUEUE = "ingestion"
# What is away (index, database, worker) is waited for this long before the document fails.
PATIENCE_S = 24 * 3600.0
LONGEST_PAUSE_S = 60.0
# A worker that dies on the same texts again and again will not pass.
MOST_WORKERS = 5
# Files parsed at once; embedding goes on meanwhile.
PARSED_AT_ONCE = 2
ENDED = -1
T = TypeVar("T")


@dataclass(slots=True)
class Stage:
    """Where a version's ingestion stands in this process."""

    version: Version
    name: str = "parsing"
    done: int = 0
    total: int = 0


@dataclass(slots=True)
class Work:
    """What the steps work with.

    finished: called with what became of a document.
    trouble:  called with what is away, and with "" once it is back.
    stop:     set when the program is about to end; steps then give up without an outcome.
    """

    catalog: Catalog
    pipeline: Pipeline
    finished: Callable[[Ingested], None]
    trouble: Callable[[str], None]
    found: Callable[[], None]
    stop: threading.Event = field(default_factory=threading.Event)
    running: dict[str, Stage] = field(default_factory=dict)
    patience_s: float = PATIENCE_S
    _parsing: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(PARSED_AT_ONCE))

    def read(self, version_id: str, generation: int) -> int:
        """Parse, chunk and stage a version's file; how many chunks it has, or ENDED."""
        version = self._through(lambda: self.catalog.begin(version_id, generation))
        if version is None:
            return ENDED
        if version.attempts > MOST_SANDBOXED_ATTEMPTS:
            return self._failed(version, INTERRUPTED)
        with self._running(version):
            chunks = self._guarded(version, lambda: self._read(version))
            return ENDED if chunks is None else chunks

    def write(self, version_id: str, generation: int, start: int) -> int:
        """Embed and store one window of chunks, hidden; how many there were, or ENDED."""
        version = self._through(lambda: self.catalog.working(version_id, generation))
        if version is None:
            return ENDED
        with self._running(version, "embedding"):
            written = self._guarded(version, lambda: self._write(version, start))
            return ENDED if written is None else written

    def publish(self, version_id: str, generation: int, chunks: int) -> str:
        """Count, show and publish; the state that came of it."""
        version = self._through(lambda: self.catalog.working(version_id, generation))
        if version is None:
            return "ended"
        with self._running(version, "indexing"):
            result = self._guarded(version, lambda: self._publish(version, chunks))
        if result is None:
            return State.FAILED
        self.finished(result)
        return result.state

    def _read(self, version: Version) -> int:
        self.pipeline.check_index(self._kb(version))
        with self._slot():
            read = self.pipeline.stages.read(
                version, "", self._report(version), lambda: self.stop.is_set() or self.catalog.is_cancelled(version)
            )
        self.pipeline.stages.staging.keep(version, read)
        self.catalog.read_whole(version)
        self.catalog.set_state([version], State.EMBEDDING)
        return len(read.chunks)

    def _write(self, version: Version, start: int) -> int:
        stages = self.pipeline.stages
        if self.catalog.is_cancelled(version):
            raise Cancelled(CANCELLED)
        if not stages.staging.holds(version):
            # Another machine read it, or its folder was lost: the file is still there.
            self._read(version)
        head, some = stages.staging.head(version), stages.staging.chunks(version, start, WINDOW)
        stages.write(self._kb(version), [(version, head.title, chunk) for chunk in some])
        return len(some)

    def _publish(self, version: Version, chunks: int) -> Ingested:
        stages, kb = self.pipeline.stages, self._kb(version)
        if self.catalog.live_writing(version.document_id) == (version.id, version.generation):
            # Something after it was away, and this is the next try: what is left to be done is the purge.
            self.pipeline.purge()
            return Ingested(version.document, State.READY, chunks=chunks)
        if self.catalog.is_cancelled(version):
            raise Cancelled(CANCELLED)
        self.catalog.set_state([version], State.INDEXING)
        if not stages.staging.holds(version):
            self._read(version)
            self.catalog.set_state([version], State.INDEXING)
        head = stages.staging.head(version)
        if stages.adopt(kb, version, head.attachments, self.pipeline.fingerprint):
            self.found()
        result = stages.publish(kb, version, head, chunks)
        self.pipeline.purge()
        return result

    def _kb(self, version: Version) -> KnowledgeBase:
        return self.catalog.knowledge_base_by_id(version.knowledge_base_id)

    def _report(self, version: Version) -> Callable[[str, str, int, int], None]:
        def report(_document: str, stage: str, done: int, total: int) -> None:
            entry = self.running.get(version.id)
            if entry is not None:
                entry.name, entry.done, entry.total = stage, done, total

        return report

    @contextmanager
    def _running(self, version: Version, stage: str = "parsing") -> Any:
        self.running[version.id] = Stage(version, stage)
        try:
            yield
        finally:
            self.running.pop(version.id, None)

    @contextmanager
    def _slot(self) -> Any:
        while not self._parsing.acquire(timeout=0.5):
            if self.stop.is_set():
                raise Stopping
        try:
            yield
        finally:
            self._parsing.release()

    def _guarded(self, version: Version, step: Callable[[], T]) -> T | None:
        """Run a step; a failure is written on the document, and None comes back."""
        try:
            return self._through(step)
        except Cancelled:
            if self.stop.is_set():
                raise Stopping from None
            self._failed(version, CANCELLED)
        except Exception as exc:
            if self.catalog.working(version.id, version.generation) is None:
                # Deleted or overtaken meanwhile, and its file with it: there is nobody to tell.
                return None
            # Whatever it is, it costs this document only; the log keeps the trace of what nobody foresaw.
            if not isinstance(exc, FrontdeskError):
                log.exception("ingesting %s failed", version.document)
            self._failed(version, reason_of(exc))
        return None

    def _failed(self, version: Version, reason: str) -> int:
        def fail() -> Ingested:
            result = self.pipeline.stages.fail(version, reason)
            self.pipeline.purge()
            return result

        self.finished(self._through(fail))
        return ENDED

    def _through(self, step: Callable[[], T]) -> T:
        """Run a step, again and again while what it needs is away; gives up at once on what cannot pass."""
        workers = 0

        def again(exc: BaseException) -> bool:
            nonlocal workers
            workers += isinstance(exc, WorkerGone)
            if self.stop.is_set() or workers >= MOST_WORKERS:
                return False
            return may_pass(exc) or isinstance(exc, (WorkerGone, WorkerNotStarted))

        def tell(state: RetryCallState) -> None:
            exc = state.outcome.exception() if state.outcome else None
            said = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
            log.warning("ingestion waits: %s", said)
            self.trouble(said)

        retrying = Retrying(
            retry=retry_if_exception(again),
            wait=wait_exponential(0.5, max=LONGEST_PAUSE_S),
            stop=stop_after_delay(self.patience_s) | stop_when_event_set(self.stop),
            sleep=self._sleep,
            before_sleep=tell,
            reraise=True,
        )
        try:
            value = retrying(step)
        except Exception as exc:
            if self.stop.is_set():
                raise Stopping from exc
            raise
        self.trouble("")
        return value

    def _sleep(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise Stopping


_work: Work | None = None


def use(work: Work | None) -> None:
    """Hand the steps what they work with; None when the program ends."""
    global _work
    _work = work


def _current() -> Work:
    if _work is None or _work.stop.is_set():
        raise Stopping
    return _work


@DBOS.step(name="read")
def _read(version_id: str, generation: int) -> int:
    return _current().read(version_id, generation)


@DBOS.step(name="write")
def _write(version_id: str, generation: int, start: int) -> int:
    return _current().write(version_id, generation, start)


@DBOS.step(name="publish")
def _publish(version_id: str, generation: int, chunks: int) -> str:
    return _current().publish(version_id, generation, chunks)


@DBOS.workflow(name="ingest", max_recovery_attempts=None)
def ingest(version_id: str, generation: int) -> str:
    """Bring one writing of a version from its stored file to live points, or to a reason."""
    chunks = _read(version_id, generation)
    if chunks == ENDED:
        return "ended"
    for start in range(0, chunks, WINDOW):
        if _write(version_id, generation, start) == ENDED:
            return "ended"
    return _publish(version_id, generation, chunks)
