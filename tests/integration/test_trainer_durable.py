"""What the trainer does with runs, whatever they train: real processes and a real database, steps that cost nothing.

test_trainer.py has the same on the packaged model.
"""

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
from sqlalchemy import create_engine, text

from app.training_runs import APPLICATION_VERSION, RUNS, TrainingRun, TrainingRuns

# Steps count from their "checkpoint" on; how many there are and how long each takes is the recipe.
TRAINER = """
import json, sys, threading, signal, time
from pathlib import Path
from types import SimpleNamespace
from app import trainer

class Fake(trainer.Work):
    def gather(self, name, text, folder):
        self.note("gather")
        if json.loads(text).get("wrong"):
            from ingest.errors import NotFound
            raise NotFound("no knowledge base named 'x'")
        return {"live": "base"}

    def train(self, name, text, folder, live):
        said = json.loads(text)
        self.note("train")
        if said.get("heavy"):
            sys.modules["torch"] = SimpleNamespace()
        if said.get("dies"):
            (self.folder / "checkpoint-1").mkdir(exist_ok=True)
            self._count_attempt()
            import os
            os._exit(9)
        saved = self.folder / "saved"
        step = int(saved.read_text()) if saved.exists() else 0
        while step < said["steps"]:
            time.sleep(said["pause"])
            step += 1
            saved.write_text(str(step))
            with (self.folder / "losses.jsonl").open("a") as lines:
                lines.write(json.dumps({"step": step, "loss": 1.0, "seconds": step}) + "\\n")
            if self.stop.is_set() or self.cancelled.is_set():
                raise trainer.Stopping
        return {}

    def release(self, name, text, folder):
        self.note("release")
        return {"release": f"made-of-{self.run_id}"}

    def note(self, what):
        with (self.folder / "notes").open("a") as notes:
            notes.write(what + "\\n")

home, stop = Path(sys.argv[1]), threading.Event()
signal.signal(signal.SIGTERM, lambda *_: stop.set())
ingest = SimpleNamespace(home=home, sqlalchemy_url=f"sqlite:///{home / 'frontdesk.db'}")
sys.exit(7 if trainer.serve(SimpleNamespace(ingest=ingest), stop, Fake) else 0)
"""


class Room:
    """A data folder, trainers that can be killed, and runs as the server sees them."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.runs = TrainingRuns(home, f"sqlite:///{home / 'frontdesk.db'}")

    @contextmanager
    def trainer(self) -> Iterator[subprocess.Popen[bytes]]:
        process = subprocess.Popen([sys.executable, "-c", TRAINER, str(self.home)])
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def start(self, steps: int = 3, pause: float = 0.05, **said: bool) -> str:
        return self.runs.start({"steps": steps, "pause": pause, **said}).id

    def until(self, run_id: str, what: Callable[[TrainingRun], bool]) -> TrainingRun:
        end = time.monotonic() + 900
        while True:
            run = self.runs.get(run_id)
            if what(run):
                return run
            assert time.monotonic() < end, run
            time.sleep(0.05)

    def ended(self, run_id: str) -> TrainingRun:
        return self.until(run_id, lambda run: run.state not in ("queued", "running"))

    def notes(self, run_id: str) -> list[str]:
        return (self.home / RUNS / run_id / "notes").read_text().split()

    def steps(self, run_id: str) -> list[int]:
        lines = (self.home / RUNS / run_id / "losses.jsonl").read_text().splitlines()
        return [json.loads(line)["step"] for line in lines]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path / "home")
    yield room
    room.runs.close()


@pytest.mark.timeout(1800)
def test_killed_it_goes_on_where_it_was_and_the_next_run_waits(room: Room) -> None:
    first, second = room.start(steps=40, pause=0.2), room.start()
    with room.trainer() as trainer:
        room.until(first, lambda run: run.step >= 3)
        assert (room.runs.get(first).state, room.runs.get(second).state) == ("running", "queued")
        assert room.runs.trainer
        trainer.kill()
    assert room.runs.get(first).state == "running"
    with room.trainer():
        done, next_one = room.ended(first), room.ended(second)
    assert (done.state, done.release) == ("done", f"made-of-{first}")
    # What was gathered is gathered once, and no step was taken twice.
    assert room.notes(first) == ["gather", "train", "train", "release"]
    assert room.steps(first) == list(range(1, 41))
    assert next_one.state == "done"
    assert next_one.started_at is not None
    assert done.ended_at is not None
    assert next_one.started_at >= done.ended_at
    with create_engine(f"sqlite:///{room.home / 'training.db'}").connect() as rows:
        found = rows.execute(text("SELECT DISTINCT application_version, executor_id FROM workflow_status")).all()
    # Neither a hash of the source, which an update would change, nor DBOS's "local", which is everybody's.
    assert found == [(APPLICATION_VERSION, (room.home / "trainer-id").read_text())]


@pytest.mark.timeout(1800)
def test_cancelled_it_makes_room_and_can_be_gone_on_with(room: Room) -> None:
    endless, short = room.start(steps=10_000), room.start()
    with room.trainer() as trainer:
        room.until(endless, lambda run: run.step >= 3)
        assert room.runs.cancel(endless).state == "cancelled"
        assert room.ended(short).state == "done"
        with room.trainer() as another:
            assert another.wait(900) != 0
        stood = room.steps(endless)
        assert len(stood) < 10_000
        assert room.runs.resume(endless).state in ("queued", "running")
        room.until(endless, lambda run: run.step >= len(stood) + 2)
        assert room.notes(endless) == ["gather", "train", "train"]
        # Told to stop it ends by itself, and the run is still to be gone on with.
        trainer.send_signal(signal.SIGTERM)
        assert trainer.wait(900) == 0
    assert room.runs.get(endless).state == "running"
    assert room.steps(endless) == list(range(1, len(room.steps(endless)) + 1))
    assert not room.runs.trainer


@pytest.mark.timeout(1800)
def test_after_its_last_run_it_asks_to_be_started_anew(room: Room) -> None:
    heavy, light = room.start(heavy=True), room.start(steps=30)
    with room.trainer() as trainer:
        assert trainer.wait(900) == 7
    # Not before the second one was done, too.
    assert (room.runs.get(heavy).state, room.runs.get(light).state) == ("done", "done")


@pytest.mark.timeout(1800)
def test_what_cannot_be_carried_out_says_why_and_the_next_one_goes_on(room: Room) -> None:
    wrong, deadly, short = room.start(wrong=True), room.start(dies=True), room.start()
    codes = []
    # It ends the process each time: after the third, the run is given up.
    for _ in range(4):
        with room.trainer() as trainer:
            if len(codes) < 3:
                codes.append(trainer.wait(900))
                continue
            failed = room.ended(deadly)
            assert room.ended(short).state == "done"
    assert codes == [9, 9, 9]
    assert (failed.state, "ended 3 times at the same place" in failed.reason) == ("failed", True)
    assert room.runs.get(wrong).reason == "no knowledge base named 'x'"
