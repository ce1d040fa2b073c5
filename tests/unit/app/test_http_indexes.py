"""Long work on indexes over HTTP: what cannot be begun is refused at once, what fails says so when it is asked."""

from __future__ import annotations

import threading
from typing import Any, cast

import pytest

from app.errors import Conflict
from app.indexing import IndexTasks, Task
from app.workspace import Workspace
from ingest.errors import IndexMismatch
from ingest.stages import Progress
from tests.unit.app.http_rigging import Make, fails, send

PATH = "/api/knowledge-bases/default/index"


@pytest.mark.parametrize(
    ("path", "body", "expected"),
    [
        (PATH, {"task": "snapshot"}, (400, "invalid_request")),
        (PATH, {"task": "restore", "archive": "none.zip"}, (404, "not_found")),
        (PATH, {"task": "restore", "archive": "../none.zip"}, (422, "invalid_request")),
        (PATH, {"task": "migrate", "engine": "cloud"}, (422, "invalid_request")),
        (PATH, {"task": "delete"}, (422, "invalid_request")),
        ("/api/knowledge-bases/nobody/index", {"task": "optimize"}, (404, "not_found")),
    ],
)
def test_a_task_that_cannot_be_begun(make: Make, path: str, body: dict[str, Any], expected: tuple[int, str]) -> None:
    assert fails(send(make(), "POST", path, json=body)) == expected


def ended(tasks: IndexTasks, received: threading.Event) -> Task:
    assert received.wait(10)
    task = tasks.of("kb")
    assert task is not None
    return task


def test_a_task_is_followed_to_its_end() -> None:
    received, go = threading.Event(), threading.Event()
    tasks = IndexTasks(cast("Workspace", None), received.set)

    def work(report: Progress) -> dict[str, Any]:
        report("kb", "copying", 3, 9)
        assert go.wait(10)
        return {"points": 9}

    tasks.begin("kb", "rebuild", work)
    with pytest.raises(Conflict, match="rebuild of knowledge base 'kb' is running"):
        tasks.begin("kb", "optimize", work)
    go.set()
    task = ended(tasks, received)
    assert (task.state, task.stage, task.done, task.total, task.result) == ("done", "copying", 3, 9, {"points": 9})


@pytest.mark.parametrize(
    ("failure", "error", "said"),
    [
        (IndexMismatch("another embedder"), "IndexMismatch", "another embedder"),
        (ValueError("odd"), "", "ValueError: odd"),
    ],
)
def test_a_task_that_fails_says_why(failure: Exception, error: str, said: str) -> None:
    received = threading.Event()
    tasks = IndexTasks(cast("Workspace", None), received.set)

    def work(_report: Progress) -> dict[str, Any]:
        raise failure

    tasks.begin("kb", "migrate", work)
    task = ended(tasks, received)
    assert (task.state, task.error) == ("failed", error)
    assert said in task.problem


def test_a_server_that_stops_lets_go_of_its_task() -> None:
    received, stopped = threading.Event(), threading.Event()
    tasks = IndexTasks(cast("Workspace", None), received.set)

    def work(report: Progress) -> dict[str, Any]:
        assert stopped.wait(10)
        report("kb", "copying", 0, 9)
        raise AssertionError("the task went on")

    tasks.begin("kb", "migrate", work)
    tasks.stop()
    stopped.set()
    task = ended(tasks, received)
    assert (task.state, "at the next start" in task.problem) == ("failed", True)
