"""Clients that ask a frontdesk without end, for tests of what becomes of them when model servers come and go."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests import packaged_model
from tests.integration.http_server import Server

CLIENTS = 8
# An answer takes a second or two; a rung that hangs would be left after the endpoint's own timeout.
PATIENCE_S = 60
PAUSE_S = 0.3
THINGS = ("motor of the WM-900", "drum of the WM-900", "electronics of the WM-900", "WM-900")


@dataclass
class Load:
    """Clients that ask one question after the other, and what became of each."""

    api: Server
    replies: list[tuple[float, int, str, str]] = field(default_factory=list)
    hung: list[str] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def client(self, stop: threading.Event) -> None:
        with self.api.client(timeout=PATIENCE_S) as client:
            while not stop.is_set():
                number = next(self._numbers)
                question = f"Customer {number} asks: how long is the {THINGS[number % len(THINGS)]} guaranteed?"
                try:
                    reply = client.post("/api/chat", json={"question": question, "stream": False})
                except httpx.HTTPError as exc:
                    self.hung.append(repr(exc))
                    continue
                said = reply.json()
                engine = str(said.get("engine") or said.get("code"))
                self.replies.append((time.monotonic(), reply.status_code, engine, str(said.get("release"))))
                # Quoting takes milliseconds: without a pause the clients alone would fill the machine.
                stop.wait(PAUSE_S)

    def engines(self, since: float = 0.0) -> Counter[str]:
        return Counter(engine for at, _, engine, _ in self.replies if at > since)


@contextmanager
def loaded(api: Server) -> Iterator[Load]:
    load, stop = Load(api), threading.Event()
    with ThreadPoolExecutor(CLIENTS) as clients:
        asking = [clients.submit(load.client, stop) for _ in range(CLIENTS)]
        try:
            yield load
        finally:
            stop.set()
        for each in asking:
            each.result(2 * PATIENCE_S)


def frontdesk(home: Path, *arguments: str) -> None:
    subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env=packaged_model.environment() | {"FRONTDESK_HOME": str(home)},
        check=True,
        timeout=120,
    )


def until(happened: Callable[[], object], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.2)
