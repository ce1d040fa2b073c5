"""Pairs over HTTP: lists, reviews, long work, files; over fakes."""

from __future__ import annotations

import io
import json
import threading
import time
import zipfile
from typing import Any

import pytest

from app.errors import Conflict, UsageError
from app.pair_work import PairWork
from ingest.stages import Progress
from tests.unit.app.http_rigging import Desks, fails, send
from tests.unit.ingest.pairs.pair_rig import Shelf

URL = "/api/knowledge-bases/kb/pairs"


class Room:
    """An application whose pairs are made by the writer of the shelf."""

    def __init__(self, make: Desks) -> None:
        self._make = make
        self.shelf = Shelf(make.engine)
        self._app = make.app()
        make.service.pairs = self.shelf.pairs
        self.service = make.service

    def __call__(self, method: str, path: str, **arguments: Any) -> Any:
        import httpx

        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1")
        return send(client, method, f"{URL}{path}", **arguments)

    def worked(self) -> dict[str, Any]:
        """The last piece of work, once it has ended."""
        end = time.monotonic() + 20
        while True:
            work = self("GET", "/work").json()["work"]
            if work["state"] != "running":
                return dict(work)
            assert time.monotonic() < end, work
            time.sleep(0.02)


@pytest.fixture
def room(make: Desks) -> Room:
    return Room(make)


def test_pairs_are_made_listed_and_reviewed(room: Room) -> None:
    assert room("GET", "/work").json() == {"kb": "kb", "work": None}
    room.shelf.put("a.md", "One. It is rubbish", "Two")
    begun = room("POST", "/make", json={})
    assert (begun.status_code, begun.json()["kind"]) == (202, "make")
    work = room.worked()
    assert (work["state"], work["result"]["asked"], work["result"]["kept"]) == ("done", 2, 2)
    page = room("GET", "", params={"limit": 1, "search": "what"}).json()
    assert (page["total"], [p["answer"] for p in page["pairs"]]) == (2, ["One."])
    first = page["pairs"][0]["id"]
    detail = room("GET", f"/{first}").json()
    assert (detail["evidence"], detail["passages"][0]["text"]) == ("One", "One. It is rubbish")
    kept = room("PUT", f"/{first}/review", json={"state": "edited", "answer": "Just one.", "by": "Ann"}).json()
    assert (kept["answer"], kept["review"], kept["reviewer"]) == ("Just one.", "edited", "Ann")
    assert room("GET", "", params={"state": ["edited", "approved"], "stale": False}).json()["total"] == 1
    summary = room("GET", "/summary").json()
    assert (summary["total"], summary["usable"], summary["review"]) == (2, 2, {"edited": 1, "pending": 1})
    assert summary["runs"][0]["writers"] == {"rules:sentence": {"written": 3, "kept": 2, "dropped": {"quality": 1}}}


