"""A glossary as customers and staff meet it: a real server, a real document; slips too, for they take the same way."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from tests.integration.http_server import serving

URL = "/api/knowledge-bases/default/glossary"
DOCUMENT = "# Prices\n\nThe TurboWash costs £499. Its warranty lasts five years.\n\nA kettle costs £25.\n"
QUESTION = "How much does the WM-900 cost?"


def ask(client: httpx.Client, question: str = QUESTION) -> dict[str, Any]:
    reply = client.post("/api/chat", json={"question": question, "stream": False})
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def reworded(client: httpx.Client, question: str) -> list[tuple[str, str]]:
    found = client.post("/api/retrieve", json={"question": question}).json()
    return [(w["text"], w["instead_of"]) for w in found["wordings"] if w["instead_of"]]


def test_a_question_is_answered_once_its_words_are_known(tmp_path: Path) -> None:
    with serving(tmp_path / "home") as server, server.client() as client:
        server.upload(("prices.md", DOCUMENT.encode()))
        server.settled()
        assert ask(client)["outcome"] == "refused"
        made = client.post(URL, json={"terms": ["WM-900", "TurboWash"], "by": "Ann"})
        assert (made.status_code, made.json()["written_by"]) == (201, "Ann")
        first, again = ask(client), ask(client)
        assert (first["outcome"], "£499" in first["answer"]) == ("answered", True)
        assert (first["cached"], again["cached"]) == (None, "exact")
        assert reworded(client, QUESTION) == [("How much does the TurboWash cost?", QUESTION)]
        _exchanged(client, made.json()["id"])
        # What was answered by it is answered by it no more.
        assert ask(client)["outcome"] == "refused"
        slip = "How long does the warrenty of the TurboWash last?"
        assert reworded(client, slip) == [(slip.replace("warrenty", "warranty"), slip)]
        assert "five years" in ask(client, slip)["answer"]


def _exchanged(client: httpx.Client, entry: str) -> None:
    assert client.post(URL, json={"terms": ["wm900", "washer"]}).status_code == 409
    assert client.post(URL, json={"terms": ["washer"]}).status_code == 422
    assert client.post(URL, json={"terms": ["washer", "WASHERS"]}).status_code == 400
    body = {"terms": ["WM-900", "TurboWash", "washer"], "one_way": True}
    kept = client.put(f"{URL}/{entry}", json=body).json()
    assert (kept["terms"], kept["one_way"], kept["written_by"]) == (body["terms"], True, "Ann")
    table = client.get(f"{URL}/export").content
    assert client.post(f"{URL}/import", content=table).json() == {"new": 0, "replaced": 1}
    assert client.post(f"{URL}/import", content='terms\n"退货\n退换"\n'.encode()).json() == {"new": 1, "replaced": 0}
    page = client.get(URL, params={"search": "退"}).json()
    assert (page["total"], page["entries"][0]["terms"]) == (1, ["退货", "退换"])
    assert client.get(URL).json()["total"] == 2
    assert client.delete(f"{URL}/{entry}").status_code == 204
    assert client.delete(f"{URL}/{entry}").status_code == 404
