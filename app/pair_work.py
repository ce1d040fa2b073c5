"""Long work on pairs in the service: in threads of its own, one piece a knowledge base; it can be asked about and stopped."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from app.errors import Conflict
from ingest.errors import FrontdeskError
from ingest.stages import Progress

log = logging.getLogger(__name__)
Kind = Literal["make", "import", "split"]
# What does the work: told how to report, and whom to ask whether it is to end.
Worker = Callable[[Progress, Callable[[], bool]], dict[str, Any]]


@dataclass(slots=True)
class Work:
    """A piece of work and what came of it; ``error`` is the kind of what ended it, ``problem`` its words."""

    kind: Kind
    state: Literal["running", "done", "failed"] = "running"
    stage: str = ""
    document: str = ""
    done: int = 0
    total: int = 0
    problem: str = ""
    error: str = ""
    result: dict[str, Any] = field(default_factory=dict)
    cancelled: threading.Event = field(default_factory=threading.Event)


class PairWork:
    """Starts work and remembers the last piece of each knowledge base, by its id."""

    def __init__(self) -> None:
        self._work: dict[str, Work] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def of(self, knowledge_base_id: str) -> Work | None:
        """The last piece of a knowledge base."""
        with self._lock:
            return self._work.get(knowledge_base_id)

    def begin(self, knowledge_base_id: str, kind: Kind, do: Worker) -> Work:
        """Start a piece of work; what ``do`` returns is its result.

        Raises:
            Conflict: another one of this knowledge base is running.
        """
        with self._lock:
            running = self._work.get(knowledge_base_id)
            if running is not None and running.state == "running":
                raise Conflict(f"pairs of this knowledge base are being worked on ({running.kind}): wait, or stop it")
            work = self._work[knowledge_base_id] = Work(kind)
            thread = threading.Thread(target=self._run, args=(work, do), name=f"pairs-{kind}", daemon=True)
            self._threads = [*(each for each in self._threads if each.is_alive()), thread]
            thread.start()
        return work

    def cancel(self, knowledge_base_id: str) -> bool:
        """Ask for the end of what is running; what is done is kept. Returns whether anything was."""
        work = self.of(knowledge_base_id)
        if work is None or work.state != "running":
            return False
        work.cancelled.set()
        return True

    def stop(self, wait_s: float = 10.0) -> None:
        """End everything, for the program ends; what is done is kept, and the next run goes on."""
        with self._lock:
            for work in self._work.values():
                work.cancelled.set()
            threads = list(self._threads)
        for thread in threads:
            thread.join(wait_s)

    @staticmethod
    def _run(work: Work, do: Worker) -> None:
        def report(document: str, stage: str, done: int, total: int) -> None:
            work.document, work.stage, work.done, work.total = document, stage, done, total

        try:
            work.result = do(report, work.cancelled.is_set)
            work.state = "done"
        except FrontdeskError as exc:
            log.warning("pairs, %s: %s", work.kind, exc)
            work.problem, work.error = str(exc), type(exc).__name__
            work.state = "failed"
        except Exception as exc:
            log.exception("pairs, %s failed", work.kind)
            work.problem = f"it failed ({type(exc).__name__}: {exc}); the log has more"
            work.state = "failed"
