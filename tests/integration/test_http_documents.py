"""Uploads over HTTP: states, reasons, replacing, deleting, each request once; retrieval and conversations on them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.integration.http_server import Server, example

QUESTION = "How long is the motor of the WM-900 guaranteed?"


@pytest.fixture
def http(api: Server) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


@pytest.fixture
def kb(api: Server, http: httpx.Client, request: pytest.FixtureRequest) -> Iterator[str]:
    """An empty knowledge base of the test's own."""
    name = request.node.name[:60].replace("[", "-").replace("]", "")
    assert http.post("/api/knowledge-bases", json={"name": name}).status_code == 201
    yield name
    assert http.delete(f"/api/knowledge-bases/{name}").status_code == 204


def ask(http: httpx.Client, kb: str, question: str = QUESTION, **more: Any) -> dict[str, Any]:
    body = {"question": question, "kb": kb, "engine": "extractive", "stream": False, **more}
    reply = http.post("/api/chat", json=body)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_several_files_one_of_them_broken(api: Server, http: httpx.Client, kb: str) -> None:
    reply = api.upload(
        example("en/warranty.docx"),
        ("政策/退货 (1).txt", "签收后七天内可以退货。".encode()),
        ("broken.pdf", b"no PDF"),
        kb=kb,
    )
    assert reply.status_code == 202
    assert [d["document"] for d in reply.json()["documents"]] == ["en/warranty.docx", "政策/退货 (1).txt", "broken.pdf"]
    found = api.settled(kb)
    assert {name: d["state"] for name, d in found.items()} == {
        "en/warranty.docx": "ready", "政策/退货 (1).txt": "ready", "broken.pdf": "failed",
    }  # fmt: skip
    assert "PDF" in str(found["broken.pdf"]["reason"])
    counted = http.get(f"/api/knowledge-bases/{kb}").json()
    assert (counted["documents"], counted["ready"], counted["failed"], counted["in_progress"]) == (3, 2, 1, 0)
    only = http.get(f"/api/knowledge-bases/{kb}/documents", params={"state": "failed"}).json()
    assert [d["document"] for d in only["documents"]] == ["broken.pdf"]
    searched = http.get(f"/api/knowledge-bases/{kb}/documents", params={"search": "退货"}).json()
    assert (searched["total"], searched["documents"][0]["document"]) == (1, "政策/退货 (1).txt")


def test_the_same_bytes_change_nothing_and_other_bytes_replace(api: Server, http: httpx.Client, kb: str) -> None:
    api.upload(("fees.txt", b"A call-out to your home costs 65 pounds."), kb=kb)
    first = api.settled(kb)["fees.txt"]
    again = api.upload(("fees.txt", b"A call-out to your home costs 65 pounds."), kb=kb).json()["documents"][0]
    assert (again["unchanged"], again["version"], again["state"]) == (True, first["version"], "ready")
    assert "65" in ask(http, kb, "What does a call-out cost?")["answer"]
    api.upload(("fees.txt", b"A call-out to your home costs 80 pounds."), kb=kb)
    api.settled(kb)
    assert "80" in ask(http, kb, "What does a call-out cost?")["answer"]
    shown = http.get(f"/api/documents/{first['id']}").json()
    assert [(v["state"], v["live"]) for v in shown["versions"]] == [("ready", False), ("ready", True)]


def test_a_deleted_document_answers_nothing(api: Server, http: httpx.Client, kb: str) -> None:
    api.upload(example("en/warranty.docx"), kb=kb)
    document = api.settled(kb)["en/warranty.docx"]
    assert ask(http, kb)["outcome"] == "answered"
    assert http.delete(f"/api/documents/{document['id']}").status_code == 204
    assert ask(http, kb)["outcome"] == "refused"
    assert http.get(f"/api/documents/{document['id']}").status_code == 404
    assert http.delete(f"/api/documents/{document['id']}").json()["error"]["type"] == "not_found"


def test_file_chunks_and_reprocess(api: Server, http: httpx.Client, kb: str) -> None:
    name, content = example("en/warranty.docx")
    api.upload((name, content), kb=kb)
    document = api.settled(kb)[name]
    reply = http.get(f"/api/documents/{document['id']}/file")
    assert (reply.content, reply.headers["content-type"]) == (content, "application/octet-stream")
    assert reply.headers["content-disposition"].startswith("attachment")
    page = http.get(f"/api/documents/{document['id']}/chunks", params={"limit": 3, "offset": 2}).json()
    assert (page["total"], [chunk["ordinal"] for chunk in page["chunks"]]) == (document["chunks"], [2, 3, 4])
    assert http.post(f"/api/documents/{document['id']}/reprocess").json()["state"] == "ready"
    assert http.post(f"/api/knowledge-bases/{kb}/verify").json() == {"kb": kb, "lost": [], "orphans_removed": 0}


def test_an_idempotency_key_makes_a_retry_safe(api: Server, http: httpx.Client, kb: str) -> None:
    files = (("a.txt", b"The first words."), ("b.txt", b"The other words."))
    first = api.upload(*files, kb=kb, key="one").json()
    api.settled(kb)
    again = api.upload(*files, kb=kb, key="one")
    assert again.status_code == 202
    assert [(d["id"], d["generation"]) for d in again.json()["documents"]] == [
        (d["id"], d["generation"]) for d in first["documents"]
    ]
    other = api.upload(("c.txt", b"Other words."), kb=kb, key="one")
    assert (other.status_code, "new key" in other.json()["error"]["message"]) == (400, True)
    assert api.upload(("c.txt", b"Other words."), kb=kb, key="sp ace").status_code == 400
    assert sorted(api.documents(kb)) == ["a.txt", "b.txt"]


