"""The two kinds of child processes beside the one that answers customers: one embeds, the others read files.

Neither Python's lock nor a parser that crashes or never ends reaches the process that answers. Files are read in the
sandbox (ingest/sandbox); the embedding child has no database, no index and no file: it gets texts and gives back
vectors. It ends with its parent, however that ends, because its pipe does.
"""

from __future__ import annotations

import contextlib
import logging
import multiprocessing
import os
import pickle
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np

from app.combining import WorkerEmbedder
from ingest.embed import Vectors
from ingest.errors import FrontdeskError
from ingest.parse import PageProgress
from ingest.reading import Read
from ingest.sandbox import Sandbox, SandboxNotStarted, Stopping
from ingest.settings import IngestSettings

__all__ = ["Stopping", "Worker", "WorkerEmbedder", "WorkerGone", "WorkerNotStarted"]

log = logging.getLogger(__name__)
EMBED_TIMEOUT_S = 300.0
START_TIMEOUT_S = 180.0
# Answering comes first: the child gets what is left of the machine.
NICENESS = 10
READY = b"ready"
# A child that dies on the same texts twice will die a third time.
_ATTEMPTS = 2


class WorkerGone(FrontdeskError):
    """The embedding child ended or did not answer in time."""


class WorkerNotStarted(BaseException):
    """A child cannot be started: nothing is wrong with the document, so no handler of its errors sees it."""


class Worker:
    """The sandbox, and one child that embeds, started at first use and again after it has died.

    Files are read side by side, each in a process of its own; texts to embed take turns.
    """

    def __init__(self, settings: IngestSettings, sandbox: Sandbox) -> None:
        self._settings = settings
        self._sandbox = sandbox
        self._turn = threading.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._stopping = False

    def start(self) -> None:
        """Start now what would keep the first file waiting.

        Raises:
            WorkerNotStarted: a child cannot be started.
            Stopping: ``stop`` was called.
        """
        try:
            self._sandbox.start()
        except SandboxNotStarted as exc:
            raise WorkerNotStarted(str(exc)) from exc
        with self._turn:
            self._started()

    @property
    def alive(self) -> bool:
        """Whether the embedding child runs; reading processes come and go with the files."""
        return self._process is not None and self._process.is_alive()

    def read(
        self,
        path: Path,
        name: str,
        title: str,
        *,
        scratch: Path,
        depth: int = 0,
        progress: PageProgress | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Read:
        """Parse and chunk a stored file in the sandbox; see ingest.reading.Reader.

        Raises:
            ParseError: the file cannot be read, went past a limit, or ended its process.
            Cancelled: ``cancelled`` said so.
            Stopping: ``stop`` was called.
            WorkerNotStarted: there are no reading processes.
        """
        try:
            return self._sandbox.read(
                path, name, title, scratch=scratch, depth=depth, progress=progress, cancelled=cancelled
            )
        except SandboxNotStarted as exc:
            raise WorkerNotStarted(str(exc)) from exc

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Passages to unit vectors, shape (len(texts), size).

        Raises:
            WorkerGone: the child failed twice.
            Stopping: ``stop`` was called.
            WorkerNotStarted: there is no child to ask.
        """
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                return self._embedded(list(texts))
            except WorkerGone:
                if attempt == _ATTEMPTS:
                    raise
                log.warning("the worker was lost while embedding; trying once more")
        raise AssertionError  # the last attempt has returned or raised

    def stop(self) -> None:
        """End the children; calls that run raise Stopping."""
        self._stopping = True
        self._kill()
        self._sandbox.stop()

    def _embedded(self, texts: list[str]) -> Vectors:
        with self._turn:
            pipe = self._started()
            try:
                pipe.send(texts)
                if not pipe.poll(EMBED_TIMEOUT_S):
                    self._kill()
                    raise WorkerGone("embedding took too long; try again when the machine has less to do")
                problem = pipe.recv_bytes().decode()
                vectors = np.frombuffer(pipe.recv_bytes(), dtype=np.float32)
            except (EOFError, OSError, pickle.UnpicklingError) as exc:
                self._kill()
                if self._stopping:
                    raise Stopping from exc
                raise WorkerGone("the worker process ended") from exc
        if problem:
            raise WorkerGone(f"the texts cannot be embedded ({problem})")
        return vectors.reshape(len(texts), -1)

    def _started(self) -> Connection:
        if self._stopping:
            raise Stopping
        if self._pipe is not None and self.alive:
            return self._pipe
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(theirs, self._settings), daemon=True, name="frontdesk-worker")
        process.start()
        theirs.close()
        self._process, self._pipe = process, ours
        try:
            started = ours.poll(START_TIMEOUT_S) and ours.recv_bytes() == READY
        except (EOFError, OSError):
            started = False
        if not started:
            self._kill()
            raise Stopping if self._stopping else WorkerNotStarted("the ingestion worker cannot be started")
        return ours

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.join(5)
        # The pipe is closed by whoever reads from it: closing it under a waiting reader is not safe.
        if self._pipe is not None and not self._stopping:
            self._pipe.close()
            self._pipe = None


def serve(pipe: Connection, settings: IngestSettings) -> None:
    """The embedding child's whole life: texts in, a problem ("" for none) and vectors out, until the pipe closes."""
    # Ctrl-C goes to the whole group of processes; the parent decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    from ingest.embed import load_embedder

    embedder = load_embedder(settings, for_documents=True, threads=max(1, (os.cpu_count() or 2) // 2))
    pipe.send_bytes(READY)
    while True:
        try:
            texts = pipe.recv()
        except (EOFError, OSError):
            return
        problem, vectors = "", b""
        try:
            vectors = embedder.embed_documents(texts).tobytes()
        except Exception as exc:
            log.exception("embedding failed")
            problem = f"{type(exc).__name__}: {exc}"[:500]
        try:
            pipe.send_bytes(problem.encode())
            pipe.send_bytes(vectors)
        except OSError:
            # The parent is gone; nobody is left to tell.
            return
