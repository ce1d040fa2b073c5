"""frontdesk sync, alone and beside a running server: the same work, the same words."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from tests.integration.http_server import Server, serving
from tests.source_shop import md

KEY = "a-key-of-more-than-sixteen-letters"
KEYS = {"kb", "new", "changed", "gone", "unchanged", "skipped", "failed", "seconds"}


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("shares")


@pytest.fixture(scope="module")
def server(shares: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    home = tmp_path_factory.mktemp("sync") / "home"
    with serving(home, FRONTDESK_API_KEY=KEY, FRONTDESK_SOURCE_FOLDERS=str(shares)) as started:
        yield started


@pytest.fixture(params=["alone", "beside a server"])
def frontdesk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    if request.param == "beside a server":
        served: Server = request.getfixturevalue("server")
        monkeypatch.setenv("FRONTDESK_HOME", str(served.home))
        monkeypatch.setenv("FRONTDESK_API_KEY", KEY)
    return lambda *arguments: CliRunner().invoke(app, list(arguments))


def told(result: Result, code: int = 0) -> dict[str, Any]:
    assert result.exit_code == code, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def write(path: Path, content: str) -> None:
    path.write_text(content)
    os.utime(path, (time.time() - 100, time.time() - 100))


def test_a_folder_is_kept_in_step(frontdesk: Callable[..., Result], shares: Path, request: Any) -> None:
    share = shares / f"share {request.node.callspec.id}"
    share.mkdir()
    kb = f"kb-{len(request.node.callspec.id)}"
    write(share / "a.md", md("salt"))
    write(share / "b.md", md("pepper"))
    (share / "broken.pdf").write_bytes(b"%PDF-1.7 nothing more")
    (share / "program.exe").write_bytes(b"MZ")

    preview = told(frontdesk("sync", str(share), "--kb", kb, "--dry-run", "--json"))
    assert sorted(preview["new"]) == ["a.md", "b.md", "broken.pdf"]
    assert frontdesk("kb", "list", "--json").stdout.count(f'"{kb}"') == 0

    first = told(frontdesk("sync", str(share), "--kb", kb, "--json"), 1)
    assert set(first) == KEYS
    assert (first["kb"], sorted(first["new"])) == (kb, ["a.md", "b.md"])
    assert [entry["file"] for entry in first["failed"]] == ["broken.pdf"]
    assert [entry["file"] for entry in first["skipped"]] == ["program.exe"]

    (share / "broken.pdf").unlink()
    (share / "b.md").unlink()
    write(share / "a.md", md("salt, and how much of it"))
    second = told(frontdesk("sync", str(share), "--kb", kb, "--json"))
    assert (second["changed"], sorted(second["gone"])) == (["a.md"], ["b.md", "broken.pdf"])
    shown = told(frontdesk("documents", "show", "a.md", "--kb", kb, "--chunks", "--json"))
    assert any("how much" in chunk["text"] for chunk in shown["chunks"])

    (share / "a.md").unlink()
    refused = frontdesk("sync", str(share), "--kb", kb)
    assert refused.exit_code == 1
    assert "nothing was deleted" in refused.output
    (listed,) = told(frontdesk("sync", "list", "--kb", kb, "--json"))["sources"]
    assert (listed["address"], "nothing was deleted" in listed["problem"]) == (f"file://{share}", True)
    assert told(frontdesk("sync", str(share), "--kb", kb, "--allow-empty", "--json"))["gone"] == ["a.md"]

    removed = told(frontdesk("sync", "remove", str(share), "--kb", kb, "--json"))
    assert removed == {"kb": kb, "removed": f"file://{share}", "documents_deleted": False}
    assert told(frontdesk("sync", "list", "--kb", kb, "--json"))["sources"] == []
    assert frontdesk("sync", "remove", str(share), "--kb", kb).exit_code == 1


def test_what_cannot_be_looked_at_is_said(frontdesk: Callable[..., Result], shares: Path) -> None:
    for address, said in (
        (str(shares / "nowhere"), "mounted"),
        ("https://help.example.com/", "FRONTDESK_URL_ALLOW"),
        ("ftp://help.example.com/", "cannot be kept in step"),
    ):
        ended = frontdesk("sync", address, "--kb", "none")
        assert (ended.exit_code, said in ended.output) == (1, True), ended.output


def test_a_folder_that_the_server_may_not_read(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_HOME", str(server.home))
    monkeypatch.setenv("FRONTDESK_API_KEY", KEY)
    ended = CliRunner().invoke(app, ["sync", str(tmp_path)])
    assert (ended.exit_code, "FRONTDESK_SOURCE_FOLDERS" in ended.output) == (1, True), ended.output
