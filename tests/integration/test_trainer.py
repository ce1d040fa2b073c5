"""The trainer as a process: runs are carried out one at a time, and go on after it was killed; on the real packaged model."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import create_engine, text

from app.training_runs import APPLICATION_VERSION, RUNS, TrainingRun, TrainingRuns
from ingest.home import DataFolder
from serving.loading import packaged_base
from serving.release_store import ReleaseStore
from tests import packaged_model
from tests.integration.test_cli_train import FACTS

pytestmark = pytest.mark.timeout(1800)
RECIPE = """
name: NAME
adapter: {rank: 2, alpha: 4}
data: {datasets: [dataset]}
examples: {passages: [1, 2], domain: 1.0}
train: {steps: STEPS, epochs: 40, accumulate: 1, held_out: 0.25, save_every: 1, evaluate_every: 100}
"""


def write_dataset(folder: Path, facts: dict[str, tuple[str, str, str]]) -> None:
    """A dataset of facts: text, question, answer."""
    folder.mkdir(parents=True, exist_ok=True)
    documents = [{"doc_id": name, "title": name, "text": said} for name, (said, _, _) in facts.items()]
    questions = [
        {"qid": name, "question": asked, "doc_id": name, "answers": [said]} for name, (_, asked, said) in facts.items()
    ]
    for name, rows in (("documents", documents), ("questions", questions)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


class Room:
    """A data folder with recipes, a trainer that can be killed, and runs as the server sees them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        write_dataset(home / "recipes" / "dataset", FACTS)
        for name, steps in (("short", 2), ("long", 6), ("endless", 100)):
            written = RECIPE.replace("NAME", name).replace("STEPS", str(steps))
            (home / "recipes" / f"{name}.yaml").write_text(written)
        self.runs = TrainingRuns(home, f"sqlite:///{home / 'frontdesk.db'}")

    @contextmanager
    def trainer(self) -> Iterator[subprocess.Popen[bytes]]:
        environment = packaged_model.environment() | {"FRONTDESK_HOME": str(self.home)}
        command = [sys.executable, "-m", "app.cli", "trainer", "--quiet"]
        process = subprocess.Popen(command, env=environment, cwd=self.home.parent)
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def until(self, run_id: str, what: Callable[[TrainingRun], bool], seconds: float = 900) -> TrainingRun:
        end = time.monotonic() + seconds
        while True:
            run = self.runs.get(run_id)
            if what(run):
                return run
            assert time.monotonic() < end, run
            time.sleep(0.1)

    def steps(self, run: TrainingRun) -> list[int]:
        lines = (self.home / RUNS / run.id / "losses.jsonl").read_text().splitlines()
        return [row["step"] for row in map(json.loads, lines) if "loss" in row]

    def releases(self) -> list[str]:
        found = ReleaseStore(self.home / "releases", packaged_base).all()
        return [release.label for release in found if not release.shipped]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path / "home")
    yield room
    room.runs.close()


def test_a_killed_trainer_goes_on_and_the_next_run_waits(room: Room) -> None:
    first, second = room.runs.start("long"), room.runs.start("short")
    with room.trainer() as trainer:
        room.until(first.id, lambda run: run.step >= 2)
        waiting = room.runs.get(second.id)
        assert (waiting.state, waiting.step) == ("queued", 0)
        # The server's data folder is never the trainer's: it can be opened beside it.
        with DataFolder(room.home):
            pass
        trainer.kill()
        trainer.wait()
    before = len(room.steps(first))
    assert 2 <= before < 6
    assert room.runs.get(first.id).state == "running"
    material = (room.home / RUNS / first.id / "material.jsonl").stat().st_mtime_ns
    with room.trainer():
        done = room.until(first.id, lambda run: run.state not in ("queued", "running"))
        short = room.until(second.id, lambda run: run.state not in ("queued", "running"))
    assert (done.state, done.reason, done.step, done.steps) == ("done", "", 6, 6)
    # It went on from the checkpoint, with what it had begun with, and took no step twice.
    assert room.steps(done) == [1, 2, 3, 4, 5, 6]
    assert (room.home / RUNS / first.id / "material.jsonl").stat().st_mtime_ns == material
    assert short.state == "done"
    assert short.started_at is not None
    assert done.ended_at is not None
    assert short.started_at >= done.ended_at
    assert sorted(room.releases()) == sorted([done.release, short.release])
    assert {label.split("@")[0] for label in room.releases()} == {"long", "short"}
    with Image.open(room.runs.curve(first.id)) as curve:
        assert curve.format == "PNG"
    with create_engine(f"sqlite:///{room.home / 'training.db'}").connect() as rows:
        found = rows.execute(text("SELECT DISTINCT application_version, executor_id FROM workflow_status")).all()
    # Neither a hash of the source, which an update would change, nor DBOS's "local", which is everybody's.
    assert found == [(APPLICATION_VERSION, (room.home / "trainer-id").read_text())]


def test_a_cancelled_run_makes_room_and_can_be_gone_on_with(room: Room) -> None:
    endless, wrong = room.runs.start("endless"), room.runs.start({"name": "x", "data": {"datasets": ["/etc"]}})
    with room.trainer() as trainer:
        room.until(endless.id, lambda run: run.step >= 2)
        assert room.runs.cancel(endless.id).state == "cancelled"
        failed = room.until(wrong.id, lambda run: run.state not in ("queued", "running"))
        assert (failed.state, "names no files" in failed.reason) == ("failed", True)
        stood = len(room.steps(endless))
        assert stood < 100
        assert room.releases() == []
        again = room.runs.resume(endless.id)
        room.until(again.id, lambda run: run.state == "running" and run.step >= stood + 2)
        assert room.steps(again)[: stood + 2] == list(range(1, stood + 3))
        # Told to stop, it keeps a checkpoint and is still to be gone on with.
        trainer.send_signal(signal.SIGTERM)
        assert trainer.wait(120) == 0
    assert room.runs.get(endless.id).state == "running"
    assert list((room.home / RUNS / endless.id).glob("checkpoint-*"))
    assert not room.runs.trainer


def test_a_second_trainer_is_not_wanted_and_an_idle_one_ends(room: Room) -> None:
    with room.trainer() as first:
        end = time.monotonic() + 120
        while not room.runs.trainer:
            assert time.monotonic() < end
            time.sleep(0.1)
        with room.trainer() as second:
            assert second.wait(120) == 1
        first.send_signal(signal.SIGTERM)
        assert first.wait(60) == 0
