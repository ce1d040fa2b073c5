"""`frontdesk serve-model` with a real vLLM as a process, for the tests that are run by `make test-serving`."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests import packaged_model
from tests.integration.http_server import Server, example, free_port, serving

KEY = "a-key-of-the-front-000000"
START_S = 600


@dataclass
class ModelServer:
    """The command and what it started."""

    process: subprocess.Popen[str]
    url: str

    def client(self, key: str = KEY) -> httpx.Client:
        headers = {"Authorization": f"Bearer {key}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=120, trust_env=False)

    def running(self) -> float:
        """Requests that vLLM works on, or that wait there."""
        with self.client() as client:
            lines = client.get("/metrics").text.splitlines()
        names = ("vllm:num_requests_running", "vllm:num_requests_waiting")
        return sum(float(line.split()[-1]) for line in lines if line.split("{")[0] in names)

    def vllm(self) -> psutil.Process:
        """The process that listens behind the front."""
        for child in psutil.Process(self.process.pid).children(recursive=True):
            if "vllm.entrypoints.openai.api_server" in child.cmdline():
                return child
        raise AssertionError("no vLLM among the children")

    @property
    def inner(self) -> str:
        """Where vLLM itself listens."""
        command = self.vllm().cmdline()
        return f"http://127.0.0.1:{command[command.index('--port') + 1]}"

    @property
    def inner_key(self) -> str:
        """The key that vLLM itself wants."""
        return self.vllm().environ()["VLLM_API_KEY"]


def announcement(home: Path) -> Path | None:
    """Where the server announces itself; None while it does not."""
    return next((home / "model-servers").glob("*.json"), None)


@contextmanager
def model_serving(home: Path, *said: str, release: str = "support") -> Iterator[ModelServer]:
    """A release on vLLM, once it has answered a first question.

    said: further arguments of the command.
    """
    port = free_port()
    own = {"FRONTDESK_HOME": str(home), "FRONTDESK_ENDPOINT_API_KEY": KEY}
    log = home.parent / "serve-model.log"
    command = [sys.executable, "-m", "app.cli", "serve-model", release, "--port", str(port)]
    with log.open("w") as written:
        process = subprocess.Popen(
            [*command, "--set", "kv_cache_gib=1", *said],
            env=packaged_model.environment() | own,
            cwd=Path(__file__).parents[2],
            stdout=written,
            stderr=written,
            text=True,
        )
    try:
        end = time.monotonic() + START_S
        while not announcement(home):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.5)
        yield ModelServer(process, f"http://127.0.0.1:{port}")
    finally:
        children = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        process.send_signal(signal.SIGTERM)
        process.wait(60)
        for child in children:
            if child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
                child.kill()


@contextmanager
def beside(home: Path, **settings: str) -> Iterator[Server]:
    """frontdesk on the same data folder, with a file in it: it finds the model server by itself."""
    with serving(home, **settings) as server:
        assert server.upload(example("en/warranty.docx")).status_code == 202
        assert {document["state"] for document in server.settled().values()} == {"ready"}
        yield server


def story(client: httpx.Client) -> None:
    """Ask for a long answer and go away in the middle."""
    body = {
        "model": "support",
        "stream": True,
        "max_tokens": 900,
        "temperature": 1.5,
        "messages": [{"role": "user", "content": "Write a long story about a dog and a cat, with many chapters."}],
    }
    with client.stream("POST", "/v1/chat/completions", json=body) as reply:
        assert reply.status_code == 200
        next(reply.iter_bytes())
