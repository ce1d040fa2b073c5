"""Sources in the service: one look at a time, when asked for or when due; what came of it is on the source's row."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

from sqlalchemy.exc import SQLAlchemyError

from app import received
from app.workspace import Workspace
from ingest.errors import FrontdeskError, NotFound
from ingest.pipeline import Pipeline
from ingest.records import KnowledgeBase
from ingest.sources.addresses import open_store
from ingest.sources.rows import Source, Sources
from ingest.sources.sync import MOST_KEPT, Look, Outcome, Report, Stopped, Sync

log = logging.getLogger(__name__)
# Between two looks at which sources are due.
TICK_S = 2.0
SourceState = Literal["idle", "waiting", "running"]


class Uploads:
    """Files of a source take the way that uploads take."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline

    def accept(self, kb: KnowledgeBase, name: str, content_hash: str, size: int) -> bool:
        """Put stored bytes into the queue; whether they were live already."""
        return received.accept(self._pipeline, kb, name, content_hash, size)

    def delete(self, kb: KnowledgeBase, name: str) -> None:
        """Delete a document."""
        self._pipeline.delete(kb, name)

    @property
    def turn(self) -> AbstractContextManager[object]:
        """Held while uploads are accepted."""
        return received.accepting


def look_at(workspace: Workspace, kb: KnowledgeBase, source: Source, look: Look) -> Outcome:
    """Bring a knowledge base in step with a source and write down what came of it.

    Raises:
        FrontdeskError: it could not be done; the reason is on the source's row, too.
        Stopped: the program ends.
    """
    rows = Sources(workspace.engine)
    try:
        workspace.pipeline.check_index(kb)
        store = open_store(source.address, workspace.settings.ingest)
        outcome = Sync(kb, source, rows, workspace.files, Uploads(workspace.pipeline), look).run(store)
    except FrontdeskError as exc:
        rows.looked(source.id, None, str(exc))
        raise
    rows.looked(source.id, json.dumps(outcome.as_json(MOST_KEPT), ensure_ascii=False), "")
    return outcome


def preview(
    workspace: Workspace, kb: str, address: str, prefix: str | None, allow_empty: bool, report: Report
) -> Outcome:
    """What a look would do; nothing is written, and the knowledge base need not exist.

    Raises:
        SourceError: the source cannot be looked at.
    """
    rows, now = Sources(workspace.engine), datetime.now(UTC)
    try:
        base = workspace.catalog.knowledge_base(kb)
    except NotFound:
        base = KnowledgeBase("", "default", kb, "", 0, "", now)
    source = rows.find(base.id, address) or Source("", base.id, address, prefix or "", 0, None, "", "", now)
    if prefix is not None:
        source = replace(source, prefix=prefix)
    look = Look(dry_run=True, allow_empty=allow_empty, report=report)
    store = open_store(address, workspace.settings.ingest)
    return Sync(base, source, rows, workspace.files, _Nothing(), look).run(store)


class _Nothing:
    """Receives nothing: a preview that got here would be a mistake of ours."""

    turn = nullcontext()

    def accept(self, kb: KnowledgeBase, name: str, content_hash: str, size: int) -> bool:
        """Never called."""
        raise AssertionError("a preview receives nothing")

    def delete(self, kb: KnowledgeBase, name: str) -> None:
        """Never called."""
        raise AssertionError("a preview deletes nothing")


def remove(workspace: Workspace, kb: KnowledgeBase, source: Source, *, documents: bool) -> int:
    """Stop keeping in step with a source; returns how many documents were deleted with it.

    documents: delete those that came from there, too.
    """
    rows, deleted = Sources(workspace.engine), 0
    if documents:
        origins = rows.origins(kb.id)
        for seen in rows.seen(source.id).values():
            if origins.get(seen.document):
                try:
                    workspace.pipeline.delete(kb, seen.document)
                    deleted += 1
                except NotFound:
                    rows.discard(kb.id, seen.document)
    rows.remove(source.id)
    return deleted


class Keeper:
    """A thread that looks at sources, one after the other.

    received: called when something was received.
    """

    def __init__(self, workspace: Workspace, received: Callable[[], None]) -> None:
        self._workspace = workspace
        self._received = received
        self._asked: dict[str, bool] = {}
        self._running = ""
        self._changed = threading.Condition()
        self._stop = False
        self._thread = threading.Thread(target=self._run, name="sources", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, timeout_s: float = 10.0) -> None:
        """End; a look in the middle is given up, the next one goes on."""
        with self._changed:
            self._stop = True
            self._changed.notify()
        if self._thread.is_alive():
            self._thread.join(timeout_s)

    def ask(self, source_id: str, *, allow_empty: bool = False) -> None:
        """Have a source looked at as soon as its turn comes."""
        with self._changed:
            self._asked[source_id] = allow_empty
            self._changed.notify()

    def states(self) -> dict[str, SourceState]:
        """Sources that are looked at now, or soon; all others are idle.

        Ask before reading a source's row: its outcome is written before it becomes idle.
        """
        with self._changed:
            waiting: dict[str, SourceState] = dict.fromkeys(self._asked, "waiting")
            return {self._running: "running", **waiting} if self._running else waiting

    def _run(self) -> None:
        while not self._stop:
            try:
                turn = self._next()
            except SQLAlchemyError:
                log.exception("the sources cannot be read")
                turn = None
            if turn is None:
                with self._changed:
                    if not self._asked and not self._stop:
                        self._changed.wait(TICK_S)
                continue
            try:
                self._look(*turn)
            except Stopped:
                return
            except Exception:
                # Whatever one source meets, the others are looked at.
                log.exception("a source could not be looked at")
            finally:
                with self._changed:
                    self._running = ""

    def _next(self) -> tuple[str, bool] | None:
        with self._changed:
            if self._asked:
                self._running = next(iter(self._asked))
                return self._running, self._asked.pop(self._running)
        rows = Sources(self._workspace.engine)
        due = next((source for source in rows.due(datetime.now(UTC)) if rows.take(source)), None)
        if due is None:
            return None
        with self._changed:
            self._running = due.id
        return due.id, False

    def _look(self, source_id: str, allow_empty: bool) -> None:
        rows = Sources(self._workspace.engine)
        try:
            source = rows.source(source_id)
            kb = self._workspace.catalog.knowledge_base_by_id(source.knowledge_base_id)
        except NotFound:
            return
        try:
            look = Look(allow_empty=allow_empty, stopping=lambda: self._stop)
            outcome = look_at(self._workspace, kb, source, look)
        except FrontdeskError as exc:
            log.warning("source %s: %s", source.address, exc)
        except (Stopped, SQLAlchemyError):
            raise
        except Exception as exc:
            rows.looked(source_id, None, f"it could not be looked at ({type(exc).__name__}: {exc}); the log has more")
            raise
        else:
            found = f"{len(outcome.new)} new, {len(outcome.changed)} changed, {len(outcome.gone)} gone"
            log.info("source %s: %s, %d failed", source.address, found, len(outcome.failed))
        finally:
            self._received()
