"""The examples of examples/http against a running server with a key, as a reader would run them."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import packaged_model

ROOT = Path(__file__).parents[2]
HTTP = ROOT / "examples" / "http"
WARRANTY = ROOT / "examples" / "files" / "en" / "warranty.docx"
KEY = "a key of thirty-two characters.."
QUESTION = "How long is the motor of the WM-900 guaranteed?"
UNKNOWN = 'Do you sell "garden furniture" \\ bicycles?'
ANSWER = "The motor of the WM-900 is guaranteed for 10 years"
START_S = 120
PYTHON, SHELL, NODE = [sys.executable], ["sh"], ["node"]
COMMANDS = {
    "ask.sh": SHELL,
    "ask_openai.py": PYTHON,
    "ask_langchain.py": PYTHON,
    "ask_client.py": PYTHON,
    "ask.mjs": NODE,
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Environment of a client whose server has the warranty terms."""
    folder = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    clean = packaged_model.environment()
    own = {"FRONTDESK_HOME": str(folder / "home"), "FRONTDESK_PORT": str(port), "FRONTDESK_API_KEY": KEY}
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.main"],
            env={**clean, "PYTHONPATH": str(ROOT), **own},
            cwd=folder,
            stdout=out,
            stderr=out,
        )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait(f"{url}/health", process, log)
        client = {**clean, "PYTHONPATH": str(ROOT), "FRONTDESK_API_URL": url, "FRONTDESK_API_KEY": KEY}
        uploaded = _run("upload.sh", SHELL, client, str(WARRANTY))
        assert uploaded.returncode == 0, uploaded.stderr + log.read_text()
        yield client
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, log.read_text()


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    raise AssertionError(log.read_text())


def _run(name: str, command: list[str], client: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    return subprocess.run(
        [*command, str(HTTP / name), *arguments], env=client, capture_output=True, text=True, timeout=120
    )


def test_every_example_is_run() -> None:
    here = {path.name for path in HTTP.iterdir() if path.is_file()}
    assert here == {*COMMANDS, "upload.sh"}


@pytest.mark.parametrize("name", COMMANDS)
def test_answers(server: dict[str, str], name: str) -> None:
    ended = _run(name, COMMANDS[name], server, QUESTION)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ANSWER in ended.stdout
    if name != "ask_langchain.py":
        assert "warranty.docx" in ended.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_says_what_the_files_do_not_hold(server: dict[str, str], name: str) -> None:
    ended = _run(name, COMMANDS[name], server, UNKNOWN)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "I could not find this in our documents" in ended.stdout
    assert "warranty.docx" not in ended.stdout


@pytest.mark.parametrize("name", COMMANDS)
def test_fails_with_the_reason_when_the_key_is_wrong(server: dict[str, str], name: str) -> None:
    ended = _run(name, COMMANDS[name], {**server, "FRONTDESK_API_KEY": "wrong"}, QUESTION)
    assert ended.returncode != 0
    assert "the key is wrong" in ended.stdout + ended.stderr


def test_upload_twice_is_one_document(server: dict[str, str], tmp_path: Path) -> None:
    odd = tmp_path / "prices, new; final.txt"
    odd.write_text("The FD-200 costs 499 pounds.")
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7 nothing else")
    for _ in range(2):
        ended = _run("upload.sh", SHELL, server, str(odd), str(broken))
        assert (ended.returncode, ended.stderr) == (0, "")
    counted, failed = ended.stdout.splitlines()
    assert '"documents":3,"ready":2,"failed":1,' in counted
    assert '"document":"broken.pdf"' in failed
