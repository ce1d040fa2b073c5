"""Training runs over HTTP: queued, watched, cancelled, without a trainer."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from app.training_runs import ALIVE, APPLICATION_VERSION, RUNS, SILENT_S, TrainingRuns
from tests.unit.app.http_rigging import KEY, Desks, fails, send

RECIPE = "# A small one.\nname: tiny\ndata: {kb: default}\n"


class Room:
    """An application with a data folder for runs."""

    def __init__(self, make: Desks, home: Path) -> None:
        self.home = home
        (home / "recipes").mkdir(parents=True)
        (home / "recipes" / "tiny.yaml").write_text(RECIPE)
        self._app = make.app(api_key=KEY)
        self.runs = make.service.training = TrainingRuns(home, f"sqlite:///{home / 'frontdesk.db'}")

    def __call__(self, method: str, path: str, key: str = KEY, **arguments: Any) -> Any:
        import httpx

        transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)
        headers = {"Authorization": f"Bearer {key}"}
        client = httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers)
        return send(client, method, f"/api/{path}", **arguments)

    def started(self) -> str:
        reply = self("POST", "training-runs", json={"recipe": "tiny.yaml"})
        assert reply.status_code == 202, reply.text
        return str(reply.json()["id"])


@pytest.fixture
def room(make: Desks, tmp_path: Path) -> Iterator[Room]:
    room = Room(make, tmp_path / "home")
    yield room
    room.runs.close()


def test_a_run_is_queued_and_found_again_by_another_server(room: Room) -> None:
    assert room("GET", "training-runs").json() == {"runs": [], "trainer": False}
    # Looking makes nothing.
    assert not (room.home / "training.db").exists()
    first, second = room.started(), room("POST", "training-runs", json={"recipe": "tiny"}).json()["id"]
    room.runs.close()
    runs = room("GET", "training-runs").json()["runs"]
    assert [(run["id"], run["state"], run["recipe"]) for run in runs] == [
        (second, "queued", "tiny.yaml"),
        (first, "queued", "tiny.yaml"),
    ]
    shown = room("GET", f"training-runs/{first}").json()
    assert (shown["text"], shown["step"], shown["release"], shown["ended_at"]) == (RECIPE, 0, "", None)
    assert [run["id"] for run in room("GET", "training-runs", params={"limit": 1, "offset": 1}).json()["runs"]] == [
        first
    ]


def test_a_recipe_is_sent(room: Room) -> None:
    said = {"name": "mine", "data": {"kb": "default"}, "train": {"steps": 2}}
    run = room("POST", "training-runs", json={"recipe": said}).json()
    assert run["recipe"] == "sent"
    assert json.loads(room("GET", f"training-runs/{run['id']}").json()["text"]) == said


def test_a_waiting_run_is_cancelled_and_queued_again(room: Room) -> None:
    run = room.started()
    cancelled = room("POST", f"training-runs/{run}/cancel").json()
    assert (cancelled["state"], cancelled["ended_at"] is not None) == ("cancelled", True)
    assert fails(room("POST", f"training-runs/{run}/cancel")) == (409, "conflict")
    assert room("POST", f"training-runs/{run}/resume").json()["state"] == "queued"
    assert fails(room("POST", f"training-runs/{run}/resume")) == (409, "conflict")


def test_losses_and_curve_come_from_the_runs_folder(room: Room) -> None:
    run = room.started()
    assert room("GET", f"training-runs/{run}/losses").json() == {"training": [], "held_out": []}
    assert fails(room("GET", f"training-runs/{run}/curve.png")) == (404, "not_found")
    folder = room.home / RUNS / run
    folder.mkdir(parents=True)
    rows = [{"step": n, "loss": 1.0 / n, "seconds": n, "tokens": 9 * n} for n in range(1, 9)]
    (folder / "losses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "curve.png").write_bytes(b"picture")
    losses = room("GET", f"training-runs/{run}/losses", params={"most": 4}).json()
    assert [each["step"] for each in losses["training"]] == [2, 4, 6, 8]
    assert [each["loss"] for each in losses["training"]] == [0.5, 0.25, pytest.approx(1 / 6), 0.125]
    curve = room("GET", f"training-runs/{run}/curve.png")
    assert (curve.content, curve.headers["content-type"]) == (b"picture", "image/png")
    shown = room("GET", f"training-runs/{run}").json()
    assert (shown["step"], shown["loss"], shown["tokens_per_second"]) == (8, 0.125, 9.0)


@pytest.mark.parametrize(
    ("method", "path", "arguments", "expected"),
    [
        ("POST", "training-runs", {"json": {"recipe": "nothing.yaml"}}, (404, "not_found")),
        # A name is no path: whoever may start a run shall not name any file of the machine.
        ("POST", "training-runs", {"json": {"recipe": "../../tiny.yaml"}}, (404, "not_found")),
        ("POST", "training-runs", {"json": {"recipe": "fsdp.yaml"}}, (404, "not_found")),
        ("POST", "training-runs", {"json": {"recipe": ""}}, (422, "invalid_request")),
        ("POST", "training-runs", {"json": {"recipe": {"name": "x" * 60_000}}}, (400, "invalid_request")),
        ("POST", "training-runs", {"json": {}}, (422, "invalid_request")),
        (
            "POST",
            "training-runs",
            {"content": b'{"recipe": {"name": "\\ud800"}}', "headers": {"Content-Type": "application/json"}},
            (400, "invalid_request"),
        ),
        ("GET", "training-runs/nothing", {}, (404, "not_found")),
        ("GET", "training-runs/nothing/losses", {}, (404, "not_found")),
        ("GET", "training-runs/..%2f..%2fx/curve.png", {}, (404, "not_found")),
        ("POST", "training-runs/nothing/cancel", {}, (404, "not_found")),
        ("GET", "training-runs", {"key": "a-wrong-key-of-many-letters"}, (401, "unauthorized")),
        (
            "POST",
            "training-runs",
            {"key": "a-wrong-key-of-many-letters", "json": {"recipe": "x"}},
            (401, "unauthorized"),
        ),
    ],
)
def test_what_cannot_be_done(
    room: Room, method: str, path: str, arguments: dict[str, Any], expected: tuple[int, str]
) -> None:
    assert fails(room(method, path, **arguments)) == expected


def test_recipes_are_named_with_what_they_say_of_themselves(room: Room) -> None:
    found = {each["name"]: each["about"] for each in room("GET", "training-recipes").json()["recipes"]}
    assert found["tiny.yaml"] == "A small one."
    assert "demo.yaml" in found


def test_a_trainer_that_fell_silent_is_away(room: Room) -> None:
    alive = room.home / RUNS / ALIVE
    alive.parent.mkdir(parents=True)
    alive.touch()
    assert room("GET", "training-runs").json()["trainer"] is True
    long_ago = time.time() - SILENT_S - 5
    os.utime(alive, (long_ago, long_ago))
    assert room("GET", "training-runs").json()["trainer"] is False


def test_an_open_run_of_other_steps_says_that_it_must_be_started_again(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = room.started()
    monkeypatch.setattr("app.training_runs.APPLICATION_VERSION", f"{APPLICATION_VERSION}-next")
    shown = room("GET", f"training-runs/{run}").json()
    assert (shown["state"], "updated" in shown["reason"]) == ("failed", True)
