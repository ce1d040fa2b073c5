"""A real API process for tests: `python -m app.main` on a folder of its own."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from tests import packaged_model

EXAMPLES = Path(__file__).parents[2] / "examples" / "files"
START_S = 150


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@dataclass
class Server:
    """A server that can be killed and started again on the same folder."""

    home: Path
    settings: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def headers(self) -> dict[str, str]:
        key = self.settings.get("FRONTDESK_API_KEY")
        return {"Authorization": f"Bearer {key}"} if key else {}

    def client(self, timeout: float = 60.0) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=timeout, headers=self.headers, trust_env=False)

    def start(self) -> None:
        own = {
            "FRONTDESK_PACKAGED": "off",
            "FRONTDESK_HOME": str(self.home),
            "FRONTDESK_PORT": str(self.port),
            **self.settings,
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.main"], env=packaged_model.environment() | own, cwd=self.home.parent
        )
        end = time.monotonic() + START_S
        with self.client(timeout=2) as client:
            while True:
                assert self.process.poll() is None, "the server ended"
                assert time.monotonic() < end, "the server was not there in time"
                try:
                    if client.get("/health").status_code == 200:
                        return
                except httpx.TransportError:
                    time.sleep(0.2)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def upload(self, *files: tuple[str, bytes], kb: str = "default", key: str | None = None) -> httpx.Response:
        with self.client() as client:
            parts = [("files", file) for file in files]
            headers = {"Idempotency-Key": key} if key else {}
            return client.post(f"/api/knowledge-bases/{kb}/documents", files=parts, headers=headers)

    def documents(self, kb: str = "default") -> dict[str, dict[str, object]]:
        with self.client() as client:
            listed = client.get(f"/api/knowledge-bases/{kb}/documents", params={"limit": 1000}).json()
        return {document["document"]: document for document in listed["documents"]}

    def settled(self, kb: str = "default", seconds: float = 240) -> dict[str, dict[str, object]]:
        """The documents, once each has come to its end."""
        end = time.monotonic() + seconds
        while True:
            found = self.documents(kb)
            if all(document["state"] in ("ready", "failed") for document in found.values()):
                return found
            assert time.monotonic() < end, {name: d["state"] for name, d in found.items()}
            time.sleep(0.2)

    def metric(self, name: str) -> float:
        with self.client() as client:
            lines = client.get("/metrics").text.splitlines()
        return next(float(line.split()[-1]) for line in lines if line.startswith(f"{name} "))


@contextmanager
def serving(home: Path, **settings: str) -> Iterator[Server]:
    """A started server, stopped at the end."""
    server = Server(home, settings)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def example(name: str) -> tuple[str, bytes]:
    """A file of the example company, as an upload."""
    return name, (EXAMPLES / name).read_bytes()
