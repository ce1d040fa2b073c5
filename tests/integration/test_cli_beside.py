"""Commands beside a running server: they find it by themselves and give what they give without one."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import ANY

import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from app.server import announced_url
from tests import packaged_model

EXAMPLES = Path(__file__).parents[2] / "examples" / "files"
KEY = "a-key-of-more-than-sixteen-letters"
QUESTION = "How long is the motor of the WM-900 guaranteed?"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server with a key over a folder of its own; yields the settings that commands need to find it."""
    folder = tmp_path_factory.mktemp("beside")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    settings = {
        "FRONTDESK_HOME": str(folder / "home"),
        "FRONTDESK_PORT": str(port),
        "FRONTDESK_API_KEY": KEY,
        "FRONTDESK_KB": "shop",
    }
    environment = packaged_model.environment() | settings
    server = subprocess.Popen([sys.executable, "-m", "app.main"], env=environment)
    try:
        end = time.monotonic() + 120
        while announced_url(folder / "home") is None:
            assert server.poll() is None
            assert time.monotonic() < end
            time.sleep(0.2)
        yield settings
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
        assert announced_url(folder / "home") is None


@pytest.fixture
def frontdesk(served: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The command line in this process; settings of the server, which owns the data folder."""
    for name, value in served.items():
        monkeypatch.setenv(name, value)

    def run(*arguments: str, **settings: str) -> Result:
        with pytest.MonkeyPatch.context() as patch:
            for name, value in settings.items():
                patch.setenv(name, value)
            return CliRunner().invoke(app, list(arguments))

    return run


def out(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_the_whole_round_through_the_server(frontdesk: Any, served: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7 nothing more")
    warranty, chinese = EXAMPLES / "en" / "warranty.docx", EXAMPLES / "zh" / "warranty-zh.docx"
    ended = frontdesk("ingest", str(warranty), str(chinese), str(broken), "--json")
    told = json.loads(ended.stdout)
    assert (ended.exit_code, told["ready"], [f["document"] for f in told["failed"]]) == (1, 2, ["broken.pdf"])
    assert told["chunks"] > 0

    again = out(frontdesk("ingest", str(warranty), "--json"))
    assert (again["ready"], again["unchanged"]) == (1, 1)

    answer = out(frontdesk("ask", QUESTION, "--engine", "extractive", "--json"))
    assert (answer["outcome"], answer["engine"]) == ("answered", "extractive")
    assert "10 years" in answer["answer"]
    assert [c["document"] for c in answer["citations"]] == ["warranty.docx"]
    assert "conversation_id" not in answer
    request = urllib.request.Request(
        f"http://127.0.0.1:{served['FRONTDESK_PORT']}/api/conversations", headers={"Authorization": f"Bearer {KEY}"}
    )
    with urllib.request.urlopen(request) as reply:
        assert json.load(reply)["total"] == 0

    shown = out(frontdesk("documents", "show", "warranty.docx", "--chunks", "--json"))
    assert any("10 years" in chunk["text"] for chunk in shown["chunks"])
    assert out(frontdesk("documents", "verify", "--json")) == {"kb": "shop", "lost": [], "orphans_removed": 0}
    disabled = out(frontdesk("documents", "disable", "warranty.docx", "--json"))
    assert (disabled["document"], disabled["enabled"]) == ("warranty.docx", False)
    silent = out(frontdesk("ask", QUESTION, "--engine", "extractive", "--json"))
    assert "warranty.docx" not in [c["document"] for c in silent["citations"]]
    out(frontdesk("documents", "enable", "warranty.docx", "--json"))
    tagged = out(
        frontdesk("documents", "set", "warranty.docx", "--tag", "terms", "--valid-until", "2999-01-01", "--json")
    )
    assert (tagged["tags"], tagged["valid_until"]) == (["terms"], "2999-01-01T00:00:00+00:00")
    asked = out(frontdesk("ask", QUESTION, "--engine", "extractive", "--tag", "terms", "--json"))
    assert [c["document"] for c in asked["citations"]] == ["warranty.docx"]
    listed = out(frontdesk("documents", "list", "--tag", "terms", "--json"))["documents"]
    assert [d["document"] for d in listed] == ["warranty.docx"]
    passage = next(chunk for chunk in shown["chunks"] if "10 years" in chunk["text"])
    wording = passage["text"].replace("10 years", "11 years")
    edit = out(frontdesk("documents", "edit", "warranty.docx", passage["id"], "--text", wording, "--json"))["edit"]
    assert "11 years" in out(frontdesk("ask", QUESTION, "--engine", "extractive", "--json"))["answer"]
    assert [e["state"] for e in out(frontdesk("documents", "edits", "warranty.docx", "--json"))["edits"]] == ["applied"]
    out(frontdesk("documents", "undo-edit", "warranty.docx", edit, "--json"))
    assert "10 years" in out(frontdesk("ask", QUESTION, "--engine", "extractive", "--json"))["answer"]

    assert out(frontdesk("documents", "reprocess", "warranty.docx", "--json"))["unchanged"] == 1
    assert out(frontdesk("documents", "delete", "warranty.docx", "--json")) == {
        "kb": "shop",
        "deleted": "warranty.docx",
        "gone": [ANY],
    }
    gone = out(frontdesk("ask", QUESTION, "--engine", "extractive", "--json"))
    assert "warranty.docx" not in [c["document"] for c in gone["citations"]]


def test_a_knowledge_base_is_made_renamed_and_deleted(frontdesk: Any) -> None:
    out(frontdesk("ingest", str(EXAMPLES / "en" / "stores.csv"), "--kb", "other", "--json"))
    out(frontdesk("kb", "rename", "other", "another", "--json"))
    assert out(frontdesk("kb", "delete", "another", "--yes", "--json")) == {"deleted": "another", "documents": 1}
    assert "another" not in [kb["kb"] for kb in out(frontdesk("kb", "list", "--json"))["knowledge_bases"]]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("ask", " "), 2, "empty"),
        (("documents", "delete", "nothing.md"), 1, "no document named 'nothing.md'"),
        (("ask", "Anything?", "--kb", "nowhere"), 1, "no knowledge base named 'nowhere'"),
    ],
)
def test_errors_are_the_same(frontdesk: Any, arguments: tuple[str, ...], code: int, said: str) -> None:
    ended = frontdesk(*arguments)
    assert (ended.exit_code, said in ended.output) == (code, True), ended.output


def test_a_wrong_key_is_said(frontdesk: Any) -> None:
    ended = frontdesk("ask", QUESTION, FRONTDESK_API_KEY="another-key-of-many-letters")
    assert ended.exit_code == 1
    assert "FRONTDESK_API_KEY" in ended.output


def test_indexes_are_rebuilt_and_archived_beside_a_server(frontdesk: Any, tmp_path: Path) -> None:
    (tmp_path / "door.txt").write_text("The door of the cellar is made of oak.")
    assert out(frontdesk("ingest", str(tmp_path / "door.txt"), "--kb", "doors", "--json"))["ready"] == 1
    shown = out(frontdesk("index", "show", "--kb", "doors", "--json"))
    assert (shown["engine"], shown["points"], shown["dimensions"], shown["building"]) == ("edge", 1, 384, None)
    assert out(frontdesk("index", "optimize", "--kb", "doors", "--json")) == {
        "optimized": [{"kb": "doors", "points": 1}]
    }
    rebuilt = out(frontdesk("index", "rebuild", "--kb", "doors", "--json"))
    assert (rebuilt["switched"], rebuilt["points"], rebuilt["lost"]) == (True, 1, [])
    assert not out(frontdesk("index", "migrate", "--kb", "doors", "--json"))["switched"]
    assert not out(frontdesk("index", "cancel", "--kb", "doors", "--json"))["cancelled"]
    wrong = frontdesk("index", "migrate", "--model", "/no/such/model", "--kb", "doors")
    assert (wrong.exit_code, "no folder" in wrong.output) == (1, True)

    archive = tmp_path / "doors.zip"
    taken = out(frontdesk("index", "snapshot", str(archive), "--kb", "doors", "--json"))
    assert (taken["documents"], taken["points"], taken["files"], taken["missing"]) == (1, 1, 1, [])
    assert frontdesk("index", "snapshot", str(archive), "--kb", "doors").exit_code == 2
    again = frontdesk("index", "restore", str(archive))
    assert (again.exit_code, "is here already" in again.output) == (1, True)
    assert frontdesk("kb", "delete", "doors", "--yes").exit_code == 0
    restored = out(frontdesk("index", "restore", str(archive), "--kb", "gates", "--json"))
    assert (restored["kb"], restored["documents"], restored["points"]) == ("gates", 1, 1)
    answer = out(frontdesk("ask", "What is the door of the cellar made of?", "--kb", "gates", "--json"))
    assert answer["citations"][0]["document"] == "door.txt"
    archive.write_bytes(b"no archive")
    damaged = frontdesk("index", "restore", str(archive))
    assert (damaged.exit_code, "no snapshot" in damaged.output) == (1, True)


# What persons write, through the server and without one


@pytest.fixture(params=["beside a server", "alone"])
def desk(frontdesk: Any, tmp_path: Path, request: pytest.FixtureRequest) -> Any:
    """The command line over the knowledge base "desk"."""
    own = {"FRONTDESK_HOME": str(tmp_path / "home")} if request.param == "alone" else {}
    frontdesk("kb", "create", "desk", **own)
    return lambda *arguments: frontdesk(*arguments, *(() if arguments[0] == "kb" else ("--kb", "desk")), **own)


def exchanged(desk: Any, name: str, gone: str, table: Path) -> None:
    """Two entries written out, one of them forgotten, both brought in again."""
    assert desk(name, "export", str(table)).exit_code == 0
    removed = desk(name, "remove", gone)
    assert (removed.exit_code, f"{gone}." in removed.output) == (0, True)
    assert out(desk(name, "import", str(table), "--json")) == {"kb": "desk", "new": 1, "replaced": 1}
    again = desk(name, "remove", gone)
    assert (again.exit_code, f"with the id '{gone}'" in again.output.replace("\n", " ")) == (1, True)


def test_a_glossary_is_kept(desk: Any, tmp_path: Path) -> None:
    assert "`frontdesk glossary add` writes one" in desk("glossary", "list").output
    made = out(desk("glossary", "add", "WM-900", "TurboWash", "--json"))
    entry = {"id": ANY, "terms": ["WM-900", "TurboWash"], "one_way": False}
    assert made == {"kb": "desk", **entry}
    assert "of 2 terms" in desk("glossary", "add", "AC", "air conditioner", "--one-way").output
    assert out(desk("glossary", "list", "--search", "TURBO", "--json")) == {"kb": "desk", "glossary": [entry]}
    said = desk("glossary", "list").output
    assert all(part in said for part in (made["id"], "WM-900 = TurboWash", "AC → air conditioner"))
    exchanged(desk, "glossary", made["id"], tmp_path / "table.csv")


def test_curated_answers_are_kept(desk: Any, tmp_path: Path) -> None:
    assert "`frontdesk curated add` writes one" in desk("curated", "list").output
    asked = ("--question", "Open on Sundays?", "--question", "Sundays?", "--answer", "**No.**", "--language", "en")
    made = out(desk("curated", "add", *asked, "--valid-until", "2999-01-01", "--json"))
    entry = {
        "id": ANY, "questions": ["Open on Sundays?", "Sundays?"], "answer": "**No.**", "language": "en", "source": "",
        "enabled": True, "valid_from": None, "valid_until": "2999-01-01T00:00:00+00:00", "state": "live",
    }  # fmt: skip
    assert made == {"kb": "desk", **entry}
    assert "Curated answer" in desk("curated", "add", "--question", "Where?", "--answer", "In Leeds.").output
    assert out(desk("curated", "list", "--search", "OPEN no", "--json")) == {"kb": "desk", "curated": [entry]}
    said = desk("curated", "list").output
    assert all(part in said for part in (made["id"], "live", "(+1)"))
    exchanged(desk, "curated", made["id"], tmp_path / "table.csv")


FAQ = """# Kettles

## How long is the guarantee of the K-20 kettle?

The guarantee of the K-20 kettle lasts three years from the day of purchase.

## How do I descale the K-20 kettle?

1. Fill the K-20 kettle with water and two spoons of vinegar.
2. Boil it once and wait for an hour.
3. Rinse it with clean water.

## Prices

| Kettle | Price | Capacity |
|---|---|---|
| K-20 | £25 | 1.2 litres |
| K-30 | £35 | 1.7 litres |
"""


def test_pairs_are_made_reviewed_split_and_moved(desk: Any, tmp_path: Path) -> None:
    assert "`frontdesk pairs make` makes them" in desk("pairs", "list").output
    (tmp_path / "kettles.md").write_text(FAQ)
    out(desk("ingest", str(tmp_path / "kettles.md"), "--json"))
    made = out(desk("pairs", "make", "--json"))
    assert (made["kb"], made["state"], made["skipped"], made["asked"] > 0, made["kept"] > 2) == (
        "desk",
        "done",
        0,
        True,
        True,
    )
    assert sum(counts["kept"] for counts in made["writers"].values()) == made["kept"]
    again = out(desk("pairs", "make", "--json"))
    assert (again["asked"], again["skipped"], again["kept"]) == (0, made["asked"], 0)

    listed = out(desk("pairs", "list", "--search", "guarantee", "--state", "pending", "--fresh", "--json"))
    pair = next(each for each in listed["pairs"] if each["kind"] == "answerable")
    shown = out(desk("pairs", "show", pair["id"], "--json"))
    assert (shown["sources"][0]["document"], "three years" in shown["passages"][0]["text"]) == ("kettles.md", True)
    assert (
        pair["question"] in desk("pairs", "list").output.replace("\n", " ")
        or pair["id"] in desk("pairs", "list").output
    )
    assert pair["evidence"].split()[0] in desk("pairs", "show", pair["id"]).output
    edited = out(desk("pairs", "review", pair["id"], "--answer", "Three years.", "--by", "Ann", "--json"))
    assert (edited["review"], edited["answer"], edited["reviewer"]) == ("edited", "Three years.", "Ann")
    assert out(desk("pairs", "status", "--json"))["review"]["edited"] == 1

    file = tmp_path / "pairs.jsonl"
    written = out(desk("pairs", "export", str(file), "--format", "alpaca", "--with-passages", "--json"))
    rows = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert (written["pairs"], written["format"]) == (len(rows), "alpaca") == (made["kept"], "alpaca")
    (tmp_path / "one.json").touch()
    assert out(desk("pairs", "export", str(tmp_path / "one.json"), "--reviewed", "--json"))["pairs"] == 1
    assert [len(json.loads((tmp_path / "one.json").read_text("utf-8")))] == [1]
    assert len(desk("pairs", "export", "-", "--reviewed").stdout.splitlines()) == 1
    assert out(desk("pairs", "import", str(file), "--json"))["counts"]["known"] == made["kept"]
    table = tmp_path / "faq.csv"
    table.write_text(
        "question,answer\nWhat is the price of the K-30 in pounds?,The price of the K-30 kettle is £35.\nNone?,\n"
    )
    told = out(desk("pairs", "import", str(table), "--json"))
    assert (told["counts"]["read"], told["missing"]) == (2, [{"row": 2, "reason": "no answer"}])

    assert (
        desk("pairs", "export", "-", "--side", "test").exit_code,
        desk("pairs", "evalset", str(tmp_path / "set")).exit_code,
    ) == (2, 2)
    split = out(desk("pairs", "split", "--share", "0.4", "--json"))
    assert (split["leaks"], split["pairs"]["test"] > 0, split["pairs"]["train"] > 0) == (0, True, True)
    assert out(desk("pairs", "split", "--check", "--json"))["leaks"] == 0
    held = out(desk("pairs", "evalset", str(tmp_path / "set"), "--json"))
    assert (
        len((tmp_path / "set" / "questions.jsonl").read_text().splitlines())
        == held["questions"]
        == split["pairs"]["test"]
    )

    # A changed text makes its pairs stale; what comes back makes them fresh.
    (tmp_path / "kettles.md").write_text(FAQ.replace("three years", "four years"))
    out(desk("ingest", str(tmp_path / "kettles.md"), "--json"))
    assert pair["id"] in [each["id"] for each in out(desk("pairs", "list", "--stale", "--json"))["pairs"]]
    (tmp_path / "kettles.md").write_text(FAQ)
    out(desk("ingest", str(tmp_path / "kettles.md"), "--json"))
    assert out(desk("pairs", "list", "--stale", "--json"))["total"] == 0

    before = out(desk("pairs", "list", "--limit", "1000", "--json"))
    out(desk("index", "snapshot", str(tmp_path / "desk.zip"), "--json"))
    assert desk("kb", "delete", "desk", "--yes").exit_code == 0
    assert desk("pairs", "list").exit_code == 1
    out(desk("index", "restore", str(tmp_path / "desk.zip"), "--json"))
    assert out(desk("pairs", "list", "--limit", "1000", "--json")) == before
    # What was asked about before is not asked about again.
    assert out(desk("pairs", "make", "--json"))["asked"] == 0


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("show", "nothing"), 1, "no pair with the id 'nothing'"),
        (("review", "nothing", "--approve"), 1, "no pair with the id"),
        (("review", "nothing"), 2, "--approve"),
        (("review", "nothing", "--approve", "--reject"), 2, "--approve"),
        (("review", "--json"), 2, "name the pair"),
        (("export", "-", "--json"), 2, "a file of their own"),
        (("export", "x", "--format", "pdf"), 2, "pdf"),
        (("import", "nowhere.jsonl"), 2, "nowhere.jsonl cannot be read"),
    ],
)
def test_what_cannot_be_done_with_pairs(desk: Any, arguments: tuple[str, ...], code: int, said: str) -> None:
    ended = desk("pairs", *arguments)
    assert (ended.exit_code, said in ended.output.replace("\n", " ")) == (code, True), ended.output


def test_nothing_is_split_where_there_are_no_pairs(desk: Any) -> None:
    # The server is that of the tests before, with their pairs.
    assert desk("kb", "create", "empty").exit_code == 0
    # The last --kb is the one that counts, and the fixture's comes last: the base takes its name.
    assert desk("kb", "delete", "desk", "--yes").exit_code == 0
    assert desk("kb", "rename", "empty", "desk").exit_code == 0
    ended = desk("pairs", "split")
    assert (ended.exit_code, "no pairs to split" in ended.output.replace("\n", " ")) == (2, True), ended.output


def test_pending_pairs_are_gone_through_by_keys(
    frontdesk: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FRONTDESK_HOME", str(tmp_path / "home"))
    (tmp_path / "kettles.md").write_text(FAQ)
    out(frontdesk("ingest", str(tmp_path / "kettles.md"), "--json"))
    total = out(frontdesk("pairs", "make", "--json"))["kept"]
    ended = CliRunner().invoke(app, ["pairs", "review", "--by", "Ann"], input="?\na\nr\ns\ne\nWhat is it?\n\nq\n")
    assert ended.exit_code == 0, ended.output
    counts = out(frontdesk("pairs", "status", "--json"))["review"]
    assert counts == {"approved": 1, "edited": 1, "pending": total - 3, "rejected": 1}
