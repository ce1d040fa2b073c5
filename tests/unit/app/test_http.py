"""The application over fakes: errors, authentication, limits, readiness; no server, no socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

import app.errors
import ingest.errors
import serving.errors
from app.api import errors as http_errors
from app.api.stream import KEEP_ALIVE, kept_alive
from app.conversations import Conversations
from app.health import Checkup, Component, Health
from app.idempotency import IdempotencyKeys
from app.main import create_app
from app.metrics import Metrics
from app.rag.answer import Answer, Fall, Outcome
from app.rag.counts import CacheCounts
from app.service import Service
from app.settings import AppSettings
from app.workspace import Settings
from ingest.catalog import Catalog
from ingest.database import open_database
from ingest.errors import FrontdeskError, IndexUnavailable, SettingsError
from ingest.settings import IngestSettings, load_settings
from serving.settings import ServingSettings
from tests.unit.app.rigging import desk

KEY = "a-key-of-more-than-sixteen-letters"


class FakeWorkspace:
    """What the routes reach of a workspace: real catalog, fake index and embedder."""

    def __init__(self, engine: Engine, settings: Settings) -> None:
        self.engine = engine
        self.settings = settings
        self.catalog = Catalog(engine)
        given = desk()
        self.embedder, self.index = given.embedder, given.index
        self.engines: list[Any] = []
        self.cache_counts = CacheCounts()


class FakeIngestor:
    """Ingestion that has nothing to do."""

    alive, problem, running = True, "", ()

    def wake(self) -> None:
        pass


class IndexAway:
    """A chain whose index does not answer."""

    async def stream(self, ask: Any) -> AsyncIterator[Any]:
        raise IndexUnavailable("the Qdrant server does not answer")
        yield

    aclose = None


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., httpx.AsyncClient]]:
    """Clients of applications with given settings; the chain is that of a small base in memory."""
    engine = open_database(f"sqlite:///{tmp_path / 'http.db'}")
    made: list[Service] = []

    def client(chain: Any = None, host: str = "http://127.0.0.1", **values: Any) -> httpx.AsyncClient:
        settings = Settings(IngestSettings(), ServingSettings(), AppSettings(**values))
        workspace: Any = FakeWorkspace(engine, settings)
        if not workspace.catalog.knowledge_bases():
            workspace.catalog.create_knowledge_base("default")
        ingestor: Any = FakeIngestor()
        service = Service(
            workspace, chain or desk().chain(), Conversations(engine), IdempotencyKeys(engine), ingestor, Metrics(),
            Checkup(workspace, ingestor),
        )  # fmt: skip
        made.append(service)
        transport = httpx.ASGITransport(create_app(service), raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=host)

    yield client
    engine.dispose()


def send(client: httpx.AsyncClient, method: str, path: str, **arguments: Any) -> httpx.Response:
    async def run() -> httpx.Response:
        async with client:
            return await client.request(method, path, **arguments)

    return asyncio.run(run())


def frontdesk_errors() -> list[type[FrontdeskError]]:
    """Every error of ours that can be raised."""

    def below(kind: type[FrontdeskError]) -> list[type[FrontdeskError]]:
        return [kind, *(each for child in kind.__subclasses__() for each in below(child))]

    modules = (app.errors, ingest.errors, serving.errors)
    return [kind for kind in below(FrontdeskError) if kind.__module__ in {module.__name__ for module in modules}]


@pytest.mark.parametrize("kind", frontdesk_errors(), ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_and_the_one_shape(kind: type[FrontdeskError], make: Any) -> None:
    class Failing:
        async def stream(self, ask: Any) -> AsyncIterator[Any]:
            raise kind("what happened and what to do")
            yield

    reply = send(make(Failing()), "POST", "/api/chat", json={"question": "Why?", "stream": False})
    if kind is IndexUnavailable:
        assert (reply.status_code, reply.json()["outcome"]) == (200, "handed_off")
        return
    error = reply.json()["error"]
    assert 400 <= reply.status_code < 600
    assert reply.status_code != 500
    assert error["message"] == "what happened and what to do"
    assert (set(error), bool(error["request_id"])) == ({"message", "type", "code", "param", "request_id"}, True)
    assert reply.headers["x-request-id"] == error["request_id"]


def test_a_bug_is_a_500_that_tells_nothing_but_its_id(make: Any) -> None:
    class Failing:
        async def stream(self, ask: Any) -> AsyncIterator[Any]:
            raise KeyError("secret detail")
            yield

    reply = send(make(Failing()), "POST", "/api/chat", json={"question": "Why?", "stream": False})
    assert (reply.status_code, reply.json()["error"]["type"]) == (500, "internal")
    assert "secret" not in reply.text


def test_an_error_in_the_middle_of_a_stream_is_its_last_event(make: Any) -> None:
    class Failing:
        async def stream(self, ask: Any) -> AsyncIterator[Any]:
            raise serving.errors.EngineTimeout("too late")
            yield

    client = make(Failing())
    reply = send(client, "POST", "/api/chat", json={"question": "Why?"})
    *_, last = reply.text.strip().split("\n\n")
    assert last.startswith("event: error\n")
    assert json.loads(last.split("data: ", 1)[1])["error"]["type"] == "timeout"


def test_an_index_that_is_away_hands_off_in_the_customers_language(make: Any) -> None:
    reply = send(make(IndexAway()), "POST", "/api/chat", json={"question": "保修多少年？", "stream": False}).json()
    assert (reply["outcome"], reply["language"]) == ("handed_off", "zh")
    assert "人工客服" in reply["answer"]
    assert reply["fallen"] == [{"engine": "index", "reason": "away", "detail": "the Qdrant server does not answer"}]


def test_a_database_that_is_away_is_said_without_its_details() -> None:
    status, body = http_errors.body_of(OperationalError("SELECT secret", {}, Exception("boom")), _request())
    assert (status, body["error"]["code"]) == (503, "database")
    assert "secret" not in body["error"]["message"]


def _request() -> Any:
    from starlette.requests import Request

    return Request({"type": "http", "headers": []})


@pytest.mark.parametrize(
    ("headers", "status"),
    [({}, 401), ({"Authorization": "Bearer wrong-key-of-some-length"}, 401), ({"Authorization": f"Bearer {KEY}"}, 200)],
)
def test_the_key(headers: dict[str, str], status: int, make: Any) -> None:
    client = make(api_key=SecretStr(KEY), host="http://desk.example")
    assert send(client, "GET", "/api/knowledge-bases", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("host", "headers", "status"),
    [
        ("http://127.0.0.1:8000", {}, 200),
        ("http://localhost", {"Origin": "http://127.0.0.1:8501"}, 200),
        ("http://[::1]:8000", {}, 200),
        ("http://desk.evil.example", {}, 401),
        ("http://127.0.0.1:8000", {"Origin": "https://evil.example"}, 401),
        ("http://127.0.0.1:8000", {"Origin": "null"}, 401),
    ],
)
def test_without_a_key_only_this_machines_pages_are_served(
    host: str, headers: dict[str, str], status: int, make: Any
) -> None:
    assert send(make(host=host), "GET", "/api/knowledge-bases", headers=headers).status_code == status


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"FRONTDESK_HOST": "0.0.0.0"}, "FRONTDESK_API_KEY"),
        ({"FRONTDESK_API_KEY": "short"}, "16 characters"),
        ({"FRONTDESK_PORT": "70000"}, "FRONTDESK_PORT"),
    ],
)
def test_settings_that_would_open_the_door(
    variables: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=said):
        load_settings(AppSettings)


def test_a_host_may_be_open_with_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_HOST", "0.0.0.0")
    monkeypatch.setenv("FRONTDESK_API_KEY", KEY)
    assert load_settings(AppSettings).host == "0.0.0.0"


def test_a_body_that_falls_silent_is_given_up(make: Any) -> None:
    async def silent() -> AsyncIterator[bytes]:
        yield b'{"question": '
        await asyncio.sleep(30)

    reply = send(make(body_timeout_s=0.05), "POST", "/api/chat", content=silent())
    assert (reply.status_code, reply.json()["error"]["type"]) == (408, "timeout")


def test_too_many_files_and_too_long_a_question(make: Any) -> None:
    files = [("files", (f"{n}.txt", b"x")) for n in range(3)]
    reply = send(make(upload_max_files=2), "POST", "/api/knowledge-bases/default/documents", files=files)
    assert (reply.status_code, reply.json()["error"]["type"]) == (413, "too_large")
    reply = send(make(question_max=20), "POST", "/api/chat", json={"question": "x" * 21})
    assert (reply.status_code, "20" in reply.json()["error"]["message"]) == (400, True)


@pytest.mark.parametrize(
    ("parts", "status"),
    [
        ({"database": Health.OK, "index": Health.OK, "endpoint": Health.OFF}, "ready"),
        ({"database": Health.OK, "index": Health.AWAY}, "degraded"),
        ({"database": Health.OK, "index": Health.OK, "endpoint": Health.DEGRADED}, "degraded"),
        ({"database": Health.AWAY, "index": Health.OK}, "unavailable"),
    ],
)
def test_readiness(parts: dict[str, Health], status: str) -> None:
    nothing: Any = None
    checkup = Checkup(nothing, nothing)
    checkup._components = [Component(name, health) for name, health in parts.items()]
    assert checkup.status == status


def test_a_fault_that_a_setting_must_mend_is_remembered_until_it_is_mended() -> None:
    nothing: Any = None
    checkup = Checkup(nothing, nothing)
    checkup._components = [Component("database", Health.OK), Component("endpoint", Health.OK)]
    fell = (Fall("endpoint", "context overflow", "the prompt does not fit"), Fall("packaged", "busy", "x"))
    checkup.saw(Answer("x", Outcome.ANSWERED, engine="extractive", fallen=fell))
    assert checkup.status == "degraded"
    assert checkup.components[1].detail == "the prompt does not fit"
    checkup.saw(Answer("x", Outcome.ANSWERED, engine="endpoint"))
    assert checkup.status == "ready"


def test_a_quiet_stream_is_kept_alive_and_its_source_is_cancelled_with_it() -> None:
    ended: list[str] = []

    async def source() -> AsyncIterator[bytes]:
        try:
            yield b"first"
            await asyncio.sleep(60)
        finally:
            # What has to be written down at the end is.
            await asyncio.sleep(0)
            ended.append("written")

    async def run() -> list[bytes]:
        stream = kept_alive(source(), every_s=0.02)
        seen = [await anext(stream), await anext(stream)]
        await stream.aclose()
        await asyncio.sleep(0.05)
        return seen

    assert asyncio.run(run()) == [b"first", KEEP_ALIVE]
    assert ended == ["written"]
