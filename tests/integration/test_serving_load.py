"""A real vLLM under load: clients that go away, a server that is killed, releases that are swapped. `make test-serving` runs it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from tests.integration.http_server import Server
from tests.integration.load_rig import CLIENTS, frontdesk, loaded, until
from tests.integration.model_server_rig import START_S, ModelServer, announcement, beside, model_serving, story

pytestmark = [pytest.mark.serving, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("loaded") / "home"


@pytest.fixture(scope="module")
def model_server(home: Path) -> Iterator[ModelServer]:
    with model_serving(home) as server:
        yield server


@pytest.fixture(scope="module")
def api(home: Path, model_server: ModelServer) -> Iterator[Server]:
    """Nothing is answered from memory, so that every question is asked."""
    assert model_server.url
    with beside(home, FRONTDESK_CACHE_ANSWERS="0", FRONTDESK_ENDPOINT_TIMEOUT_S="30") as server:
        yield server


def test_a_hundred_streams_that_are_left_are_written_for_no_longer(model_server: ModelServer) -> None:
    with model_server.client() as client, ThreadPoolExecutor(100) as many:
        list(many.map(lambda _: story(client), range(100)))
    end = time.monotonic() + 2
    while left := model_server.running():
        assert time.monotonic() < end, left
        time.sleep(0.1)


def test_releases_are_swapped_under_load_and_no_request_fails(home: Path, api: Server) -> None:
    with loaded(api) as load:
        until(lambda: load.engines()["endpoint"] >= CLIENTS, 120)
        frontdesk(home, "releases", "promote", "base")
        went = time.monotonic()
        until(lambda: any(at > went and release != "support" for at, _, _, release in load.replies), 60)
        frontdesk(home, "releases", "promote", "support")
        back = time.monotonic()
        until(lambda: load.engines(back + 5)["endpoint"] >= CLIENTS, 120)
    assert load.hung == []
    assert {status for _, status, _, _ in load.replies} == {200}
    # What nobody serves is answered by the next rung, not refused.
    assert set(load.engines()) <= {"endpoint", "extractive"}


def test_a_killed_server_costs_nobody_an_answer_and_is_asked_again_when_it_is_back(
    home: Path, model_server: ModelServer, api: Server
) -> None:
    with loaded(api) as load:
        until(lambda: load.engines()["endpoint"] >= CLIENTS, 120)
        before = model_server.vllm()
        before.kill()
        killed = time.monotonic()
        until(lambda: load.engines(killed)["extractive"] >= CLIENTS, 90)
        # It starts anew by itself, and frontdesk asks it again without being told.
        until(lambda: announcement(home) and load.engines(killed + 10)["endpoint"] >= CLIENTS, START_S)
    assert model_server.vllm().pid != before.pid
    assert load.hung == []
    assert {status for _, status, _, _ in load.replies} == {200}
    assert set(load.engines()) == {"endpoint", "extractive"}


def test_one_that_is_killed_itself_leaves_no_vllm_behind(model_server: ModelServer) -> None:
    children = psutil.Process(model_server.process.pid).children(recursive=True)
    # vLLM's engine is a process of its own.
    assert len(children) > 1
    model_server.process.kill()
    model_server.process.wait(10)
    _, left = psutil.wait_procs(children, 40)
    assert not [each for each in left if each.status() != psutil.STATUS_ZOMBIE]
