"""The customers' page over a scripted API: answers, failures and returns that a healthy server seldom shows."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from streamlit.testing.v1 import AppTest

from ui import frame
from ui.client import Client

PAGE = Path(__file__).parents[3] / "ui" / "customer.py"
CITATION = {
    "n": 1, "document": "en/prices.xlsx", "title": "", "version": "v", "page": None, "sheet": "Parts", "heading": "Parts",
    "text": "| Part | Price |\n|---|---|\n| Pump | 64.50 |",
}  # fmt: skip
SYSTEM: dict[str, Any] = {
    "version": "1", "status": "ready", "components": [], "default_kb": "default", "embedding_model": "m",
    "limits": {"question_chars": 321, "upload_bytes": 1, "files_per_upload": 1}, "vector_engine": "edge",
    "ingestion": {"queued": 0, "running": []},
}  # fmt: skip
CONVERSATION: dict[str, Any] = {
    "id": "c1", "kb": "default", "title": "How much?", "status": "open", "contact": "", "note": "", "messages_count": 2,
    "created_at": "2026-11-21T07:00:00+00:00", "updated_at": "2026-11-21T07:00:00+00:00",
}  # fmt: skip
Reply = Callable[[httpx.Request], httpx.Response]


def answer(text: str = "It costs 64.50 [1].", **changed: Any) -> dict[str, Any]:
    values = {
        "answer": text, "outcome": "answered", "citations": [CITATION], "release": None, "engine": "extractive",
        "fallen": [], "timings_ms": {}, "language": "en", "standalone_question": "q", "verdict": "", "withheld": [],
        "conversation_id": "c1", "message_id": 2,
    }  # fmt: skip
    return values | changed


def stream(*sent: tuple[str, object]) -> httpx.Response:
    begun = ("sources", {"conversation_id": "c1", "message_id": 2, "sources": []})
    lines = [f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in (begun, *sent)]
    return httpx.Response(200, text="".join(lines), headers={"content-type": "text/event-stream"})


def refused(status: int, kind: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"message": "SQL of <b>ours</b>", "type": kind, "request_id": "r"}})


def message(number: int, role: str, text: str, state: str = "complete") -> dict[str, Any]:
    return {
        "id": number, "role": role, "text": text, "state": state, "outcome": None, "citations": [], "engine": None,
        "created_at": "2026-11-21T07:00:00+00:00",
    }  # fmt: skip


class Api:
    """An API of replies in turn by path, and what it was asked; the last reply of a path is given again."""

    def __init__(self) -> None:
        self.replies: dict[str, list[httpx.Response | httpx.TransportError]] = {
            "/api/system": [httpx.Response(200, json=SYSTEM)]
        }
        self.requests: list[httpx.Request] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        replies = self.replies[request.url.path]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if isinstance(reply, httpx.TransportError):
            raise reply
        return reply

    def bodies(self, path: str = "/api/chat") -> list[dict[str, Any]]:
        return [json.loads(request.content) for request in self.requests if request.url.path == path]


@pytest.fixture
def api(monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    made = Api()
    # Built as the page builds it, but for the transport.
    monkeypatch.setattr(frame, "Client", lambda url, key: Client(url, key, transport=httpx.MockTransport(made)))
    frame.client.clear()
    frame.settings.clear()
    yield made
    frame.client.clear()
    frame.settings.clear()


def opened(**address: str) -> AppTest:
    page = AppTest.from_file(str(PAGE), default_timeout=30)
    for name, value in address.items():
        page.query_params[name] = value
    return page.run()


def asked(page: AppTest, question: str = "How much?") -> AppTest:
    page.chat_input[0].set_value(question).run()
    assert not page.exception
    return page


def button(page: AppTest, label: str) -> Any:
    return next(each for each in reversed(page.button) if each.label == label)


def words(page: AppTest) -> str:
    kinds = ("title", "markdown", "error", "warning", "info", "success")
    return "\n".join(element.value for kind in kinds for element in page.get(kind))


def test_an_answer_with_its_source(api: Api) -> None:
    api.replies["/api/chat"] = [
        stream(
            ("sources", {"conversation_id": "c1", "message_id": 2, "sources": [CITATION]}),
            ("sentence", {"text": "It costs 64.50 [1]."}),
            ("done", answer()),
        )
    ]
    page = opened()
    assert page.title[0].value == "How can we help?"
    assert page.chat_input[0].proto.max_chars == 321
    asked(page)
    assert "It costs 64.50:small[:primary-badge[1]]." in words(page)
    (source,) = page.expander
    assert "prices.xlsx" in source.label
    assert "sheet Parts" in source.label
    assert "|Pump|64.50|" in source.markdown[0].value
    assert page.query_params["c"] in ("c1", ["c1"])
    assert api.bodies()[0]["kb"] == "default"
    assert "conversation_id" not in api.bodies()[0]
    asked(page, "And now?")
    assert api.bodies()[1]["conversation_id"] == "c1"


def test_a_retracted_beginning_is_forgotten(api: Api) -> None:
    api.replies["/api/chat"] = [
        stream(
            ("sentence", {"text": "Nonsense."}),
            ("retracted", {"engine": "endpoint", "reason": "broke", "detail": ""}),
            ("error", {"error": {"message": "too late", "type": "timeout"}}),
        )
    ]
    page = asked(opened())
    assert "Nonsense" not in words(page)
    assert page.warning[0].value.startswith("This takes too long")


def test_a_refusal_offers_a_person_and_an_answer_does_not(api: Api) -> None:
    api.replies["/api/chat"] = [
        stream(("done", answer())),
        stream(("done", answer("I could not find this.", outcome="refused", citations=[]))),
    ]
    page = asked(opened())
    people = [each.key for each in page.button if each.label == "Talk to a person"]
    assert people == ["person"]
    asked(page)
    people = [each.key for each in page.button if each.label == "Talk to a person"]
    assert people == ["person", "person-3"]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (httpx.ConnectError("refused"), "cannot be reached"),
        (refused(503, "unavailable"), "cannot be reached"),
        (refused(429, "rate_limited"), "takes too long"),
        (refused(401, "unauthorized"), "not set up yet"),
        (refused(500, "internal"), "went wrong on our side"),
        (stream(("sentence", {"text": "Half"})), "cannot be reached"),
    ],
    ids=["away", "unavailable", "busy", "no key", "failed", "broke off"],
)
def test_failures_are_told_in_words_and_asked_again(
    api: Api, reply: httpx.Response | httpx.TransportError, said: str
) -> None:
    api.replies["/api/chat"] = [reply, stream(("done", answer()))]
    page = asked(opened())
    assert said in page.warning[0].value
    assert "SQL" not in words(page)
    button(page, "Ask again").click().run()
    assert "It costs 64.50" in words(page)
    assert not page.warning
    assert [body["question"] for body in api.bodies()] == ["How much?", "How much?"]


def test_a_conversation_is_found_again_and_its_interrupted_answer_told(api: Api) -> None:
    messages = [message(1, "user", "How much?"), message(2, "assistant", "", "interrupted")]
    api.replies["/api/conversations/c1"] = [httpx.Response(200, json={**CONVERSATION, "messages": messages})]
    api.replies["/api/chat"] = [stream(("done", answer()))]
    page = opened(c="c1")
    assert page.warning[0].value == "This answer broke off."
    button(page, "Ask again").click().run()
    assert "It costs 64.50" in words(page)
    assert api.bodies()[0] | {"conversation_id": "c1", "question": "How much?"} == api.bodies()[0]


def test_a_conversation_that_waits_says_so_in_the_customers_language(api: Api) -> None:
    found = {**CONVERSATION, "status": "waiting", "contact": "138 0000", "messages": [message(1, "user", "?")]}
    api.replies["/api/conversations/c1"] = [httpx.Response(200, json=found)]
    page = opened(c="c1", lang="zh")
    assert page.success[0].value == "客服人员会通过 138 0000 与您联系。"


def test_a_conversation_that_cannot_be_read_is_tried_again(api: Api) -> None:
    found = {**CONVERSATION, "messages": [message(1, "user", "How much?")]}
    api.replies["/api/conversations/c1"] = [httpx.ConnectError("refused"), httpx.Response(200, json=found)]
    page = opened(c="c1")
    assert "cannot be reached" in page.error[0].value
    button(page, "Try again").click().run()
    assert not page.error
    assert "How much?" in words(page)


def test_a_conversation_deleted_while_open_goes_on_as_a_new_one(api: Api) -> None:
    api.replies["/api/chat"] = [
        stream(("done", answer())),
        refused(404, "not_found"),
        stream(("done", answer("Again 64.50 [1].", conversation_id="c2"))),
    ]
    page = asked(opened())
    asked(page, "And now?")
    assert "Again 64.50" in words(page)
    assert [body.get("conversation_id") for body in api.bodies()] == [None, "c1", None]


def test_a_new_conversation_begins_empty(api: Api) -> None:
    api.replies["/api/chat"] = [stream(("done", answer()))]
    page = asked(opened())
    button(page, "New conversation").click().run()
    assert page.title[0].value == "How can we help?"
    assert "c" not in page.query_params


def test_the_key_of_the_environment_is_sent_and_never_shown(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTDESK_API_KEY", "key-of-the-page")
    api.replies["/api/chat"] = [stream(("done", answer()))]
    page = asked(opened())
    assert {request.headers["authorization"] for request in api.requests} == {"Bearer key-of-the-page"}
    assert "key-of-the-page" not in words(page)
