"""What the front of a model server lets through, what it changes, and what it tells those that it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from serving.front import Front, Limits
from serving.front_requests import TENANT
from tests.unit.serving.front_rig import ANSWER, ASKED, KEY, UPSTREAM, Pieces, Server


@pytest.fixture
def server() -> Server:
    return Server()


def client(server: Server, **limits: Any) -> TestClient:
    front = Front(UPSTREAM, KEY, Limits(**limits), b"salt", httpx.MockTransport(server.handle))
    return TestClient(front.app(), headers={"authorization": f"Bearer {KEY}"}, raise_server_exceptions=False)


@pytest.fixture
def http(server: Server) -> Iterator[TestClient]:
    with client(server) as opened:
        yield opened


def chat(http: TestClient, headers: dict[str, str] | None = None, **changes: Any) -> Any:
    return http.post("/v1/chat/completions", json=ASKED | changes, headers=headers or {})


def test_a_question_is_passed_on_with_the_servers_key_and_a_salt(http: TestClient, server: Server) -> None:
    assert chat(http).json() == ANSWER
    assert server.seen[0].headers["authorization"] == f"Bearer {UPSTREAM.key}"
    assert (server.body["max_tokens"], len(server.body["cache_salt"])) == (1024, 64)


def test_each_tenant_has_a_cache_of_its_own(http: TestClient, server: Server) -> None:
    salts = []
    for tenant in ("one", "two", "one"):
        chat(http, {TENANT: tenant})
        salts.append(server.body["cache_salt"])
    assert salts[0] == salts[2] != salts[1]
    assert TENANT not in server.seen[-1].headers


@pytest.mark.parametrize(
    "key", ["", "Bearer ", "Bearer wrong", f"Basic {KEY}", "Bearer vllm's-key", "Bearer schlüssel"]
)
@pytest.mark.parametrize("route", ["/v1/chat/completions", "/v1/models", "/metrics"])
def test_without_the_key_nothing_is_served(http: TestClient, server: Server, route: str, key: str) -> None:
    method = "POST" if route.endswith("completions") else "GET"
    reply = http.request(
        method, route, headers={"authorization": key.encode()}, json=ASKED if method == "POST" else None
    )
    assert (reply.status_code, reply.json()["error"]["type"]) == (401, "unauthorized")
    assert server.seen == []


@pytest.mark.parametrize(
    "route",
    [
        "/", "/docs", "/openapi.json", "/invocations", "/tokenize", "/detokenize", "/pause", "/resume", "/sleep", "/version", "/load",
        "/v1/completions", "/v1/load_lora_adapter", "/v1/unload_lora_adapter", "/v1/responses", "/v1/embeddings", "/inference/v1/generate",
        "/collective_rpc", "/reset_prefix_cache", "/server_info", "/metrics/", "/metrics/x", "/Metrics", "/v1/metrics", "/v1/chat/completions/", "/v1//chat/completions", "//metrics",
        "/v1/models/", "/adapters", "/adapters/support", "/v1/chat/completions/batch", "/v1/chat/completions/%2e%2e/%2e%2e/pause",
    ],
)  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_other_routes_do_not_exist(http: TestClient, server: Server, route: str, method: str) -> None:
    assert http.request(method, route, follow_redirects=False).status_code == 404
    assert server.seen == []


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"n": 2}, 400),
        ({"best_of": 4}, 400),
        ({"prompt_logprobs": 5}, 400),
        ({"logprobs": True}, 400),
        ({"cache_salt": "mine"}, 400),
        ({"chat_template": "{{ evil }}"}, 400),
        ({"structured_outputs": {"regex": "(a+)+"}}, 400),
        ({"n": True}, 400),
        ({"n": 1.0}, 400),
        ({"temperature": -1}, 400),
        ({"temperature": "0"}, 400),
        ({"top_p": 0}, 400),
        ({"seed": 2**64}, 400),
        ({"stop": ["x"] * 5}, 400),
        ({"stop": "x" * 65}, 400),
        ({"stop": [""]}, 400),
        ({"user": "x" * 1000}, 400),
        ({"stream": "yes"}, 400),
        ({"stream_options": {"continuous_usage_stats": True}}, 400),
        ({"model": ["support"]}, 400),
        ({"max_tokens": 0}, 400),
        ({"max_tokens": True}, 400),
        ({"model": "base"}, 404),
        ({"messages": []}, 400),
        ({"messages": [{"role": "tool", "content": "x"}]}, 400),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "http://inside"}}]}]},
            400,
        ),
        ({"messages": [{"role": "user", "content": "x" * 300_000}]}, 400),
    ],
)
def test_what_could_hurt_is_refused_with_the_reason(
    http: TestClient, server: Server, changes: dict[str, Any], status: int
) -> None:
    reply = chat(http, **changes)
    assert reply.status_code == status
    assert reply.json()["error"]["message"]
    assert server.seen == []


def test_a_body_that_is_too_large_or_no_json_is_refused(http: TestClient, server: Server) -> None:
    assert http.post("/v1/chat/completions", content=b"x" * (2 << 20)).status_code == 413
    assert http.post("/v1/chat/completions", content=b"{").status_code == 400
    assert http.post("/v1/chat/completions", content=b"[]").status_code == 400
    assert http.post("/v1/chat/completions", content=b"\xff\xfe").status_code == 400
    assert http.post("/v1/chat/completions", content=b"[" * 100_000).status_code == 400
    assert server.seen == []


@pytest.mark.parametrize(
    "said",
    [
        '"temperature": NaN',
        '"temperature": 1e400',
        '"top_p": -Infinity',
        '"user": "\\ud800"',
        '"stop": "\\udc00"',
        '"n": null, "n": 2',
    ],
)
def test_what_python_would_read_and_nobody_could_write_is_refused(http: TestClient, server: Server, said: str) -> None:
    body = json.dumps(ASKED)[:-1] + f", {said}}}"
    reply = http.post("/v1/chat/completions", content=body.encode())
    assert (reply.status_code, reply.json()["error"]["type"]) == (400, "invalid_request_error")
    assert server.seen == []


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_more_tokens_than_there_are_to_be_had_are_as_many_as_there_are(
    http: TestClient, server: Server, name: str
) -> None:
    for asked, got in ((100_000, 1024), (7, 7)):
        assert chat(http, **{name: asked}).status_code == 200
        assert server.body["max_tokens"] == got
        assert "max_completion_tokens" not in server.body


def test_what_frontdesk_asks_for_is_passed_on_as_it_is(http: TestClient, server: Server) -> None:
    asked = {
        "stream": True, "stream_options": {"include_usage": True}, "temperature": 0, "top_p": 0.9, "stop": ["a", "b"], "seed": 3,
        "n": 1, "user": "u", "presence_penalty": 0.5, "frequency_penalty": None, "max_completion_tokens": 160,
    }  # fmt: skip
    assert chat(http, **asked).status_code == 200
    left = {name: value for name, value in asked.items() if value is not None and name != "max_completion_tokens"}
    assert server.body == ASKED | left | {"max_tokens": 160, "cache_salt": server.body["cache_salt"]}


@pytest.mark.parametrize("key", ["", "  "])
def test_a_front_without_a_key_is_not_made(key: str) -> None:
    with pytest.raises(ValueError, match="without a key"):
        Front(UPSTREAM, key)


def test_whoever_asks_too_often_is_told_to_wait_and_others_are_not(server: Server) -> None:
    with client(server, rate=0.001, burst=2) as http:
        assert [chat(http, {TENANT: "a"}).status_code for _ in range(3)] == [200, 200, 429]
        assert chat(http, {TENANT: "b"}).status_code == 200
        assert chat(http, {TENANT: "a"}).headers["retry-after"] == "1"


def test_more_than_can_be_answered_at_once_is_told_so(server: Server) -> None:
    with client(server, at_once=0) as http:
        assert chat(http).json()["error"]["type"] == "overloaded"


def test_a_stream_is_passed_on_and_closed(http: TestClient, server: Server) -> None:
    reply = chat(http, stream=True)
    assert reply.text == "data: one\n\ndata: [DONE]\n\n"
    assert reply.headers["content-type"].startswith("text/event-stream")
    assert server.pieces.closed


def test_what_ended_makes_room_for_the_next(server: Server) -> None:
    with client(server, at_once=1) as http:
        for _ in range(3):
            assert chat(http, stream=True).status_code == 200
            assert chat(http).status_code == 200
        server.status = 500
        assert chat(http).status_code == 502
        server.status, server.away = 200, True
        assert chat(http).status_code == 503
        server.away = False
        assert chat(http).status_code == 200


def test_a_stream_that_breaks_off_says_so(http: TestClient, server: Server) -> None:
    server.pieces = Pieces(fails=True)
    lines = chat(http, stream=True).text.split("\n\n")
    assert lines[0] == "data: one"
    assert json.loads(lines[1].removeprefix("data: "))["error"]["type"] == "server_error"


def test_a_server_that_is_away_or_fails_is_told_without_what_it_said(http: TestClient, server: Server) -> None:
    server.status = 500
    failed = chat(http)
    assert (failed.status_code, failed.json()["error"]["message"]) == (502, "the model server failed to answer")
    server.away = True
    assert chat(http).status_code == 503
    assert http.get("/health").status_code == 503
    assert http.get("/metrics").status_code == 503


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
def test_figures_are_read_and_nothing_else(http: TestClient, server: Server, method: str) -> None:
    assert http.request(method, "/metrics").status_code == 404
    assert server.seen == []


def figures(http: TestClient) -> dict[str, float]:
    """The front's own figures, out of what both say."""
    families = text_string_to_metric_families(http.get("/metrics").text)
    samples = [sample for family in families for sample in family.samples]
    return {
        ",".join((sample.name.removeprefix("frontdesk_front_"), *sample.labels.values())): sample.value
        for sample in samples
        if sample.name.startswith("frontdesk_front_") and not sample.name.endswith("_created")
    }


