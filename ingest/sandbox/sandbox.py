"""Read a file in a process of its own that has limits, and is killed past them; the caller lives on."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import select
import shutil
import signal
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ingest import errors
from ingest.errors import CANCELLED, Cancelled, FrontdeskError, LimitExceeded, ParseError
from ingest.limits import LIMITS, SandboxLimits
from ingest.parse import PageProgress
from ingest.reading import Read
from ingest.sandbox import wire
from ingest.sandbox.child import FILE_TOO_LARGE, OUT_OF_MEMORY, WORK
from ingest.sandbox.reasons import CRASHED, too_long, too_many_files, too_much_memory
from ingest.sandbox.starting import Zygote
from ingest.tokens import TokenCounter

log = logging.getLogger(__name__)
START_TIMEOUT_S = 120.0
# Between two looks at the clock and at a wish to cancel.
_TICK_S = 0.2
_TELL_EVERY_S = 0.1
# A killed child is buried within milliseconds, on a machine that swaps within seconds.
_BURIAL_S = 15.0
_PROGRESS_BYTES = 16 * 1024 * 1024
_NOT_STARTED = (
    f"the processes that read files did not start within {START_TIMEOUT_S:.0f} s: "
    "the machine is overloaded or out of memory; ingest the file again when it is less busy"
)


class Stopping(BaseException):
    """The work is given up because the program stops; not an error of the document, so no handler of errors sees it."""


class SandboxNotStarted(FrontdeskError):
    """Reading processes cannot be started; nothing is wrong with the document."""


class _Lost(Exception):
    """A zygote has ended, or does not answer, and with it what it was asked for is lost."""

    def __init__(self, zygote: Zygote) -> None:
        super().__init__()
        self.zygote = zygote


@dataclass(slots=True)
class _Reading:
    """One file being read: our ends, and what has arrived.

    given_up: the error to raise once the child is gone, when we have had it killed.
    end:      what the zygote says of the child's end.
    """

    zygote: Zygote
    answer: int
    life: socket.socket
    size: int
    limits: SandboxLimits
    frames: wire.Frames
    started: float = field(default_factory=time.monotonic)
    pages: int = 0
    told_at: float = 0.0
    given_up: Exception | None = None
    given_up_at: float = 0.0
    result: bytes | None = None
    error: bytes | None = None
    end: dict[str, Any] | None = None
    answered: bool = False

    @property
    def seconds(self) -> float:
        """What this file may take."""
        return self.limits.seconds(self.size, self.pages)

    def give_up(self, why: Exception) -> None:
        """Have the child killed; its end is still waited for."""
        if self.given_up is None:
            self.given_up, self.given_up_at = why, time.monotonic()
            with contextlib.suppress(OSError):
                self.life.shutdown(socket.SHUT_WR)


class Sandbox:
    """Reads files in child processes; any number of threads may read at once, each file has a child of its own.

    counter:      counts tokens as the embedder does; or what makes the counter, called when the first file is read.
    chunk_tokens: upper bound of a chunk.
    ahead:        the libraries of all kinds of files are loaded while nothing is read, not when the first such file comes.

    A fork of the process that has the parsers loaded costs 20 to 30 ms a small file here, where a new interpreter
    with its imports costs 3 to 5 s (docs/experiments.md). Which walls hold on this machine is in ``walls``.
    """

    def __init__(
        self,
        counter: TokenCounter | Callable[[], TokenCounter],
        chunk_tokens: int,
        limits: SandboxLimits = LIMITS,
        *,
        ahead: bool = True,
    ) -> None:
        self.limits = limits
        self._counter = counter
        self._chunk_tokens = chunk_tokens
        self._ahead = ahead
        self._turn = threading.Lock()
        self._zygote: Zygote | None = None
        # Started, and not configured yet.
        self._begun: Zygote | None = None
        self._stopping = False
        # Most resident bytes that one file has taken so far.
        self.peak_bytes = 0

    @property
    def alive(self) -> bool:
        """Whether the process runs that reading processes are forked from."""
        zygote = self._zygote
        return zygote is not None and zygote.process.poll() is None

    @property
    def walls(self) -> tuple[str, ...]:
        """What holds a child in on this machine (walls.py); empty before the start."""
        return self._zygote.walls if self._zygote else ()

    def begin(self) -> None:
        """Start loading libraries now, and wait for nothing: the caller still has something else to load.

        Raises:
            SandboxNotStarted: it cannot be started.
        """
        with self._turn:
            if self._begun is None and self._zygote is None and not self._stopping:
                self._begun = _new_zygote()

    def start(self) -> None:
        """Start now, so that the first file does not wait for it.

        Raises:
            SandboxNotStarted: it cannot be started.
            Stopping: ``stop`` was called.
        """
        with self._turn:
            self._started()

    def stop(self) -> None:
        """End everything; a reading that runs raises Stopping."""
        self._stopping = True
        if zygote := self._zygote:
            zygote.let_end()
        with self._turn:
            for each in (self._zygote, self._begun):
                if each is not None:
                    each.end()
            self._zygote = self._begun = None

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
        """Parse and chunk a stored file; see ingest.reading.Reader.

        scratch: a folder for files found inside; afterwards it holds these and nothing else.

        Raises:
            ParseError: the file cannot be read, went past a limit, or ended its process.
            Cancelled: ``cancelled`` said so; the process is gone.
            Stopping: ``stop`` was called.
            SandboxNotStarted: there are no reading processes.
        """
        scratch.mkdir(parents=True, exist_ok=True)
        request = {"path": str(path.absolute()), "name": name, "title": title, "depth": depth}
        found: Read | None = None
        try:
            for attempt in (1, 2):
                _empty(scratch)
                (scratch / WORK).mkdir(mode=0o700)
                try:
                    found = self._read(request, path, scratch, progress, cancelled)
                    return found
                except _Lost as lost:
                    if self._stopping:
                        raise Stopping from None
                    # It may still be dying; the next attempt needs another.
                    lost.zygote.end()
                    log.warning("the reading processes were lost, attempt %d", attempt)
            raise ParseError(CRASHED)
        finally:
            _empty(scratch, frozenset(file.path for file in found.attachments) if found else frozenset())

    def _read(
        self,
        request: dict[str, Any],
        path: Path,
        scratch: Path,
        progress: PageProgress | None,
        cancelled: Callable[[], bool] | None,
    ) -> Read:
        size = path.stat().st_size
        body = json.dumps({**request, "scratch": str(scratch.absolute()), "limits": asdict(self.limits)}).encode()
        with contextlib.ExitStack() as stack:
            ours, theirs = os.pipe()
            stack.callback(os.close, ours)
            life, life_line = socket.socketpair()
            stack.enter_context(life)
            try:
                with life_line:
                    zygote = self._request(body, theirs, life_line.fileno())
            finally:
                os.close(theirs)
            frames = wire.Frames(self.limits.answer_bytes + _PROGRESS_BYTES)
            reading = _Reading(zygote, ours, life, size, self.limits, frames)
            self._follow(reading, progress, cancelled)
        return self._judge(reading, request["name"], scratch)

    def _request(self, body: bytes, answer: int, life_line: int) -> Zygote:
        with self._turn:
            zygote = self._started()
            try:
                zygote.ask(body, [answer, life_line])
            except OSError as exc:
                raise _Lost(zygote) from exc
            return zygote

    def _follow(self, reading: _Reading, progress: PageProgress | None, cancelled: Callable[[], bool] | None) -> None:
        """Until the child has ended and all it said is here."""
        poll = select.poll()
        poll.register(reading.answer, select.POLLIN)
        poll.register(reading.life, select.POLLIN)
        while reading.end is None or not reading.answered:
            for descriptor, _ in poll.poll(_TICK_S * 1000):
                if descriptor == reading.answer:
                    if not self._take(reading, progress):
                        poll.unregister(reading.answer)
                else:
                    said = reading.life.recv(4096)
                    if not said:
                        raise reading.given_up or _Lost(reading.zygote)
                    reading.end = json.loads(said)
                    poll.unregister(reading.life)
            if reading.given_up is None:
                if cancelled is not None and cancelled():
                    reading.give_up(Cancelled(CANCELLED))
                elif time.monotonic() - reading.started > reading.seconds:
                    reading.give_up(LimitExceeded(too_long(reading.seconds)))
            elif time.monotonic() - reading.given_up_at > _BURIAL_S:
                reading.zygote.process.kill()
                raise reading.given_up

    def _take(self, reading: _Reading, progress: PageProgress | None) -> bool:
        """Take what has arrived; False at its end."""
        data = os.read(reading.answer, 1 << 18)
        if not data:
            reading.answered = True
            return False
        if reading.given_up is not None:
            return True
        try:
            for kind, payload in reading.frames.feed(data):
                if kind == wire.PROGRESS:
                    self._tell(reading, wire.read_progress(payload), progress)
                elif kind == wire.RESULT:
                    reading.result = payload
                elif kind == wire.ERROR:
                    reading.error = payload
                else:
                    raise wire.Garbled("a frame of no known kind")
            if reading.frames.overrun:
                most = self.limits.answer_bytes >> 20
                reading.give_up(LimitExceeded(f"it holds more than {most} MiB of text; split it into smaller files"))
        except wire.Garbled as exc:
            log.warning("a reading process sent %s", exc)
            reading.give_up(ParseError(CRASHED))
        except BaseException as exc:
            # The callback's error is the caller's, and the child is of no use to anybody.
            reading.give_up(Cancelled(CANCELLED))
            raise exc
        return True

    def _tell(self, reading: _Reading, pages: tuple[int, int], progress: PageProgress | None) -> None:
        reading.pages = pages[1]
        now = time.monotonic()
        # A file of many tiny pages, or a hostile one, shall not keep us busy with telling.
        if progress is not None and now - reading.told_at >= _TELL_EVERY_S:
            reading.told_at = now
            progress(*pages)

    def _judge(self, reading: _Reading, name: str, scratch: Path) -> Read:
        end = reading.end or {}
        self.peak_bytes = max(self.peak_bytes, end["peak"])
        if reading.given_up is not None:
            raise reading.given_up
        if end["killed"] == "memory" or (end["code"] < 0 and end["peak"] > self.limits.memory_bytes):
            raise LimitExceeded(too_much_memory(self.limits))
        if end["killed"] == "files":
            raise LimitExceeded(too_many_files(self.limits.scratch_bytes))
        if end["code"] == -signal.SIGXCPU:
            raise LimitExceeded(too_long(self.limits.longest_s))
        try:
            if end["code"] == 0 and reading.result is not None:
                return wire.read_result(reading.result, scratch, self.limits.file_bytes, self.limits.entries)
            if end["code"] == 0 and reading.error is not None:
                raise self._error(*wire.read_error(reading.error), name)
        except wire.Garbled as exc:
            log.warning("a reading process sent %s about %s", exc, name)
        else:
            log.warning("the process that read %s ended with code %s", name, end["code"])
        raise ParseError(CRASHED)

    def _error(self, kind: str, message: str, trace: str, name: str) -> Exception:
        if kind == OUT_OF_MEMORY:
            return LimitExceeded(too_much_memory(self.limits))
        if kind == FILE_TOO_LARGE:
            return LimitExceeded(too_many_files(self.limits.file_bytes))
        named = getattr(errors, kind, None)
        if isinstance(named, type) and issubclass(named, ParseError):
            return named(message[:1000])
        log.error("reading %s failed: %s\n%s", name, message, trace)
        return ParseError(
            f"the parser failed on this file ({message[:100]}); save it anew from its program, or as a PDF"
        )

    def _started(self) -> Zygote:
        """The running zygote; only for who has the turn."""
        if self._stopping:
            raise Stopping
        if self._zygote is not None and self.alive:
            return self._zygote
        if self._zygote is not None:
            self._zygote.end()
        counter = self._counter if isinstance(self._counter, TokenCounter) else self._counter()
        self._zygote, self._begun = self._begun or _new_zygote(), None
        try:
            self._zygote.configure(counter, self._chunk_tokens, START_TIMEOUT_S, ahead=self._ahead)
        except OSError as exc:
            self._zygote.end()
            self._zygote = None
            if self._stopping:
                raise Stopping from exc
            raise SandboxNotStarted(_NOT_STARTED) from exc
        log.info("files are read behind: %s", ", ".join(self._zygote.walls))
        return self._zygote


def _new_zygote() -> Zygote:
    try:
        return Zygote.start()
    except OSError as exc:
        raise SandboxNotStarted(_NOT_STARTED) from exc


def _empty(folder: Path, keep: frozenset[Path] = frozenset()) -> None:
    """Delete everything in a folder but these files."""
    for entry in list(os.scandir(folder)):
        path = folder / entry.name
        if path in keep:
            continue
        with contextlib.suppress(OSError):
            if not entry.is_dir(follow_symlinks=False):
                path.unlink()
            elif any(file.is_relative_to(path) for file in keep):
                _empty(path, keep)
            else:
                shutil.rmtree(path, ignore_errors=True)