@pytest.mark.parametrize(
    ("method", "path", "arguments", "expected"),
    [
        ("GET", "/nothing", {}, (404, "not_found")),
        ("PUT", "/nothing/review", {"json": {"state": "approved"}}, (404, "not_found")),
        ("PUT", "/nothing/review", {"json": {"state": "perhaps"}}, (422, "invalid_request")),
        ("GET", "", {"params": {"state": "perhaps"}}, (422, "invalid_request")),
        ("GET", "", {"params": {"what": "ever"}}, (422, "invalid_request")),
        ("GET", "/export", {"params": {"format": "pdf"}}, (422, "invalid_request")),
        ("GET", "/export", {"params": {"side": "test"}}, (400, "invalid_request")),
        ("GET", "/evalset", {}, (400, "invalid_request")),
        ("POST", "/split", {"json": {"share": 2}}, (422, "invalid_request")),
    ],
)
def test_what_cannot_be_done(
    room: Room, method: str, path: str, arguments: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert fails(room(method, path, **arguments)) == expected


def test_files_go_out_and_come_in(room: Room) -> None:
    room.shelf.put("a.md", *(f"Number {n}" for n in range(250)))
    room("POST", "/make", json={})
    room.worked()
    reply = room("GET", "/export", params={"format": "alpaca", "passages": True})
    assert reply.headers["content-type"].startswith("application/x-ndjson")
    rows = [json.loads(line) for line in reply.text.splitlines()]
    assert len({row["instruction"] for row in rows}) == 250
    assert rows[7]["input"] == "a > Section 7\nNumber 7"
    array = room("GET", "/export", params={"format": "sharegpt", "array": True, "reviewed": True})
    assert (array.json(), array.headers["content-type"]) == ([], "application/json")
    rows[0]["output"] = "Number nought."
    data = "\n".join(json.dumps(row) for row in rows).encode()
    assert room("POST", "/import", content=data, params={"name": "mine.jsonl"}).status_code == 202
    counts = room.worked()["result"]["counts"]
    assert (counts["known"], counts["changed"]) == (249, 1)
    room("POST", "/import", content=b"\x00\x01", params={"name": "mine.jsonl"})
    work = room.worked()
    assert (work["state"], work["error"]) == ("failed", "UnusableValue")


def test_the_sides_and_the_dataset(room: Room) -> None:
    room.shelf.put("a.md", *(f"Number {n}" for n in range(30)))
    room("POST", "/make", json={})
    room.worked()
    room("POST", "/split", json={"seed": 3, "share": 0.3})
    split = room.worked()["result"]
    assert (split["leaks"], sum(split["pairs"].values()), split["share"]) == (0, 30, 0.3)
    test = room("GET", "/export", params={"side": "test"}).text.splitlines()
    assert len(test) == split["pairs"]["test"] > 0
    packed = zipfile.ZipFile(io.BytesIO(room("GET", "/evalset").content))
    assert json.loads(packed.read("manifest.json"))["questions"] == len(test)
    assert len(packed.read("documents.jsonl").splitlines()) == 30
    room("POST", "/split", json={"check": True})
    assert room.worked()["result"] == {"leaks": 0, "leaking": []}


def test_a_run_is_stopped_and_gone_on_with(room: Room) -> None:
    room.shelf.put("a.md", *(f"Number {n}" for n in range(50)))
    written, go = threading.Event(), threading.Event()
    asked = room.shelf.writer.write

    def slow(chunk: Any) -> Any:
        written.set()
        assert go.wait(10)
        return asked(chunk)

    room.shelf.writer.write = slow  # type: ignore[method-assign] # waits for the test
    room("POST", "/make", json={})
    assert written.wait(10)
    assert fails(room("POST", "/make", json={})) == (409, "conflict")
    assert room("DELETE", "/work").json()["work"]["state"] == "running"
    go.set()
    work = room.worked()
    assert (work["state"], work["result"]["state"], work["result"]["asked"]) == ("done", "stopped", 1)
    room("POST", "/make", json={})
    assert room.worked()["result"]["asked"] == 49


@pytest.mark.parametrize(
    ("failure", "error", "said"),
    [(UsageError("say more"), "UsageError", "say more"), (KeyError("x"), "", "it failed (KeyError: 'x'); the log has more")],
)  # fmt: skip
def test_work_that_fails_says_so(failure: Exception, error: str, said: str) -> None:
    room = PairWork()

    def fail(_report: Progress, _cancelled: object) -> dict[str, Any]:
        raise failure

    room.begin("kb", "make", fail)
    room.stop()
    work = room.of("kb")
    assert work is not None
    assert (work.state, work.error, work.problem) == ("failed", error, said)


def test_a_program_that_ends_stops_the_work_and_waits_for_it() -> None:
    room, ended = PairWork(), []

    def work(_report: Progress, cancelled: Any) -> dict[str, Any]:
        while not cancelled():
            time.sleep(0.01)
        ended.append(True)
        return {}

    room.begin("kb", "make", work)
    with pytest.raises(Conflict):
        room.begin("kb", "split", work)
    room.stop()
    assert ended == [True]