@pytest.mark.parametrize(
    ("files", "status"),
    [
        ([("../../etc/passwd", b"text")], 202),
        ([("same.txt", b"a"), ("same.txt", b"b")], 400),
        ([("x" * 600, b"a")], 400),
    ],
)
def test_names_of_files(api: Server, kb: str, files: list[tuple[str, bytes]], status: int) -> None:
    reply = api.upload(*files, kb=kb)
    assert reply.status_code == status
    if status == 202:
        assert reply.json()["documents"][0]["document"] == "etc/passwd"


def test_retrieval_is_the_very_path_of_answering(api: Server, http: httpx.Client) -> None:
    found = http.post("/api/retrieve", json={"question": QUESTION, "limit": 5}).json()
    answer = ask(http, "default")
    assert found["fused"][0]["text"] == answer["citations"][0]["text"]
    assert (found["verdict"]["answerable"], found["verdict"]["sure"]) == (True, True)
    assert found["verdict"]["evidence"][0]["n"] == 1
    assert len(found["legs"]["dense"]) == len(found["legs"]["sparse"]) == 5
    assert {"embed", "search", "judge"} <= set(found["timings_ms"])
    assert found["standalone_question"] == QUESTION
    assert found["expected"] is None
    first = found["fused"][0]
    assert found["legs"]["sparse"][first["sparse_rank"] - 1]["chunk_id"] == first["chunk_id"]


def test_where_the_document_stands_that_should_be_found(api: Server, http: httpx.Client) -> None:
    body = {"question": QUESTION, "limit": 50}
    found = http.post("/api/retrieve", json=body).json()
    names = {leg: [hit["document"] for hit in found["legs"][leg]] for leg in ("dense", "sparse")}
    names["fused"] = [hit["document"] for hit in found["fused"]]
    for document in dict.fromkeys(names["fused"]):
        expected = http.post("/api/retrieve", json=body | {"expected": document}).json()["expected"]
        assert (expected["document"], expected["visible"]) == (document, True)
        for leg, ranking in names.items():
            rank = ranking.index(document) + 1 if document in ranking else None
            assert expected[leg]["rank"] == rank
            assert expected[leg]["among"] >= len(ranking)
    gone = http.post("/api/retrieve", json=body | {"expected": "no such file.pdf"})
    assert (gone.status_code, gone.json()["error"]["type"]) == (404, "not_found")


def test_a_conversation_is_kept_and_handed_off(http: httpx.Client) -> None:
    first = ask(http, "default")
    identity = first["conversation_id"]
    second = ask(http, "default", "And the WM-700?", conversation_id=identity)
    assert "5 years" in second["answer"]
    transcript = http.get(f"/api/conversations/{identity}").json()
    assert [(m["role"], m["state"]) for m in transcript["messages"]] == [
        ("user", "complete"),
        ("assistant", "complete"),
    ] * 2
    assert transcript["messages"][3]["text"] == second["answer"]
    assert transcript["messages"][1]["citations"] == first["citations"]
    assert (transcript["title"], transcript["kb"], transcript["status"]) == (QUESTION, "default", "open")
    handed = http.post(
        f"/api/conversations/{identity}/handoff", json={"contact": "ada@example.com", "note": "Evenings."}
    )
    assert (handed.json()["status"], handed.json()["contact"]) == ("waiting", "ada@example.com")
    waiting = http.get("/api/conversations", params={"status": "waiting"}).json()
    assert identity in [c["id"] for c in waiting["conversations"]]
    assert http.post(f"/api/conversations/{identity}/close").json()["status"] == "closed"
    assert http.delete(f"/api/conversations/{identity}").status_code == 204
    gone = http.post("/api/chat", json={"question": QUESTION, "conversation_id": identity})
    assert (gone.status_code, gone.json()["error"]["type"]) == (404, "not_found")


def test_every_route_but_the_probes_wants_the_key(api: Server) -> None:
    with httpx.Client(base_url=api.url, trust_env=False) as stranger:
        paths: dict[str, dict[str, Any]] = stranger.get("/openapi.json").json()["paths"]
        for path, operations in paths.items():
            for method in operations:
                reply = stranger.request(method, path.replace("{", "").replace("}", ""), json={})
                expected = path in ("/health", "/ready")
                assert (reply.status_code != 401) == expected, (method, path, reply.status_code)
                if not expected:
                    assert reply.headers["www-authenticate"] == "Bearer"


def test_what_is_too_large_is_refused_before_it_is_read(api: Server, http: httpx.Client) -> None:
    reply = http.post("/api/chat", content=json.dumps({"question": "x" * (3 << 20)}))
    assert (reply.status_code, reply.json()["error"]["type"]) == (413, "too_large")

    def endless() -> Iterator[bytes]:
        for _ in range(3):
            yield b"x" * (1 << 20)

    streamed = http.post("/api/chat", content=endless(), headers={"content-type": "application/json"})
    assert streamed.status_code == 413


def test_metrics_and_system(http: httpx.Client) -> None:
    ask(http, "default")
    text = http.get("/metrics").text
    assert 'frontdesk_answers_total{engine="extractive",outcome="answered"}' in text
    assert 'frontdesk_http_requests_total{method="POST",route="/api/chat",status="200"}' in text
    assert "/api/knowledge-bases/default" not in text
    system = http.get("/api/system").json()
    parts = {part["name"]: part["status"] for part in system["components"]}
    assert parts == {
        "database": "ok", "index": "ok", "ingestion": "ok", "endpoint": "off", "packaged": "ok", "extractive": "ok",
    }  # fmt: skip
    assert (system["status"], system["vector_engine"]) == ("ready", "edge")
