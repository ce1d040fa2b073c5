"""A model server that ends or hangs is started again, as often as that may help; and what its front lets through."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from app import model_serving
from app.model_serving import MOST_ENDED, MOST_SILENT, Again, limits_of, watched
from app.workspace import Settings
from ingest.errors import SettingsError
from serving.errors import EngineAway
from serving.front import Upstream
from serving.machine import Machine
from serving.prompts import Message
from serving.vllm_plan import ModelShape, choose, overridden

ASKED = [Message("user", "When?")]
PLAN = choose(Machine(2, 24, 20, True), ModelShape(30, 3, 64, 8192, 270_000_000), adapter=False, small=True)


class Server:
    """A vLLM that starts as it is told to."""

    def __init__(self, *starts: Exception | None, well: tuple[bool, ...] = (True,)) -> None:
        self._starts, self._well = list(starts), itertools.chain(well, itertools.repeat(well[-1]))
        self.port, self.log, self.running = 1, Path("vllm.log"), False
        self.told: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self.told.append("start")
        self.running = True

    def stop(self) -> None:
        self.told.append("stop")

    def wait(self, *_: Any) -> str:
        if (trouble := self._starts.pop(0)) is not None:
            raise trouble
        return "At nine."

    def well(self, _seconds: float) -> bool:
        return next(self._well)


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AGAIN_S", "LOOK_S", "HEALTH_S"):
        monkeypatch.setattr(model_serving, name, 0.0)
    monkeypatch.setattr(model_serving, "free_port", itertools.count(2).__next__)


def again(server: Server) -> tuple[Again, Upstream]:
    upstream = Upstream(server.url, "key", ("support",))
    return Again(server, upstream, ASKED, threading.Event(), lambda _: None), upstream  # type: ignore[arg-type]  # a scripted one


def test_a_start_that_fails_is_tried_again_elsewhere() -> None:
    server = Server(EngineAway("out of memory"), None)
    started, upstream = again(server)
    started.start("vLLM ended by itself")
    assert server.told == ["stop", "start", "stop", "start"]
    # Its port may be somebody else's by now: the front asks where it is.
    assert upstream.url == server.url != "http://127.0.0.1:1"


def test_after_too_many_it_says_what_the_last_one_was() -> None:
    server = Server(*[EngineAway("out of memory")] * 9)
    with pytest.raises(EngineAway, match=r"4 times in 30 minutes; the last time: out of memory; its log is vllm\.log"):
        again(server)[0].start("vLLM ended by itself")
    assert server.told.count("start") == MOST_ENDED


def test_those_that_end_later_are_counted_with_the_earlier_ones() -> None:
    server = Server(*[None] * 9)
    started, _ = again(server)
    for _ in range(MOST_ENDED):
        started.start("vLLM ended by itself")
    with pytest.raises(EngineAway, match="the last time: vLLM ended by itself"):
        started.start("vLLM ended by itself")


def test_told_to_stop_it_starts_nothing() -> None:
    server = Server(EngineAway("it was stopped while it started"))
    started, _ = again(server)
    started.stop.set()
    started.start("vLLM ended by itself")
    assert "start" not in server.told


def test_one_that_hangs_is_noticed_and_one_that_is_slow_is_not() -> None:
    server = Server(well=(*[False] * (MOST_SILENT - 1), True, *[False] * MOST_SILENT))
    server.running = True
    looks = []
    why = watched(server, lambda: looks.append(1), threading.Event())  # type: ignore[arg-type]  # a scripted one
    assert "has not said" in why
    assert len(looks) == 2 * MOST_SILENT


def test_one_that_ended_is_noticed() -> None:
    assert watched(Server(), lambda: None, threading.Event()) == "vLLM ended by itself"  # type: ignore[arg-type]  # a scripted one


def test_what_a_front_lets_through_follows_from_the_server() -> None:
    small = limits_of(overridden(PLAN, ["max_num_seqs=4", "max_model_len=1000"]))
    assert (small.tokens, small.at_once, small.rate, small.burst) == (500, 32, 32, 32)
    named = limits_of(PLAN, 2.5)
    assert (named.rate, named.burst, named.at_once) == (2.5, 10, 8 * PLAN.settings.max_num_seqs)


@pytest.mark.parametrize("key", [None, "short"])
def test_other_machines_are_not_served_without_a_key_that_is_one(key: str | None) -> None:
    settings = Settings.load()
    settings.serving.endpoint_api_key = SecretStr(key) if key else None
    with pytest.raises(SettingsError, match="FRONTDESK_ENDPOINT_API_KEY"):
        model_serving._key(settings, "0.0.0.0")
    assert len(model_serving._key(settings, "127.0.0.1")) >= len(key or "x" * 16)
