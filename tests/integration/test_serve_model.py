"""`frontdesk serve-model` with a real vLLM: the tuned release answers through frontdesk's API, and only through the front."""

from __future__ import annotations

import json
import re
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serving.server_watch import EVERY_S
from tests.integration.http_server import Server
from tests.integration.model_server_rig import KEY, ModelServer, announcement, beside, model_serving, story

pytestmark = [pytest.mark.serving, pytest.mark.slow, pytest.mark.timeout(900)]
QUESTION = "How long is the motor of the WM-900 guaranteed?"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("served") / "home"


@pytest.fixture(scope="module")
def model_server(home: Path) -> Iterator[ModelServer]:
    with model_serving(home) as server:
        yield server


@pytest.fixture(scope="module")
def api(home: Path, model_server: ModelServer) -> Iterator[Server]:
    assert model_server.url
    with beside(home) as server:
        yield server


def test_its_settings_are_shown_and_the_announcement_is_its_owners_alone(home: Path, model_server: ModelServer) -> None:
    said = (home.parent / "serve-model.log").read_text()
    assert re.search(r"kv_cache_gib\W+1\W+you said so", said)
    assert f"support answers at {model_server.url}/v1" in said
    announced = announcement(home)
    assert announced is not None
    assert announced.stat().st_mode & 0o077 == 0
    assert json.loads(announced.read_text())["release"] == "support"
    assert "Application startup complete" in (home / "logs" / "vllm.log").read_text()


def test_the_tuned_release_answers_through_the_api(api: Server) -> None:
    with api.client() as client:
        answer = client.post("/api/chat", json={"question": QUESTION, "stream": False}).json()
    assert (answer["engine"], answer["release"], answer["fallen"]) == ("endpoint", "support", [])
    assert answer["outcome"] == "answered"
    assert answer["citations"][0]["document"] == "en/warranty.docx"


def test_it_is_streamed(api: Server) -> None:
    with api.client() as client, client.stream("POST", "/api/chat", json={"question": f"{QUESTION} Please."}) as reply:
        events = [line.removeprefix("event: ") for line in reply.iter_lines() if line.startswith("event: ")]
    assert (events[0], events[-1]) == ("sources", "done")
    assert "sentence" in events


def test_who_goes_away_is_written_for_no_longer(model_server: ModelServer) -> None:
    with model_server.client() as client, ThreadPoolExecutor(20) as many:
        list(many.map(lambda _: story(client), range(20)))
    end = time.monotonic() + 2
    while left := model_server.running():
        assert time.monotonic() < end, left
        time.sleep(0.1)


def test_of_vllms_routes_only_the_named_ones_answer_at_the_front(model_server: ModelServer) -> None:
    inner_key = {"Authorization": f"Bearer {model_server.inner_key}"}
    inner = httpx.get(f"{model_server.inner}/openapi.json", headers=inner_key, timeout=30, trust_env=False).json()
    routes = {(method.upper(), path) for path, said in inner["paths"].items() for method in said}
    assert len(routes) > 10
    # vLLM's own key would leave such routes open to all processes of the machine.
    assert {("GET", "/version"), ("POST", "/tokenize")} <= routes
    assert {route for route in routes if _status(model_server.inner, route, "") != 401} == {("GET", "/health")}
    # The front's key is not vLLM's.
    assert {_status(model_server.inner, route, KEY) for route in routes} == {200, 401}
    allowed = {("POST", "/v1/chat/completions"), ("GET", "/v1/models"), ("GET", "/health"), ("GET", "/metrics")}
    answering = {route for route in routes if _status(model_server.url, route, KEY) != 404}
    assert {("GET", "/v1/models"), ("GET", "/health"), ("GET", "/metrics")} <= answering <= allowed
    assert {route for route in routes if _status(model_server.url, route, "") not in (401, 404)} <= {("GET", "/health")}


def _status(url: str, route: tuple[str, str], key: str) -> int:
    method, path = route
    body: dict[str, Any] | None = {} if method == "POST" else None
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    return httpx.request(method, f"{url}{path}", json=body, headers=headers, timeout=30, trust_env=False).status_code


def test_staff_see_what_it_does_and_prometheus_reads_both(api: Server, model_server: ModelServer) -> None:
    # A customer's prompt of a small release is shorter than a block of the cache: something longer, twice.
    long = {"role": "user", "content": "The motor of the WM-900 is guaranteed for ten years. " * 30}
    with model_server.client() as client:
        for _ in range(2):
            body = {"model": "support", "messages": [long], "max_tokens": 2}
            assert client.post("/v1/chat/completions", json=body).status_code == 200
        said = client.get("/metrics").text
    families = {family.name for family in text_string_to_metric_families(said)}
    # Whatever vLLM of this version gives (tests/data), and the front's own beside it.
    assert {
        "vllm:prefix_cache_hits",
        "vllm:request_time_per_output_token_seconds",
        "frontdesk_front_requests",
    } <= families
    end = time.monotonic() + 3 * EVERY_S
    with api.client() as client:
        # It looks every few seconds: the first look may have been before.
        while not (found := client.get("/api/system").json()["model_servers"]) or not _hit(found[0]["figures"]):
            assert time.monotonic() < end, found
            time.sleep(0.5)
    (server,) = found
    assert (server["url"], server["release"], server["state"]) == (model_server.url, "support", "ok")
    assert _hit(server["figures"]) < 1


def _hit(figures: dict[str, Any] | None) -> float:
    return (figures or {}).get("hit_rate_since_start") or 0.0


def test_it_stops_in_order_and_the_next_rung_answers(home: Path, model_server: ModelServer, api: Server) -> None:
    children = psutil.Process(model_server.process.pid).children(recursive=True)
    assert children
    model_server.process.send_signal(signal.SIGINT)
    assert model_server.process.wait(60) == 0
    assert announcement(home) is None
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    with api.client() as client:
        answer = client.post("/api/chat", json={"question": f"{QUESTION} Thanks.", "stream": False}).json()
    assert (answer["engine"], answer["fallen"]) == ("extractive", [])
