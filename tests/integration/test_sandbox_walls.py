"""The sandbox's walls, from the inside."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.hostile.honest import write_good

ROOT = Path(__file__).parents[2]
# What code that has taken over a reading process would try; each answers with what it got.
ATTACK = """
import ctypes, json, os, resource, signal, socket, sys, threading
from pathlib import Path
from ingest.limits import LIMITS
from ingest.sandbox.walls import leave_network, raise_walls
stored, scratch, outside = map(Path, sys.argv[1:4])
port, helpers = int(sys.argv[4]), sys.argv[5] == "1"
PlainSocket = socket.socket
parent = os.getppid()
alone = leave_network()
walls = raise_walls(LIMITS, stored, scratch, helpers=helpers)
got = {}
def attempt(name, act):
    try:
        got[name] = repr(act())[:80]
    except BaseException as exc:
        got[name] = type(exc).__name__
def connect(family, address):
    with PlainSocket(family, socket.SOCK_STREAM) as s:
        s.connect(address)
def fork():
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    return os.waitpid(pid, 0)
def more_files():
    resource.setrlimit(resource.RLIMIT_NOFILE, (100_000, 100_000))
def thread():
    seen = []
    t = threading.Thread(target=seen.append, args=(1,)); t.start(); t.join()
    return seen
attempt("read its file", stored.read_text)
attempt("write in scratch", lambda: (scratch / "a").write_text("x"))
attempt("make a thread", thread)
attempt("read outside", lambda: (outside / "secret").read_text())
attempt("list outside", lambda: os.listdir(outside))
attempt("write outside", lambda: (outside / "new").write_text("x"))
attempt("delete outside", lambda: (outside / "secret").unlink())
attempt("read shadow", lambda: open("/etc/shadow").read())
attempt("link to outside", lambda: os.link(outside / "secret", scratch / "hard"))
attempt("symbolic link", lambda: os.symlink("/etc/passwd", scratch / "soft"))
attempt("environment of the parent", lambda: open(f"/proc/{parent}/environ").read())
attempt("connect", lambda: connect(socket.AF_INET, ("127.0.0.1", port)))
attempt("connect to a Unix socket", lambda: connect(socket.AF_UNIX, str(outside / "socket")))
attempt("python socket", lambda: socket.create_connection(("127.0.0.1", port), 1))
attempt("signal the parent", lambda: os.kill(parent, 0))
attempt("more files", more_files)
attempt("fill memory", lambda: len(bytearray(3 << 30)))
if not helpers:
    attempt("fork", fork)
    attempt("run a program", lambda: os.execv("/bin/true", ["true"]))
os.write(1, json.dumps([walls, alone, got]).encode())
"""
HARMLESS = {"read its file", "write in scratch", "make a thread"}
BY_LANDLOCK = {
    "read outside",
    "list outside",
    "write outside",
    "delete outside",
    "read shadow",
    "link to outside",
    "symbolic link",
    "environment of the parent",
}
BY_FILTER = {"connect", "connect to a Unix socket", "fork", "run a program"}


@pytest.mark.skipif(sys.platform != "linux", reason="the walls are Linux's")
@pytest.mark.parametrize("helpers", [False, True])
def test_code_that_has_taken_over_a_reader_gets_nowhere(tmp_path: Path, *, helpers: bool) -> None:
    good, outside, scratch = write_good(tmp_path), tmp_path / "outside", tmp_path / "scratch"
    for folder in (outside, scratch):
        folder.mkdir()
    (outside / "secret").write_text("secret")
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.socket(socket.AF_UNIX) as local:
        local.bind(str(outside / "socket"))
        local.listen()
        arguments = [str(good), str(scratch), str(outside), str(listener.getsockname()[1]), str(int(helpers))]
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(ATTACK), *arguments],
            capture_output=True,
            check=True,
            env={"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)},
        )
    walls, alone, got = json.loads(done.stdout)
    refused = {name for name, result in got.items() if result.endswith("Error")}
    assert not refused & HARMLESS, got
    assert {"fill memory", "more files", "python socket"} <= refused | ({"more files"} if os.getuid() else set())
    if any(wall.startswith("Landlock") for wall in walls):
        assert refused >= BY_LANDLOCK, got
        assert (outside / "secret").read_text() == "secret"
    if "system call filter" in walls:
        assert refused >= BY_FILTER & got.keys(), got
        assert helpers or "signal the parent" in refused
    assert alone or os.getuid()
