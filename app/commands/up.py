"""frontdesk up: the API with its worker, both pages and the trainer, started and stopped together."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from dotenv import dotenv_values

from app.commands.common import err, out, reported

START_S = 180.0
STOP_S = 20.0
# Before a trainer that ended by itself is started again.
AGAIN_S = 10.0
HostOption = Annotated[
    str | None, typer.Option(help="Address to bind; FRONTDESK_HOST or 127.0.0.1. Others need a key.")
]
PortOption = Annotated[int | None, typer.Option(help="Port of the API; FRONTDESK_PORT or 8000.")]


@dataclass(slots=True)
class Part:
    """A process that belongs to the whole."""

    name: str
    process: subprocess.Popen[bytes]
    ready_url: str


@dataclass(slots=True)
class Trainer:
    """The process that trains. It may need more memory than there is: then it alone ends, and is started again."""

    environment: dict[str, str]
    process: subprocess.Popen[bytes]
    ended_at: float | None = None

    @classmethod
    def start(cls, environment: dict[str, str]) -> Trainer:
        """Start one."""
        return cls(environment, cls._new(environment))

    def look(self) -> None:
        """Start it again some time after it has ended; a run goes on from its last checkpoint."""
        if self.process.poll() is None:
            return
        if self.ended_at is None:
            self.ended_at = time.monotonic()
            code = self.process.returncode
            err.print(f"The trainer ended by itself (exit code {code}); it is started again in {AGAIN_S:g} s.")
        elif time.monotonic() - self.ended_at > AGAIN_S:
            self.process, self.ended_at = self._new(self.environment), None

    @staticmethod
    def _new(environment: dict[str, str]) -> subprocess.Popen[bytes]:
        return subprocess.Popen(_trainer(), env=environment, start_new_session=True)  # noqa: S603 - our own


@reported
def up(
    host: HostOption = None,
    port: PortOption = None,
    customer_port: Annotated[int, typer.Option(help="Port of the customers' page.")] = 8501,
    staff_port: Annotated[int, typer.Option(help="Port of the staff's pages.")] = 8502,
    pages: Annotated[bool, typer.Option(help="Start the pages, too.")] = True,
    trainer: Annotated[bool, typer.Option(help="Start the process that carries out training runs, too.")] = True,
) -> None:
    """Start the API with its ingestion worker, both pages and the trainer; Ctrl-C stops them together."""
    from app.workspace import Settings
    from ingest.errors import SettingsError

    if host is not None:
        os.environ["FRONTDESK_HOST"] = host
    if port is not None:
        os.environ["FRONTDESK_PORT"] = str(port)
    settings = Settings.load().app
    for wanted in (settings.port, *((customer_port, staff_port) if pages else ())):
        see_that_free(settings.host, wanted)
    shown = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - compared, not bound
    api_url = f"http://{shown}:{settings.port}"
    # The pages read no .env: what stands there is handed to them; the environment goes first, as it does for us.
    from_file = {name: value for name, value in dotenv_values(".env").items() if value is not None}
    environment = {**from_file, **os.environ, "FRONTDESK_API_URL": api_url}
    parts: list[Part] = []
    training: Trainer | None = None
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        with err.status("Starting the API…"):
            parts.append(_start("API", [sys.executable, "-m", "app.main"], environment, f"{api_url}/health", None))
            _wait(parts, stop)
        if pages and not stop.is_set():
            ui = _ui_folder()
            with err.status("Starting the pages…"):
                for name, script, page_port in (
                    ("customers", "customer.py", customer_port),
                    ("staff", "staff.py", staff_port),
                ):
                    command = _streamlit(script, settings.host, page_port)
                    url = f"http://{shown}:{page_port}/_stcore/health"
                    parts.append(_start(name, command, environment, url, ui))
                _wait(parts, stop)
        if trainer and not stop.is_set():
            training = Trainer.start(environment)
        if not stop.is_set():
            out.print(f"API        {api_url}  (docs at {api_url}/docs)", markup=False)
            if pages:
                out.print(f"customers  http://{shown}:{customer_port}", markup=False)
                out.print(f"staff      http://{shown}:{staff_port}", markup=False)
            if settings.api_key is None:
                out.print("No FRONTDESK_API_KEY is set: only this machine is served.", style="dim")
            out.print("Ctrl-C stops everything.", style="dim")
        while not stop.wait(0.5):
            if training is not None:
                training.look()
            ended = next((part for part in parts if part.process.poll() is not None), None)
            if ended is not None:
                raise SettingsError(f"{ended.name} ended by itself; what it said is above")
    finally:
        _stop([*(part.process for part in parts), *([training.process] if training else [])])


def see_that_free(host: str, port: int) -> None:
    """See that an address can be bound.

    Raises:
        SettingsError: something else has it.
    """
    from ingest.errors import SettingsError

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as tried:
        # As servers do: a port that was closed a moment ago may be bound again.
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind((host, port))
        except OSError as exc:
            raise SettingsError(
                f"{host}:{port} cannot be used ({exc.strerror}): stop what uses it, or give another one "
                "(see --help for the options)"
            ) from exc


def _trainer() -> list[str]:
    return [sys.executable, "-m", "app.cli", "trainer", "--quiet"]


def _start(name: str, command: list[str], environment: dict[str, str], ready_url: str, folder: Path | None) -> Part:
    # A group of its own: Ctrl-C reaches this process only, which then stops the parts in order.
    # What the pages greet with says less than the addresses printed below; their warnings stay.
    stdout = None if folder is None else subprocess.DEVNULL
    process = subprocess.Popen(command, env=environment, cwd=folder, stdout=stdout, start_new_session=True)  # noqa: S603 - our own
    return Part(name, process, ready_url)


def _wait(parts: list[Part], stop: threading.Event) -> None:
    """Until every part answers."""
    from ingest.errors import SettingsError

    end = time.monotonic() + START_S
    for part in parts:
        while not _answers(part.ready_url) and not stop.is_set():
            if part.process.poll() is not None:
                raise SettingsError(f"{part.name} did not start; what it said is above")
            if time.monotonic() > end:
                raise SettingsError(f"{part.name} was not there after {START_S:g} s")
            stop.wait(0.3)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as reply:  # noqa: S310 - our own address
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _stop(processes: list[subprocess.Popen[bytes]]) -> None:
    """The last one first: pages go before the API, so that nobody asks one that is gone."""
    for process in reversed(processes):
        if process.poll() is None:
            process.terminate()
    end = time.monotonic() + STOP_S
    for process in reversed(processes):
        try:
            process.wait(max(0.1, end - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _ui_folder() -> Path:
    """Folder of the pages; found without importing them, for they know nothing of us, nor we of them."""
    import importlib.util

    spec = importlib.util.find_spec("ui")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package ui is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def _streamlit(script: str, host: str, port: int) -> list[str]:
    options = {"server.address": host, "server.port": str(port), "server.headless": "true", "logger.level": "warning"}
    return [sys.executable, "-m", "streamlit", "run", script, *(f"--{name}={value}" for name, value in options.items())]
