"""What an admin says of documents and passages, over HTTP: each time the question is asked before and after."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from tests.integration.http_server import Server

FEE = "A call-out to your home costs 65 pounds."
NEW_FEE = "A call-out to your home costs 80 pounds."
QUESTION = "What does a call-out to my home cost?"
RETURNS = "You may return a washing machine within 21 days of delivery."


@pytest.fixture
def http(api: Server) -> Iterator[httpx.Client]:
    with api.client() as client:
        yield client


class Desk:
    """A knowledge base of the test's own, and what a person does with it."""

    def __init__(self, api: Server, http: httpx.Client, kb: str) -> None:
        self.api, self.http, self.kb = api, http, kb

    def put(self, name: str, text: str, *, draft: bool = False) -> dict[str, Any]:
        """Upload a text and wait for its end; the document."""
        reply = self.http.post(
            f"/api/knowledge-bases/{self.kb}/documents",
            files=[("files", (name, text.encode()))],
            data={"draft": "true"} if draft else {},
        )
        assert reply.status_code == 202, reply.text
        found: dict[str, Any] = self.api.settled(self.kb)[name]
        assert found["state"] == "ready", found
        return found

    def say(self, document: dict[str, Any], **what: Any) -> dict[str, Any]:
        """Change what is said of a document."""
        reply = self.http.patch(f"/api/documents/{document['id']}", json=what)
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def answer(self, question: str = QUESTION, **more: Any) -> str:
        """What a customer is told; "" for a refusal."""
        body = {"question": question, "kb": self.kb, "engine": "extractive", "stream": False, **more}
        reply = self.http.post("/api/chat", json=body)
        assert reply.status_code == 200, reply.text
        found = reply.json()
        return str(found["answer"]) if found["outcome"] == "answered" else ""

    def found(self, question: str = QUESTION, **more: Any) -> list[str]:
        """Documents that retrieval finds, by both legs together."""
        reply = self.http.post("/api/retrieve", json={"question": question, "kb": self.kb, **more})
        assert reply.status_code == 200, reply.text
        return [hit["document"] for hit in reply.json()["fused"]]

    def get(self, path: str, **params: Any) -> dict[str, Any]:
        reply = self.http.get(path, params=params)
        assert reply.status_code == 200, reply.text
        found: dict[str, Any] = reply.json()
        return found

    def chunks(self, document: dict[str, Any], **params: Any) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/api/documents/{document['id']}/chunks", **params)["chunks"]
        return found

    def edits(self, document: dict[str, Any]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.get(f"/api/documents/{document['id']}/edits")["edits"]
        return found

    def agrees(self) -> None:
        """Catalog and index hold the same."""
        verified = self.http.post(f"/api/knowledge-bases/{self.kb}/verify").json()
        assert (verified["lost"], verified["orphans_removed"]) == ([], 0)


@pytest.fixture
def desk(api: Server, http: httpx.Client, request: pytest.FixtureRequest) -> Iterator[Desk]:
    name = request.node.name[:60].replace("[", "-").replace("]", "")
    assert http.post("/api/knowledge-bases", json={"name": name}).status_code == 201
    yield Desk(api, http, name)
    assert http.delete(f"/api/knowledge-bases/{name}").status_code == 204


def problem(reply: httpx.Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["message"]


# Versions


def test_update_delete_and_upload_again(desk: Desk) -> None:
    document = desk.put("fees.txt", FEE)
    assert "65" in desk.answer()
    desk.put("fees.txt", NEW_FEE)
    assert "80" in desk.answer()
    assert "65" not in desk.answer()
    takes = desk.get(f"/api/documents/{document['id']}/deletion")
    assert [(each["document"], each["passages"], each["versions"]) for each in takes["documents"]] == [
        ("fees.txt", 1, 2)
    ]
    assert (takes["passages"], takes["documents"][0]["bytes"]) == (1, len(NEW_FEE))
    assert takes["documents"][0]["embedders"] == []
    assert desk.http.delete(f"/api/documents/{document['id']}").status_code == 204
    assert desk.answer() == ""
    assert desk.put("fees.txt", NEW_FEE)["id"] != document["id"]
    assert "80" in desk.answer()
    desk.agrees()


def test_a_b_a(desk: Desk) -> None:
    for text, cost in ((FEE, "65"), (NEW_FEE, "80"), (FEE, "65")):
        desk.put("fees.txt", text)
        assert cost in desk.answer()
        assert len(desk.found()) == 1
    desk.agrees()


def test_disable_and_enable(desk: Desk) -> None:
    document = desk.put("fees.txt", FEE)
    assert (document["enabled"], document["visible"]) == (True, True)
    said = desk.say(document, enabled=False)
    assert (said["enabled"], said["visible"], said["live"], said["state"]) == (False, False, True, "ready")
    assert (desk.answer(), desk.found()) == ("", [])
    # A new version of a disabled document stays out of sight.
    desk.put("fees.txt", NEW_FEE)
    assert (desk.answer(), desk.found()) == ("", [])
    assert desk.chunks(document)[0]["text"] == NEW_FEE
    desk.say(document, enabled=True)
    assert "80" in desk.answer()
    desk.agrees()


def test_valid_until_passes_by_the_clock(desk: Desk) -> None:
    document = desk.put("fees.txt", FEE)
    end = datetime.now(UTC) + timedelta(seconds=6)
    said = desk.say(document, valid_until=end.isoformat())
    assert datetime.fromisoformat(said["valid_until"]) == end
    assert "65" in desk.answer()
    time.sleep(max(0.0, (end - datetime.now(UTC)).total_seconds()) + 0.1)
    assert (desk.answer(), desk.found()) == ("", [])
    assert desk.get(f"/api/documents/{document['id']}")["visible"] is False
    desk.say(document, valid_until=None)
    assert "65" in desk.answer()


def test_valid_from_comes_by_the_clock(desk: Desk) -> None:
    document = desk.put("fees.txt", FEE)
    begin = datetime.now(UTC) + timedelta(seconds=5)
    # Another zone: it is the moment that counts.
    zone = begin.astimezone(datetime.strptime("+0800", "%z").tzinfo)
    said = desk.say(document, valid_from=zone.isoformat())
    assert said["valid_from"] == begin.isoformat()
    assert desk.answer() == ""
    time.sleep(max(0.0, (begin - datetime.now(UTC)).total_seconds()) + 0.1)
    assert "65" in desk.answer()


def test_a_time_that_never_is_and_other_mistakes(desk: Desk) -> None:
    document = desk.put("fees.txt", FEE)
    url = f"/api/documents/{document['id']}"
    at = "2026-01-01T00:00:00Z"
    status, message = problem(desk.http.patch(url, json={"valid_from": at, "valid_until": at}))
    assert (status, "never be shown" in message) == (400, True)
    desk.say(document, valid_until="2026-01-01T00:00:00")
    assert problem(desk.http.patch(url, json={"valid_from": at}))[0] == 400
    for wrong in (
        {"tags": ["x" * 51]}, {"tags": [' "quoted" ']}, {"tags": [" "]}, {"source": "x" * 2001}, {"enabled": None},
        {"valid_from": "0001-01-01T00:00:00+14:00"}, {"valid_from": "yesterday"}, {"colour": "red"},
    ):  # fmt: skip
        assert desk.http.patch(url, json=wrong).status_code in (400, 422), wrong
    kept = desk.get(url)
    assert (kept["valid_from"], kept["valid_until"], kept["tags"]) == (None, "2026-01-01T00:00:00+00:00", [])


# Drafts


def test_a_draft_is_seen_by_staff_only_until_it_is_published(desk: Desk) -> None:
    document = desk.put("fees.txt", FEE)
    drafted = desk.put("fees.txt", NEW_FEE, draft=True)
    assert (drafted["live"], drafted["draft"]) == (True, drafted["version"])
    assert ("65" in desk.answer(), "80" in desk.answer()) == (True, False)
    assert [chunk["text"] for chunk in desk.chunks(document)] == [FEE]
    assert [chunk["text"] for chunk in desk.chunks(document, version=drafted["draft"])] == [NEW_FEE]
    versions = desk.get(f"/api/documents/{document['id']}")["versions"]
    assert [(v["live"], v["draft"]) for v in versions] == [(True, False), (False, True)]
    again = desk.put("fees.txt", NEW_FEE, draft=True)
    assert (again["draft"], again["generation"]) == (drafted["draft"], drafted["generation"])
    published = desk.http.post(f"/api/documents/{document['id']}/publish").json()
    assert (published["draft"], published["live"], published["version"]) == (None, True, drafted["version"])
    assert ("65" in desk.answer(), "80" in desk.answer()) == (False, True)
    assert problem(desk.http.post(f"/api/documents/{document['id']}/publish"))[0] == 404
    desk.agrees()


def test_a_draft_is_discarded(desk: Desk) -> None:
    document = desk.put("fees.txt", FEE)
    desk.put("fees.txt", NEW_FEE, draft=True)
    assert desk.http.delete(f"/api/documents/{document['id']}/draft").status_code == 204
    now = desk.get(f"/api/documents/{document['id']}")
    assert (now["draft"], now["state"], now["version"]) == (None, "ready", document["version"])
    assert "65" in desk.answer()
    assert problem(desk.http.delete(f"/api/documents/{document['id']}/draft"))[0] == 404
    first = desk.put("new.txt", RETURNS, draft=True)
    assert (first["live"], desk.answer("How many days to return a washing machine?")) == (False, "")
    assert desk.http.delete(f"/api/documents/{first['id']}/draft").status_code == 204
    assert sorted(desk.api.documents(desk.kb)) == ["fees.txt"]
    # The same bytes once more are a new draft, and may go live.
    again = desk.put("new.txt", RETURNS, draft=True)
    desk.http.post(f"/api/documents/{again['id']}/publish").raise_for_status()
    assert "21 days" in desk.answer("How many days to return a washing machine?")
    desk.agrees()


def test_what_is_uploaded_later_wins_over_a_draft(desk: Desk) -> None:
    document = desk.put("fees.txt", FEE)
    desk.put("fees.txt", NEW_FEE, draft=True)
    desk.put("fees.txt", "A call-out to your home costs 95 pounds.")
    assert "95" in desk.answer()
    assert desk.http.post(f"/api/documents/{document['id']}/publish").status_code == 404
    desk.agrees()


# Tags and sources


def test_tags_and_sources_filter_lists_and_questions(desk: Desk) -> None:
    home = desk.put("fees-home.txt", FEE)
    desk.put("fees-shop.txt", "A call-out to your shop costs 120 pounds, to your home 70 pounds.")
    said = desk.say(home, tags=["private", " home  use ", "private"], source="https://example.com/fees/home.html")
    assert (said["tags"], said["source"]) == (["home use", "private"], "https://example.com/fees/home.html")
    assert sorted(desk.found()) == ["fees-home.txt", "fees-shop.txt"]
    for filters in (
        {"tags": ["private"]}, {"tags": ["nothing", "home use"]}, {"source": "https://example.com/"},
        {"tags": ["private"], "source": "https://example.com/fees/home.html"},
    ):  # fmt: skip
        assert desk.found(filters=filters) == ["fees-home.txt"]
        assert "65" in desk.answer(filters=filters)
    for nobody in ({"tags": ["Private"]}, {"source": "http://"}, {"tags": ["private"], "source": "s3://"}):
        assert desk.found(filters=nobody) == []
        assert desk.answer(filters=nobody) == ""
    listing = f"/api/knowledge-bases/{desk.kb}/documents"
    assert [d["document"] for d in desk.get(listing, tag=["x", "private"])["documents"]] == ["fees-home.txt"]
    assert desk.get(listing, tag="privat")["total"] == 0
    assert desk.get(listing, source="https://example.com/f")["total"] == 1
    body = {"model": desk.kb, "messages": [{"role": "user", "content": QUESTION}], "filters": {"tags": ["nothing"]}}
    completed = desk.http.post("/v1/chat/completions", json={**body, "model": f"{desk.kb}@extractive"}).json()
    assert completed["frontdesk"]["outcome"] == "refused"
    body["filters"] = {"tags": ["private"]}
    completed = desk.http.post("/v1/chat/completions", json={**body, "model": f"{desk.kb}@extractive"}).json()
    assert [c["document"] for c in completed["choices"][0]["message"]["citations"]] == ["fees-home.txt"]
    desk.say(home, tags=[])
    assert desk.found(filters={"tags": ["private"]}) == []


# Edits


def test_a_persons_wording_is_applied_at_once_survives_and_is_undone(desk: Desk) -> None:
    text = f"# Fees\n\n{FEE}\n\n# Returns\n\n{RETURNS}\n"
    document = desk.put("terms.md", text)
    passage = next(chunk for chunk in desk.chunks(document) if "65" in chunk["text"])
    url = f"/api/documents/{document['id']}"
    wording = "A call-out to your home costs 77 pounds, paid to the engineer."
    changed = desk.http.put(f"{url}/chunks/{passage['id']}", json={"text": wording, "by": "Ada"}).json()
    assert (changed["chunk"]["text"], changed["chunk"]["edited"], changed["chunk"]["original"]) == (wording, True, FEE)
    assert (changed["edit"]["state"], changed["edit"]["edited_by"]) == ("applied", "Ada")
    assert "77" in desk.answer()
    # Both legs know the new words.
    legs = desk.http.post("/api/retrieve", json={"question": "paid to the engineer", "kb": desk.kb}).json()["legs"]
    assert all(leg[0]["chunk_id"] == passage["id"] for leg in (legs["sparse"], legs["dense"]))

    # Another version that has the same text.
    desk.put("terms.md", text + "\n# Shops\n\nThe shop in Leeds opens at 9:00.\n")
    assert "77" in desk.answer()
    kept = next(chunk for chunk in desk.chunks(document) if chunk["edited"])
    assert (kept["text"], kept["original"], kept["text_hash"]) == (wording, FEE, passage["text_hash"])
    (edit,) = desk.edits(document)
    assert (edit["state"], edit["chunk_id"], edit["suggestions"]) == ("applied", kept["id"], [])
    desk.agrees()

    assert desk.http.delete(f"{url}/edits/{edit['id']}").status_code == 204
    assert ("65" in desk.answer(), "77" in desk.answer()) == (True, False)
    back = next(chunk for chunk in desk.chunks(document) if "65" in chunk["text"])
    assert (back["edited"], back["original"], back["text_hash"]) == (False, None, passage["text_hash"])
    assert desk.edits(document) == []
    assert desk.http.delete(f"{url}/edits/{edit['id']}").status_code == 404


def test_an_edit_is_offered_again_where_its_text_moved(desk: Desk) -> None:
    document = desk.put("terms.md", f"# Fees\n\n{FEE}\n\n# Returns\n\n{RETURNS}\n")
    passage = next(chunk for chunk in desk.chunks(document) if "65" in chunk["text"])
    url = f"/api/documents/{document['id']}"
    wording = "A call-out to your home costs 77 pounds."
    desk.http.put(f"{url}/chunks/{passage['text_hash']}", json={"text": wording}).raise_for_status()
    assert "77" in desk.answer()
    desk.put("terms.md", f"# Fees\n\nA call-out to your home costs 80 pounds since May.\n\n# Returns\n\n{RETURNS}\n")
    assert "80" in desk.answer()
    (edit,) = desk.edits(document)
    assert (edit["state"], edit["chunk_id"], edit["text"], edit["original"]) == ("moved", None, wording, FEE)
    best = edit["suggestions"][0]
    assert "80 pounds since May" in best["chunk"]["text"]
    assert 0.5 < best["likeness"] < 1
    applied = desk.http.post(f"{url}/edits/{edit['id']}/apply", json={"text_hash": best["chunk"]["text_hash"]}).json()
    assert (applied["edit"]["state"], applied["chunk"]["text"]) == ("applied", wording)
    assert "77" in desk.answer()
    assert "80 pounds since May" in desk.edits(document)[0]["original"]
    # The first text comes back: the wording belongs to the other passage now.
    desk.put("terms.md", f"# Fees\n\n{FEE}\n")
    assert "65" in desk.answer()
    assert desk.edits(document)[0]["state"] == "moved"
    desk.agrees()


def test_wordings_that_cannot_be_kept(desk: Desk) -> None:
    document = desk.put("fees.txt", FEE)
    (passage,) = desk.chunks(document)
    url = f"/api/documents/{document['id']}/chunks/{passage['id']}"
    status, message = problem(desk.http.put(url, json={"text": "pounds and pence " * 300}))
    assert (status, "shorten it" in message) == (400, True)
    assert problem(desk.http.put(url, json={"text": FEE}))[0] == 400
    assert problem(desk.http.put(url, json={"text": " "}))[0] == 400
    nowhere = f"/api/documents/{document['id']}/chunks/{'0' * 32}"
    assert problem(desk.http.put(nowhere, json={"text": "x"}))[0] == 404
    assert desk.chunks(document)[0]["edited"] is False


def test_a_draft_takes_over_and_keeps_wordings(desk: Desk) -> None:
    document = desk.put("terms.md", f"# Fees\n\n{FEE}\n")
    drafted = desk.put("terms.md", f"# Fees\n\n{FEE}\n\n# Returns\n\n{RETURNS}\n", draft=True)
    passage = next(c for c in desk.chunks(document, version=drafted["draft"]) if "65" in c["text"])
    url = f"/api/documents/{document['id']}"
    desk.http.put(f"{url}/chunks/{passage['id']}", json={"text": "Call-outs to your home cost 77 pounds."})
    # The same text stands in both versions, and so does the wording.
    assert "77" in desk.answer()
    desk.http.post(f"{url}/publish").raise_for_status()
    assert "77" in desk.answer()
    desk.agrees()


def test_passages_are_searched(desk: Desk) -> None:
    document = desk.put("terms.md", f"# Fees\n\n{FEE}\n\n# Returns\n\n{RETURNS}\n")
    desk.put("政策.txt", "签收后七天内可以无理由退货。联系邮箱 anna.schmidt@example.org。")
    desk.say(document, enabled=False)
    url = f"/api/knowledge-bases/{desk.kb}/chunks"
    found = desk.get(url, search="POUNDS call-out")
    assert [(c["document"], c["document_id"], c["text"]) for c in found["chunks"]] == [
        ("terms.md", document["id"], FEE)
    ]
    assert [c["document"] for c in desk.get(url, search="七天 退货")["chunks"]] == ["政策.txt"]
    assert desk.get(url, search="nothing of the kind")["total"] == 0
    everything = desk.get(url)
    assert everything["total"] == 3
    paged = [desk.get(url, limit=1, offset=i)["chunks"][0]["id"] for i in range(3)]
    assert paged == [c["id"] for c in everything["chunks"]]
    assert desk.get(url, document="terms.md")["total"] == 2
    for flag, count in everything["flags"].items():
        flagged = desk.get(url, flag=flag)
        assert flagged["total"] == count
        assert all(flag in c["flags"] for c in flagged["chunks"])
