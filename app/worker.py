"""The ingestion worker: a child process that parses, chunks and embeds.

Neither Python's lock nor a parser that crashes or never ends reaches the process that answers customers. The child has
no database and no index: it gets a path or texts and gives back chunks or vectors. It ends with its parent, however
that ends, because its pipe does.
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
from typing import Any

import numpy as np

from ingest.embed import Embedder, Vectors
from ingest.errors import FrontdeskError, ParseError
from ingest.parse import PageProgress
from ingest.reading import Read
from ingest.settings import IngestSettings

log = logging.getLogger(__name__)
READ_TIMEOUT_S = 600.0
EMBED_TIMEOUT_S = 300.0
START_TIMEOUT_S = 180.0
# Texts embedded by one request: progress is seen, and a stop is heard, in between.
EMBED_AT_ONCE = 32
# Answering comes first: the child gets what is left of the machine.
NICENESS = 10
READY = "ready"


class WorkerGone(FrontdeskError):
    """The child process ended or did not answer in time."""


class Stopping(BaseException):
    """The work is given up because the program stops; not an error of the document, so no handler of errors sees it."""


class WorkerNotStarted(BaseException):
    """The child cannot be started: nothing is wrong with the document, so no handler of its errors sees it."""


class Worker:
    """One child process, started at first use and again after it has died; calls take turns.

    read_timeout_s: seconds that one file may take.
    """

    def __init__(self, settings: IngestSettings, read_timeout_s: float = READ_TIMEOUT_S) -> None:
        self._settings = settings
        self._read_timeout_s = read_timeout_s
        self._turn = threading.Lock()
        self._process: BaseProcess | None = None
        self._pipe: Connection | None = None
        self._stopping = False

    def start(self) -> None:
        """Start the child now, so that the first file does not wait for it."""
        with self._turn:
            self._started()

    @property
    def alive(self) -> bool:
        """Whether the child runs."""
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
        """Parse and chunk a stored file.

        Raises:
            ParseError: the file cannot be read, took too long, or ended the child.
            Stopping: ``stop`` was called.
            WorkerNotStarted: there is no child to ask.
        """
        try:
            found = self._call("read", (path, name, title), self._read_timeout_s)
        except TimeoutError as exc:
            minutes = self._read_timeout_s / 60
            raise ParseError(f"reading it took longer than {minutes:g} minutes; split it into smaller files") from exc
        except WorkerGone as exc:
            raise ParseError("the parser crashed on this file; save it anew from its program, or as a PDF") from exc
        if not isinstance(found, Read):
            raise WorkerGone("the worker answered out of turn")
        return found

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Passages to unit vectors, shape (len(texts), size).

        Raises:
            WorkerGone: the child failed twice.
            Stopping: ``stop`` was called.
        """
        try:
            return np.asarray(self._call("embed", (list(texts),), EMBED_TIMEOUT_S), dtype=np.float32)
        except (WorkerGone, TimeoutError):
            log.warning("the worker was lost while embedding; trying once more")
        try:
            return np.asarray(self._call("embed", (list(texts),), EMBED_TIMEOUT_S), dtype=np.float32)
        except TimeoutError as exc:
            raise WorkerGone("embedding took too long; try again when the machine has less to do") from exc

    def stop(self) -> None:
        """End the child; a call that runs raises Stopping."""
        self._stopping = True
        self._kill()

    def _call(self, verb: str, arguments: tuple[Any, ...], timeout_s: float) -> object:
        with self._turn:
            pipe = self._started()
            try:
                pipe.send((verb, arguments))
                if not pipe.poll(timeout_s):
                    self._kill()
                    raise TimeoutError
                done, value = pipe.recv()
            except (EOFError, OSError, pickle.UnpicklingError) as exc:
                self._kill()
                if self._stopping:
                    raise Stopping from exc
                if isinstance(exc, TimeoutError):
                    raise
                raise WorkerGone("the worker process ended") from exc
        if done:
            return value
        raise value

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
            started = ours.poll(START_TIMEOUT_S) and ours.recv() == READY
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


class WorkerEmbedder:
    """An embedder whose documents are embedded by the worker; questions and token counts stay here."""

    def __init__(self, local: Embedder, worker: Worker) -> None:
        self._local = local
        self._worker = worker
        self.name, self.size, self.max_tokens = local.name, local.size, local.max_tokens

    def knows(self, language: str) -> bool:
        """Whether vectors of this language mean anything."""
        return self._local.knows(language)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens not counted."""
        return self._local.count_tokens(texts)

    def embed_query(self, text: str) -> Vectors:
        """A question to a unit vector, shape (size,)."""
        return self._local.embed_query(text)

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """Questions to unit vectors, shape (len(texts), size)."""
        return self._local.embed_queries(texts)

    def embed_documents(self, texts: Sequence[str]) -> Vectors:
        """Passages to unit vectors, shape (len(texts), size)."""
        if not texts:
            return np.zeros((0, self.size), dtype=np.float32)
        # Texts of like length share a request, so that little is padded.
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        vectors = np.zeros((len(texts), self.size), dtype=np.float32)
        for start in range(0, len(order), EMBED_AT_ONCE):
            some = order[start : start + EMBED_AT_ONCE]
            vectors[some] = self._worker.embed([texts[i] for i in some])
        return vectors


def serve(pipe: Connection, settings: IngestSettings) -> None:
    """The child's whole life: answer requests until the pipe closes."""
    # Ctrl-C goes to the whole group of processes; the parent decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    import torch

    from ingest.embed import load_embedder

    torch.set_num_threads(max(1, (os.cpu_count() or 2) // 2))
    embedder = load_embedder(settings)
    pipe.send(READY)
    while True:
        try:
            verb, arguments = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            pipe.send(_done(verb, arguments, embedder, settings))
        except OSError:
            # The parent is gone; nobody is left to tell.
            return


def _done(verb: str, arguments: tuple[Any, ...], embedder: Embedder, settings: IngestSettings) -> tuple[bool, object]:
    """Whether a request could be carried out, and its result or its error."""
    from ingest.reading import read_document

    try:
        if verb == "read":
            path, name, title = arguments
            return True, read_document(path, name, title, embedder=embedder, chunk_tokens=settings.chunk_tokens)
        return True, embedder.embed_documents(arguments[0])
    except FrontdeskError as exc:
        return False, exc
    except Exception as exc:
        log.exception("%s failed", verb)
        return False, ParseError(f"it could not be read ({type(exc).__name__}: {exc})")