def test_it_counts_what_became_of_requests(server: Server) -> None:
    with client(server, rate=0.001, burst=4) as http:
        chat(http)
        chat(http, stream=True)
        chat(http, n=2)
        server.away = True
        chat(http)
        server.away = False
        chat(http)
        chat(http, headers={"authorization": "Bearer wrong"})
        assert figures(http) == {
            "requests_total,200": 2, "requests_total,400": 1, "requests_total,401": 1, "requests_total,429": 1,
            "requests_total,503": 1, "refused_total,invalid_request_error": 1, "refused_total,rate_limited": 1,
            "refused_total,unauthorized": 1, "failed_total,unavailable": 1, "gone_total": 0, "answering": 0,
        }  # fmt: skip


def test_figures_of_a_server_that_gives_none_are_a_typed_error(http: TestClient, server: Server) -> None:
    server.status = 404
    reply = http.get("/metrics")
    assert (reply.status_code, reply.json()["error"]["type"]) == (502, "server_error")


def test_models_metrics_and_health(http: TestClient) -> None:
    assert [row["id"] for row in http.get("/v1/models").json()["data"]] == ["support"]
    assert http.get("/metrics").text.startswith('vllm:num_requests_running{engine="0"} 1.0\n')
    health = http.get("/health", headers={"authorization": ""})
    assert (health.status_code, health.json()) == (200, {"status": "ok"})
