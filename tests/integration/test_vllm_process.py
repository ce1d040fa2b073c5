"""vLLM as a child process, held against a stand-in that starts at once: what is the same for both."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from serving.errors import EngineAway
from serving.prompts import Message
from serving.vllm import VllmServer
from serving.vllm_plan import ServeSettings

ROOT = Path(__file__).parents[2]
ASKED = [Message("user", "When?")]
# Takes vLLM's arguments, answers as it does.
STAND_IN = """#!{python}
import http.server, json, os, sys
port, key = int(sys.argv[sys.argv.index("--port") + 1]), os.environ["VLLM_API_KEY"]
class Routes(http.server.BaseHTTPRequestHandler):
    def say(self, value):
        body = json.dumps(value).encode()
        self.send_response(200 if self.headers["authorization"] == f"Bearer {{key}}" else 401)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_GET(self):
        self.say({{}})
    def do_POST(self):
        self.rfile.read(int(self.headers["content-length"]))
        self.say({{"choices": [{{"message": {{"content": "At nine."}}}}]}})
    def log_message(self, *said):
        pass
http.server.HTTPServer(("127.0.0.1", port), Routes).serve_forever()
"""
STARTS = """
import sys, time
from pathlib import Path
from serving.vllm import VllmServer
from tests.integration.test_vllm_process import ASKED, server_of
server = server_of(Path(sys.argv[1]))
server.start()
server.wait(ASKED)
print(server._process.pid, flush=True)
time.sleep(600)
"""


def server_of(folder: Path) -> VllmServer:
    python = folder / "python"
    if not python.exists():
        python.write_text(STAND_IN.format(python=sys.executable))
        python.chmod(0o755)
    settings = ServeSettings("bfloat16", 2048, max_num_seqs=4, kv_cache_gib=1.0)
    return VllmServer(python, folder, "support", settings, "cpu", folder / "vllm.log")


def test_it_ends_with_whoever_started_it_however_that_ends(tmp_path: Path) -> None:
    starter = subprocess.Popen(
        [sys.executable, "-c", STARTS, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert starter.stdout is not None
    child = psutil.Process(int(starter.stdout.readline()))
    try:
        assert child.is_running()
        starter.send_signal(signal.SIGKILL)
        starter.wait(10)
        end = time.monotonic() + 10
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end, "it is still there"
            time.sleep(0.05)
    finally:
        starter.stdout.close()
        if child.is_running():
            child.kill()


def test_a_proxy_of_the_environment_is_not_asked_for_a_server_of_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    server = server_of(tmp_path)
    server.start()
    try:
        assert server.wait(ASKED) == "At nine."
        assert server.well(5)
    finally:
        server.stop()
    assert not server.running
    assert not server.well(1)


def test_one_that_ends_while_it_starts_says_how(tmp_path: Path) -> None:
    server = server_of(tmp_path)
    (tmp_path / "python").write_text("#!/bin/sh\necho no room on the card\nexit 3\n")
    server.start()
    with pytest.raises(EngineAway, match="no room on the card"):
        server.wait(ASKED)
    server.stop()
