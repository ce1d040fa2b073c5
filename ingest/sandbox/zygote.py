"""The process that reading processes are forked from: one thread, parsers loaded, nothing of ours in its memory.

    python -m ingest.sandbox.zygote FD        (started by sandbox.py; FD is its end of a socket pair)

Over the socket come requests (length, JSON, two descriptors: where the answer goes, and the child's life line). It
forks a child for each, watches the memory and the files of the child and of what that starts, kills all of them once the
parent lets go of the life line, and writes on it how the child ended. When the socket closes, everything ends.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import selectors
import signal
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ingest.limits import SandboxLimits
from ingest.sandbox.child import (
    KINDS,
    kind_of,
    load_common,
    load_kind,
    load_libraries,
    read_and_answer,
    walls_here,
    wants_helpers,
)
from ingest.sandbox.landlock import SOCKETS
from ingest.sandbox.processes import memory_of, remove_dead_sockets, tree_of
from ingest.sandbox.walls import end_with_parent, leave_network
from ingest.tokens import TokenCounter

NICENESS = 10
# A process fills at most some 2 GiB a second: what it can take between two looks is less than walls.RESERVED.
LOOK_S = 0.03
# Looks between two counts of the files it has written.
_FILES_EVERY = 10
# A file whose libraries are missing waits this long for the others to end; then its child loads them itself.
_PATIENCE_S = 2.0
_LENGTH = struct.Struct(">I")


@dataclass(slots=True)
class _Child:
    """A child that reads, and what is known of it.

    killed: why we have killed it: "memory", "files", "parent"; "" so far.
    peak:   most resident bytes seen, of its whole tree.
    """

    pid: int
    life: socket.socket
    limits: SandboxLimits
    scratch: Path
    helpers: bool
    killed: str = ""
    peak: int = 0
    looks: int = 0


@dataclass(slots=True)
class _Request:
    """A file to be read, and our copies of its two descriptors."""

    body: dict[str, Any]
    answer: int
    life_line: int
    since: float = field(default_factory=time.monotonic)

    @property
    def kind(self) -> str:
        """Whose libraries it needs."""
        return kind_of(str(self.body["name"]))


class Zygote:
    """Forks, watches and buries."""

    def __init__(self, control: socket.socket, counter: TokenCounter, chunk_tokens: int, *, ahead: bool) -> None:
        self._control = control
        self._counter = counter
        self._chunk_tokens = chunk_tokens
        self._children: dict[int, _Child] = {}
        self._waiting: deque[_Request] = deque()
        # Kinds of files whose libraries are not here yet; nobody can look at the children while they are loaded.
        self._missing = list(KINDS)
        self._ahead = ahead
        self._events = selectors.DefaultSelector()
        self._events.register(control, selectors.EVENT_READ)
        self._woken, waker = os.pipe()
        for end in (self._woken, waker):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(waker, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self._events.register(self._woken, selectors.EVENT_READ)

    def run(self) -> None:
        """Until the parent closes the socket."""
        while True:
            for key, _ in self._events.select(self._patience()):
                if key.fileobj is self._control:
                    if not self._take_request():
                        return
                elif key.fileobj == self._woken:
                    with contextlib.suppress(BlockingIOError):
                        os.read(self._woken, 4096)
                else:
                    # The parent says nothing on the life line; it closes it.
                    self._kill(key.data, "parent")
                    self._events.unregister(key.fileobj)
            self._bury()
            for child in self._children.values():
                self._look_at(child)
            self._begin()

    def end(self) -> None:
        """Kill what still reads."""
        for child in self._children.values():
            self._kill(child, "parent")

    def _take_request(self) -> bool:
        head, ends, _, _ = socket.recv_fds(self._control, _LENGTH.size, 2)
        if len(head) < _LENGTH.size or len(ends) != 2:
            return False
        body = _receive(self._control, _LENGTH.unpack(head)[0])
        if body is None:
            return False
        self._waiting.append(_Request(json.loads(body), *ends))
        return True

    def _patience(self) -> float | None:
        """Seconds to wait for something to happen; None for as long as it takes."""
        if self._children or self._waiting:
            return LOOK_S
        return 0 if self._ahead and self._missing else None

    def _begin(self) -> None:
        """Fork for what waits; where libraries are missing they are loaded first, once nobody reads."""
        if not self._waiting and self._ahead and self._missing and not self._children:
            self._load({self._missing[0]})
        late = time.monotonic() - _PATIENCE_S
        wanted = {request.kind for request in self._waiting} & set(self._missing)
        if wanted and self._children and not any(request.since < late for request in self._waiting):
            return
        if wanted and not self._children:
            self._load(wanted)
        while self._waiting:
            request = self._waiting.popleft()
            self._fork(request.body, request.answer, request.life_line)

    def _load(self, kinds: set[str]) -> None:
        for kind in kinds:
            self._missing.remove(kind)
            load_kind(kind)
        _settle()

    def _fork(self, request: dict[str, Any], answer: int, life_line: int) -> None:
        path, scratch = Path(request["path"]), Path(request["scratch"])
        limits = SandboxLimits(**request["limits"])
        helpers = wants_helpers(path)
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            # Nothing may return into the parent's loop, whatever happens.
            try:
                end_with_parent(parent)
                read_and_answer(request, answer, limits, self._counter, self._chunk_tokens, helpers=helpers)
            finally:
                os._exit(1)
        os.close(answer)
        child = _Child(pid, socket.socket(fileno=life_line), limits, scratch, helpers)
        self._children[pid] = child
        self._events.register(child.life, selectors.EVENT_READ, child)

    def _look_at(self, child: _Child) -> None:
        pids = tree_of(child.pid) if child.helpers else [child.pid]
        memory = sum(memory_of(pid) for pid in pids)
        child.peak = max(child.peak, memory)
        if memory > child.limits.memory_bytes:
            self._kill(child, "memory")
        child.looks += 1
        if child.looks % _FILES_EVERY == 0 and _size_of(child.scratch) > child.limits.scratch_bytes:
            self._kill(child, "files")

    def _kill(self, child: _Child, why: str) -> None:
        child.killed = child.killed or why
        for pid in {child.pid, *(tree_of(child.pid) if child.helpers else [])}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _bury(self) -> None:
        while self._children:
            # Looked at before it is taken from the table of processes: until then its number is nobody else's.
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None:
                return
            child = self._children.pop(found.si_pid, None)
            if child is not None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(child.pid, signal.SIGKILL)
            _, status, used = os.wait4(found.si_pid, 0)
            if child is not None:
                self._tell(child, status, used.ru_maxrss * 1024, used.ru_utime + used.ru_stime)
            if child is not None and child.helpers:
                self._clear_up()

    def _clear_up(self) -> None:
        """End what a helper left behind: it came to us as its nearest ancestor."""
        if any(child.helpers for child in self._children.values()):
            return
        for orphan in set(tree_of(os.getpid())) - {os.getpid(), *self._children}:
            with contextlib.suppress(ProcessLookupError):
                os.kill(orphan, signal.SIGKILL)
        remove_dead_sockets(SOCKETS)

    def _tell(self, child: _Child, status: int, resident: int, seconds: float) -> None:
        end = {
            "code": os.waitstatus_to_exitcode(status),
            "killed": child.killed,
            # The kernel's own figure counts pages shared with this process, and what lives between two looks.
            "peak": max(child.peak, resident),
            "seconds": seconds,
        }
        with contextlib.suppress(OSError):
            child.life.send(json.dumps(end).encode())
        with contextlib.suppress(KeyError, ValueError):
            self._events.unregister(child.life)
        child.life.close()


def _settle() -> None:
    # What is loaded by now stays as it is: the collector would touch, and so copy, every page in every child.
    gc.collect()
    gc.freeze()


def _size_of(folder: Path) -> int:
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):
                total += os.lstat(os.path.join(parent, name)).st_blocks * 512
    return total


def _receive(control: socket.socket, length: int) -> bytes | None:
    """So many bytes; None when the parent has gone."""
    parts = bytearray()
    while len(parts) < length:
        if not (part := control.recv(min(length - len(parts), 1 << 20))):
            return None
        parts += part
    return bytes(parts)


def main() -> None:
    """The zygote's whole life."""
    control = socket.socket(fileno=int(sys.argv[1]))
    # Ctrl-C goes to the whole group of processes; the parent decides when this one ends.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    # The parent may still be loading what the settings are made of.
    load_libraries()
    settings = _receive(control, _LENGTH.unpack(_receive(control, _LENGTH.size) or bytes(4))[0])
    if not settings:
        return
    given = json.loads(settings)
    counter = TokenCounter(given["tokenizer"], given["max_tokens"])
    load_common(counter)
    walls = ["network namespace"] if leave_network() else []
    _settle()
    walls += walls_here()
    control.sendall(json.dumps({"walls": walls}).encode() + b"\n")
    zygote = Zygote(control, counter, given["chunk_tokens"], ahead=given["ahead"])
    try:
        zygote.run()
    finally:
        zygote.end()


if __name__ == "__main__":
    main()
