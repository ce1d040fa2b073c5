"""The parent's hand on the zygote: start it, tell it what it needs, end it."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import ingest
from ingest.tokens import TokenCounter

_END_S = 3.0
_LENGTH = struct.Struct(">I")
# All that readers need of our environment; secrets are not among it.
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "LD_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR")
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(slots=True)
class Zygote:
    """The running zygote and our end of its socket.

    walls: what holds a child in on this machine (walls.py).
    """

    process: subprocess.Popen[bytes]
    control: socket.socket
    walls: tuple[str, ...] = ()

    @classmethod
    def start(cls) -> Zygote:
        """Start the process; it loads libraries from now on, and is configured when that is wanted."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(  # noqa: S603 - our own interpreter and module
                [sys.executable, "-P", "-m", "ingest.sandbox.zygote", str(theirs.fileno())],
                env=_environment(),
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                # Signals meant for our group are ours: we end it.
                start_new_session=True,
            )
        return cls(process, ours)

    def configure(self, counter: TokenCounter, chunk_tokens: int, timeout_s: float, *, ahead: bool) -> None:
        """Hand over what it needs, and wait until it can fork.

        ahead: it loads the libraries of all kinds of files while it has nothing to do.

        Raises:
            OSError: it has ended, or is not ready in time.
        """
        settings = {
            "tokenizer": counter.definition,
            "max_tokens": counter.max_tokens,
            "chunk_tokens": chunk_tokens,
            "ahead": ahead,
        }
        self.control.settimeout(timeout_s)
        self._send(json.dumps(settings).encode(), [])
        said = self.control.recv(4096)
        self.control.settimeout(None)
        if not said:
            raise ConnectionError("the process has ended")
        self.walls = tuple(json.loads(said)["walls"])

    def ask(self, request: bytes, descriptors: list[int]) -> None:
        """Have a file read; OSError when the process has ended."""
        self._send(request, descriptors)

    def let_end(self) -> None:
        """Let it end what it has forked, and then itself."""
        with contextlib.suppress(OSError):
            self.control.shutdown(socket.SHUT_RDWR)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(_END_S)

    def end(self) -> None:
        """End it at once; its children end with it. May be called again."""
        self.process.kill()
        self.process.wait()
        self.control.close()

    def _send(self, body: bytes, descriptors: list[int]) -> None:
        socket.send_fds(self.control, [_LENGTH.pack(len(body))], descriptors)
        self.control.sendall(body)


def _environment() -> dict[str, str]:
    kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
    # The package's own folder, and never the current one: a file there could take the place of a library.
    kept["PYTHONPATH"] = str(Path(ingest.__file__).parents[1])
    kept["TOKENIZERS_PARALLELISM"] = "false"
    # Threads of a library do not survive the fork.
    return kept | dict.fromkeys(_ONE_THREAD, "1")
