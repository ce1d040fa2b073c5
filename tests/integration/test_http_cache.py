"""Cached and curated answers as customers and staff meet them: a real server, real documents."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from app.api.openai_models import Completion
from tests.integration.http_server import Server, serving

QUESTION = "How long is the motor of the WM-900 guaranteed?"
CURATED = "/api/knowledge-bases/default/curated"


def text(years: int) -> tuple[str, bytes]:
    return "warranty.md", f"# Guarantee\n\nThe motor of the WM-900 is guaranteed for {years} years.\n".encode()


def ask(client: httpx.Client, question: str = QUESTION, **body: Any) -> dict[str, Any]:
    reply = client.post("/api/chat", json={"question": question, "stream": False, **body})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def complete(client: httpx.Client) -> dict[str, Any]:
    body = {"model": "default", "messages": [{"role": "user", "content": QUESTION}]}
    found: dict[str, Any] = client.post("/v1/chat/completions", json=body).json()
    return found


def test_an_answer_is_given_again_until_something_changes(tmp_path: Path) -> None:
    with serving(tmp_path / "home") as server, server.client() as client:
        server.upload(text(10))
        document = str(server.settled()["warranty.md"]["id"])
        _cached(client)
        _changed(server, client, document)
        _curated(server, client)
        said = client.get("/metrics").text
        for line in (
            'frontdesk_cache_total{cache="exact",result="hit"}',
            'frontdesk_cache_total{cache="curated",result="hit"}',
        ):
            assert line in said


def _cached(client: httpx.Client) -> None:
    first, again = ask(client), ask(client, f" {QUESTION.upper()}")
    assert (first["cached"], again["cached"]) == (None, "exact")
    assert "10 years" in again["answer"]
    assert again["citations"] == first["citations"]
    # Both are kept as any other conversation is.
    kept = client.get(f"/api/conversations/{again['conversation_id']}").json()
    assert [(m["role"], m["state"]) for m in kept["messages"]] == [("user", "complete"), ("assistant", "complete")]
    assert (kept["messages"][1]["id"], kept["messages"][1]["text"]) == (again["message_id"], again["answer"])
    assert kept["title"] == QUESTION.upper()
    # In the same conversation it is a follow-up.
    assert ask(client, conversation_id=again["conversation_id"])["cached"] is None
    # The short way has the same shape as the long one.
    long, short = complete(client), complete(client)
    assert short["frontdesk"]["cached"] == "exact"
    assert Completion.model_validate(short).model_dump(mode="json") == short
    assert short["usage"] == long["usage"]
    streamed = client.post("/api/chat", json={"question": QUESTION}).text
    assert [line for line in streamed.splitlines() if line.startswith("event")] == [
        "event: sources", "event: sources", "event: sentence", "event: done",
    ]  # fmt: skip


def _changed(server: Server, client: httpx.Client, document: str) -> None:
    url = f"/api/documents/{document}"
    server.upload(text(12))
    server.settled()
    now = ask(client)
    assert (now["cached"], "12 years" in now["answer"]) == (None, True)
    assert ask(client)["cached"] == "exact"
    client.patch(url, json={"enabled": False}).raise_for_status()
    assert ask(client)["outcome"] == "refused"
    client.patch(url, json={"enabled": True}).raise_for_status()
    assert "12 years" in ask(client)["answer"]
    passage = client.get(f"{url}/chunks").json()["chunks"][0]
    edit = {"text": "The motor of the WM-900 is guaranteed for 15 years."}
    client.put(f"{url}/chunks/{passage['id']}", json=edit).raise_for_status()
    assert "15 years" in ask(client)["answer"]
    assert ask(client)["cached"] == "exact"


def _curated(server: Server, client: httpx.Client) -> None:
    draft = {"questions": [QUESTION, "Motor guarantee?"], "answer": "**Ten** years.", "source": "warranty.md"}
    made = client.post(CURATED, json=draft)
    assert (made.status_code, made.json()["state"]) == (201, "live")
    found = ask(client, "motor guarantee")
    assert (found["engine"], found["outcome"], found["answer"]) == ("curated", "answered", "**Ten** years. [1][2]")
    assert [c["document"] for c in found["citations"]] == [f"curated/{made.json()['id']}", "warranty.md"]
    # A question that means the same.
    assert ask(client, "Could you tell me how long the motor of the WM-900 is guaranteed?")["engine"] == "curated"
    assert ask(client, "How long is the motor of the WM-700 guaranteed?")["engine"] != "curated"
    assert client.post(CURATED, json=draft).status_code == 409
    table = client.get(f"{CURATED}/export").content
    assert client.post(f"{CURATED}/import", content=table).json() == {"new": 0, "replaced": 1}
    server.upload(text(20))
    server.settled()
    page = client.get(CURATED).json()
    assert (page["stale"], page["curated"][0]["state"]) == (1, "stale")
    assert ask(client)["engine"] == "curated"
    client.patch(f"{CURATED}/{made.json()['id']}", json={}).raise_for_status()
    assert client.get(CURATED, params={"state": "live"}).json()["total"] == 1
    client.delete(f"/api/documents/{server.documents()['warranty.md']['id']}").raise_for_status()
    assert ask(client)["outcome"] == "refused"
    assert client.get(CURATED).json()["curated"][0]["state"] == "source_gone"
    assert client.delete(f"{CURATED}/{made.json()['id']}").status_code == 204
