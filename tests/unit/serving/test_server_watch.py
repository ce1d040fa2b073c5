"""Model servers as pages and figures show them: well, away, left alone, without figures."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx
import pytest

from serving.engines import ChatEngine
from serving.pool import FAILURES, Backend
from serving.server_watch import AGAIN_S, GONE_S, ModelServer, ServerWatch, State, servers_at, without_key
from tests.unit.serving.test_server_figures import EXPOSITION

SERVER = ModelServer("http://127.0.0.1:8001", "the-key", "support")


@dataclass
class Rig:
    """A watch over one server that replies as it is told."""

    status: int = 200
    text: str = EXPOSITION
    away: bool = False
    hangs: bool = False
    now: float = 0.0
    seen: list[httpx.Request] = field(default_factory=list)
    servers: list[ModelServer] = field(default_factory=lambda: [SERVER])
    backends: list[Backend] = field(default_factory=list)
    killed: list[ModelServer] = field(default_factory=list)

    def __post_init__(self) -> None:
        transport = httpx.MockTransport(self.handle)
        self.watch = ServerWatch(
            lambda: self.servers, lambda: self.backends, transport, lambda: self.now, lambda: self.killed
        )

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.seen.append(request)
        if self.away:
            raise httpx.ConnectError("refused")
        if self.hangs:
            raise httpx.ReadTimeout("nothing came")
        return httpx.Response(self.status, text=self.text)

    def state(self) -> State:
        self.watch.look()
        return self.watch.seen()[0].state

    def states(self) -> list[State]:
        self.watch.look()
        return [seen.state for seen in self.watch.seen()]


def test_a_server_that_replies() -> None:
    rig = Rig()
    assert rig.watch.seen() == []
    assert rig.state() is State.OK
    seen = rig.watch.seen()[0]
    assert (seen.url, seen.release, seen.asking) == (SERVER.url, "support", 0)
    assert seen.figures is not None
    assert (seen.figures.running, seen.figures.hit_rate_since_start) == (3, 0.6)
    assert str(rig.seen[0].url) == "http://127.0.0.1:8001/metrics"
    assert rig.seen[0].headers["authorization"] == "Bearer the-key"


def test_one_that_is_away_has_no_figures_and_is_looked_for_again() -> None:
    rig = Rig()
    assert rig.state() is State.OK
    rig.away = True
    assert rig.state() is State.AWAY
    assert rig.watch.seen()[0].figures is None
    rig.away, rig.status = False, 503
    assert rig.state() is State.AWAY
    rig.status = 200
    assert rig.state() is State.OK


def test_one_of_another_maker_is_well_and_seldom_asked_for_figures() -> None:
    rig = Rig(status=404, text="no such page")
    for _ in range(5):
        assert rig.state() is State.OK
    assert (rig.watch.seen()[0].figures, len(rig.seen)) == (None, 1)
    rig.now = AGAIN_S
    rig.state()
    assert len(rig.seen) == 2


def test_one_that_failed_in_a_row_is_left_alone() -> None:
    engine = ChatEngine("endpoint", "support", None, (), 0, 1.0, len)  # type: ignore[arg-type]  # never asked
    backend = Backend(f"{SERVER.url}/v1", engine, running=2, failures=FAILURES)
    rig = Rig(backends=[backend])
    assert rig.state() is State.LEFT_ALONE
    assert rig.watch.seen()[0].asking == 2
    backend.succeeded()
    assert rig.state() is State.OK
    # What does not even reply is worse than that.
    backend.failures, rig.away = FAILURES, True
    assert rig.state() is State.AWAY


@pytest.mark.parametrize("away", [False, True], ids=["still writing its last answers", "ended"])
def test_one_that_was_stopped_in_order_is_forgotten(away: bool) -> None:
    rig = Rig()
    assert rig.states() == [State.OK]
    rig.servers, rig.away = [], away
    assert rig.states() == []


def test_one_that_was_killed_is_gone_for_an_hour() -> None:
    rig = Rig()
    assert rig.states() == [State.OK]
    rig.servers, rig.killed, rig.away = [], [SERVER], True
    assert rig.states() == [State.GONE]
    seen = rig.watch.seen()[0]
    assert (seen.release, seen.asking, seen.figures) == ("support", 0, None)
    # Its announcement is tidied away by the next one.
    rig.now, rig.killed = GONE_S - 1, []
    assert rig.states() == [State.GONE]
    rig.now = GONE_S
    assert rig.states() == []


def test_what_was_killed_before_the_first_look_is_not_missed() -> None:
    assert Rig(servers=[], killed=[SERVER], away=True).states() == []


def test_one_whose_vllm_is_started_again_is_away_however_long_it_takes() -> None:
    rig = Rig()
    assert rig.states() == [State.OK]
    rig.servers, rig.hangs = [], True
    assert rig.states() == [State.AWAY]
    rig.hangs, rig.status = False, 503
    assert rig.states() == [State.AWAY]
    rig.now = 2 * GONE_S
    assert rig.states() == [State.AWAY]
    rig.servers, rig.status = [SERVER], 200
    assert rig.states() == [State.OK]


def test_one_that_gave_up_starting_vllm_again_is_gone() -> None:
    rig = Rig()
    rig.states()
    rig.servers, rig.status = [], 503
    assert rig.states() == [State.AWAY]
    rig.away = True
    assert rig.states() == [State.GONE]
    # Started again, it is there at the same place.
    rig.servers, rig.away, rig.status = [SERVER], False, 200
    assert rig.states() == [State.OK]
    rig.servers, rig.away = [], True
    assert rig.states() == []


def test_a_release_that_is_served_no_longer_is_not_missed_and_a_successor_takes_its_place() -> None:
    other = ModelServer(SERVER.url, SERVER.key, "tuned")
    rig = Rig(servers=[SERVER, other])
    assert rig.states() == [State.OK, State.OK]
    rig.servers = [other]
    assert rig.states() == [State.OK]
    rig.servers, rig.killed, rig.away = [], [other], True
    assert rig.states() == [State.GONE]
    rig.servers = [ModelServer(SERVER.url, "the-next-key", "tuned")]
    assert rig.states() == [State.AWAY]


def test_an_endless_exposition_is_given_up() -> None:
    rig = Rig(text=EXPOSITION + "# " + "x" * (5 << 20))
    assert rig.state() is State.OK
    assert rig.watch.seen()[0].figures is None


def test_a_look_that_fails_in_a_new_way_does_not_end_the_watch() -> None:
    looks = 0

    def servers() -> list[ModelServer]:
        nonlocal looks
        looks += 1
        watch._stop.set()
        raise OSError("the folder cannot be read")

    watch = ServerWatch(servers, lambda: [])
    watch._run()
    assert looks == 1


def test_no_password_is_shown() -> None:
    (server,) = servers_at(["http://me:secret@10.0.0.1:8001/v1"], "k", "m")
    assert server.url == "http://me:secret@10.0.0.1:8001"
    assert without_key(server.url) == "http://10.0.0.1:8001"
    assert "secret-key" not in repr(ModelServer("http://a", "secret-key", "m"))
