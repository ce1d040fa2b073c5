"""The server engine at the HTTP boundary: what the in-memory client ignores cannot be seen there."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from ingest.errors import IndexUnavailable
from ingest.index.base import INTEGER_FIELDS, KEYWORD_FIELDS
from ingest.index.server import ServerIndex, connect
from ingest.index.tuning import PLAIN, Cluster, Tuning
from ingest.schema import Principal
from tests.integration.index_rig import EMBEDDER, ENCODER, SIZE, dense, point


@dataclass
class Wire:
    """A local HTTP server that stands for Qdrant: keeps requests, answers each with what is needed to go on."""

    status: int = 200
    # Statuses of the next replies, before ``status`` holds; 0 drops the connection.
    next_statuses: list[int] = field(default_factory=list)
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    url: str = ""

    def bodies(self, method: str, ending: str) -> list[Any]:
        return [body for verb, path, body in self.requests if verb == method and path.endswith(ending)]

    def answer(self, method: str, path: str, body: Any) -> Any:
        if path.endswith("/exists"):
            return {"exists": False}
        if path == "/collections":
            return {"collections": []}
        if path.endswith("/query/batch"):
            return [{"points": []} for _ in body["searches"]]
        if path.endswith("/points/count"):
            return {"count": 0}
        if path.endswith("/points/scroll"):
            return {"points": [], "next_page_offset": None}
        if method == "PUT" and path.count("/") == 2:
            return True
        return {"operation_id": 1, "status": "completed"}


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()

    class Handler(http.server.BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            path = self.path.split("?")[0]
            wire.requests.append((self.command, path, body))
            status = wire.next_statuses.pop(0) if wire.next_statuses else wire.status
            if status == 0:
                self.close_connection = True
                return
            answer = {"result": wire.answer(self.command, path, body), "status": "ok", "time": 0.0}
            payload = json.dumps(answer if status == 200 else {"status": {"error": "no"}}).encode()
            self.send_response(status)
            if status == 429:
                self.send_header("Retry-After", "1")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_PUT = do_POST = do_DELETE = do_PATCH = handle_any  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    httpd = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    wire.url = f"http://127.0.0.1:{httpd.server_port}"
    yield wire
    httpd.shutdown()
    httpd.server_close()
    thread.join()


AT_ONCE = Cluster(pause_s=0.001, longest_pause_s=0.002)


def open_wire(wire: Wire, tuning: Tuning = PLAIN, cluster: Cluster = AT_ONCE) -> ServerIndex:
    return connect(wire.url, None, 5, "hash", SIZE, tuning, cluster)


def test_the_tenant_index_stands_before_the_first_upload(wire: Wire) -> None:
    index = open_wire(wire)
    index.upsert("kb1", [point("door"), point("保修", ordinal=1, without_dense=True)])
    index.upsert("kb1", [point("window", ordinal=2)])
    index.close()
    paths = [(method, path.rsplit("/", 1)[-1]) for method, path, _ in wire.requests]
    created, first_upload = paths.index(("PUT", "index")), paths.index(("PUT", "points"))
    assert created < first_upload
    assert paths.count(("PUT", "index")) == 1 + len(KEYWORD_FIELDS) + len(INTEGER_FIELDS)  # made once, not at each call

    fields = {body["field_name"]: body["field_schema"] for body in wire.bodies("PUT", "/index")}
    assert wire.bodies("PUT", "/index")[0] == {
        "field_name": "kb",
        "field_schema": {"type": "keyword", "is_tenant": True},
    }
    looked_up = {"type": "integer", "lookup": True, "range": False, "enable_hnsw": False}
    assert fields["live"] == fields["generation"] == looked_up
    assert fields["valid_from"] == {**looked_up, "lookup": False, "range": True}
    assert fields["tenant"] == fields["acl"] == fields["version"] == {"type": "keyword", "enable_hnsw": False}
    assert fields["source"]["prefix"] is True
    (collection,) = created_with(wire)
    # A graph for each knowledge base, none over all of them.
    assert collection["vectors"]["dense"] == {
        "size": SIZE, "distance": "Cosine", "hnsw_config": {"m": 0, "payload_m": 16},
    }  # fmt: skip
    assert not {"shard_number", "replication_factor", "write_consistency_factor"} & set(collection)
    assert collection["sparse_vectors"]["sparse"]["modifier"] == "idf"

    first = wire.bodies("PUT", "/points")[0]["points"]
    assert [sorted(p["vector"]) for p in first] == [["dense", "sparse"], ["sparse"]]
    assert {p["payload"]["kb"] for p in first} == {"kb1"}


def created_with(wire: Wire) -> list[Any]:
    return [body for method, path, body in wire.requests if method == "PUT" and path.count("/") == 2]


def test_a_collection_is_laid_out_as_the_settings_say(wire: Wire) -> None:
    cluster = Cluster(shards=6, replicas=3, write_consistency=2)
    index = open_wire(wire, Tuning("int8", on_disk=True), cluster)
    index.count("kb1")
    index.close()
    (collection,) = created_with(wire)
    laid_out = (collection["shard_number"], collection["replication_factor"], collection["write_consistency_factor"])
    assert laid_out == (6, 3, 2)
    dense = collection["vectors"]["dense"]
    assert dense["quantization_config"] == {"scalar": {"type": "int8", "quantile": 0.99, "memory": "pinned"}}
    assert (dense["memory"], dense["hnsw_config"]["memory"]) == ("cold", "cold")
    assert collection["sparse_vectors"]["sparse"]["index"] == {"memory": "cold"}


@pytest.mark.parametrize(
    ("tuning", "kept", "asked"),
    [
        (Tuning("binary", oversampling=3.0), {"binary": {"memory": "pinned"}}, {"rescore": True, "oversampling": 3.0}),
        (Tuning("int8", rescore=False), {"scalar": {"type": "int8", "quantile": 0.99, "memory": "pinned"}},
         {"rescore": False, "oversampling": 2.0}),
        (PLAIN, None, None),
    ],
)  # fmt: skip
def test_quantised_candidates_are_ranked_by_the_vectors_themselves(
    wire: Wire, tuning: Tuning, kept: Any, asked: Any
) -> None:
    index = open_wire(wire, tuning)
    dense(index, "door")
    index.close()
    (collection,) = created_with(wire)
    assert collection["vectors"]["dense"].get("quantization_config") == kept
    ((query,),) = [body["searches"] for body in wire.bodies("POST", "/query/batch")]
    quantization = query.get("params", {}).get("quantization")
    assert quantization == asked


def test_uploads_are_cut_into_requests_of_bounded_size(wire: Wire) -> None:
    index = open_wire(wire, cluster=Cluster(batch_bytes=60_000))
    large = [point("door " * 2000, ordinal=i) for i in range(12)]
    index.upsert("kb1", [*large, *[point("gate", ordinal=100 + i) for i in range(600)], point("x" * 90_000, "w")])
    index.close()
    sent = [body["points"] for body in wire.bodies("PUT", "/points")]
    assert sum(map(len, sent)) == 613
    assert max(map(len, sent)) <= 256
    assert all(len(json.dumps(points)) <= 60_000 for points in sent[:-1])
    assert len(sent[-1]) == 1  # larger than a request may be: sent alone, for the server to judge


@pytest.mark.parametrize("passing", [[0], [429], [500, 503], [502, 0, 429]])
@pytest.mark.parametrize("call", ["upsert", "count", "search", "delete", "points"])
def test_what_may_pass_is_tried_again(wire: Wire, passing: list[int], call: str) -> None:
    index = open_wire(wire)
    index.count("kb")
    before = len(wire.requests)
    wire.next_statuses = list(passing)
    CALLS[call](index)
    assert wire.next_statuses == []
    assert len(wire.requests) == before + len(passing) + 1
    assert len({(method, path, json.dumps(body)) for method, path, body in wire.requests[before:]}) == 1
    index.close()


@pytest.mark.parametrize(("status", "times"), [(400, 1), (401, 1), (404, 1), (503, 4)])
def test_what_cannot_pass_is_asked_once(wire: Wire, status: int, times: int) -> None:
    index = open_wire(wire)
    index.count("kb")
    before, wire.status = len(wire.requests), status
    with pytest.raises(IndexUnavailable):
        index.count("kb")
    assert len(wire.requests) == before + times
    index.close()


def matches(conditions: list[dict[str, Any]]) -> dict[str, Any]:
    return {c["key"]: c["match"].get("value", c["match"].get("any")) for c in conditions}


def test_queries_carry_the_knowledge_base_and_its_own_statistics(wire: Wire) -> None:
    index = open_wire(wire)
    vector, weights = EMBEDDER.embed_query("door"), ENCODER.encode_query("door")
    index.search("kb1", dense=vector, sparse=weights, principal=Principal("t", frozenset({"b", "a"})), limit=7)
    index.close()
    ((by_vector, by_words),) = [body["searches"] for body in wire.bodies("POST", "/query/batch")]
    for query, leg in ((by_vector, "dense"), (by_words, "sparse")):
        assert matches(query["filter"]["must"]) == {"kb": "kb1", "live": 1, "tenant": "t", "acl": ["a", "b"]}
        assert [c["key"] for c in query["filter"]["must_not"]] == ["enabled", "valid_from", "valid_until"]
        assert (query["using"], query["limit"]) == (leg, 7)
    assert matches(by_words["params"]["idf"]["corpus"]["must"]) == {"kb": "kb1"}


@pytest.mark.parametrize(
    ("act", "method", "ending", "where"),
    [
        (lambda i: i.delete("kb1", "v", 3), "POST", "/points/delete", {"kb": "kb1", "version": "v", "generation": 3}),
        (lambda i: i.drop("kb1"), "POST", "/points/delete", {"kb": "kb1"}),
        (
            lambda i: i.set_live("kb1", "v", 3),
            "POST",
            "/points/payload",
            {"kb": "kb1", "version": "v", "generation": 3},
        ),
        (lambda i: i.set_payload("kb1", "a", {"x": 1}), "POST", "/points/payload", {"kb": "kb1", "document": "a"}),
        (
            lambda i: list(i.payloads("kb1", document="a", flag="f", live=True)),
            "POST",
            "/points/scroll",
            {"kb": "kb1", "document": "a", "flags": "f", "live": 1},
        ),
        (lambda i: i.count("kb1"), "POST", "/points/count", {"kb": "kb1"}),
        (lambda i: i.writings("kb1"), "POST", "/points/scroll", {"kb": "kb1"}),
        (
            lambda i: list(i.points("kb1", "v", 3)),
            "POST",
            "/points/scroll",
            {"kb": "kb1", "version": "v", "generation": 3},
        ),
    ],
    ids=["delete", "drop", "set_live", "set_payload", "payloads", "count", "writings", "points"],
)
def test_nothing_reaches_beyond_its_knowledge_base(
    wire: Wire, act: Callable[[ServerIndex], Any], method: str, ending: str, where: dict[str, Any]
) -> None:
    index = open_wire(wire)
    act(index)
    index.close()
    (body,) = wire.bodies(method, ending)
    assert matches(body["filter"]["must"]) == where


CALLS = {
    "connect": lambda index: None,
    "upsert": lambda index: index.upsert("kb", [point("door")]),
    "count": lambda index: index.count("kb"),
    "set_live": lambda index: index.set_live("kb", "v", 1),
    "delete": lambda index: index.delete("kb", "v", 1),
    "drop": lambda index: index.drop("kb"),
    "search": lambda index: dense(index, "door"),
    "points": lambda index: list(index.points("kb", "v", 1)),
    "writings": lambda index: index.writings("kb"),
    "set_payload": lambda index: index.set_payload("kb", "a", {"x": 1}),
    "payloads": lambda index: list(index.payloads("kb")),
}


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
@pytest.mark.parametrize("ready", [False, True], ids=["first call", "later call"])
@pytest.mark.parametrize("call", [name for name in CALLS if name != "connect"])
def test_a_server_that_refuses(wire: Wire, status: int, ready: bool, call: str) -> None:
    index = open_wire(wire)
    if ready:
        index.count("kb")
    wire.status = status
    with pytest.raises(IndexUnavailable, match="FRONTDESK_QDRANT_URL"):
        CALLS[call](index)
    index.close()


@pytest.mark.parametrize("status", [401, 500])
def test_a_server_that_refuses_at_the_start(wire: Wire, status: int) -> None:
    wire.status = status
    with pytest.raises(IndexUnavailable, match=r"FRONTDESK_QDRANT_URL.*FRONTDESK_QDRANT_API_KEY"):
        open_wire(wire)


def test_a_server_that_is_not_there(wire: Wire) -> None:
    with pytest.raises(IndexUnavailable, match="FRONTDESK_QDRANT_URL"):
        connect("http://127.0.0.1:1", None, 2, "hash", SIZE)


def test_something_else_than_qdrant(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "answer", lambda *_: "hello")
    with pytest.raises(IndexUnavailable, match="FRONTDESK_QDRANT_URL"):
        open_wire(wire)
