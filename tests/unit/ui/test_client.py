"""The client against a transport in memory: what it sends, what it makes of replies, errors and broken streams."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from ui.client import ApiAway, ApiError, Client
from ui.wire import Done, Retracted, Sentence, Sources

CITATION = {
    "n": 1, "document": "a.md", "title": "A", "version": "v", "page": 2, "sheet": None, "heading": "H", "text": "T",
}  # fmt: skip
ANSWER: dict[str, Any] = {
    "answer": "Ten years [1].", "outcome": "answered", "citations": [CITATION], "release": None, "engine": "extractive",
    "fallen": [{"engine": "packaged", "reason": "busy", "detail": "d"}], "timings_ms": {"total": 1.0}, "language": "en",
    "standalone_question": "q", "verdict": "v", "withheld": [], "conversation_id": "c1", "message_id": 2, "new_field": 1,
}  # fmt: skip
DOCUMENT: dict[str, Any] = {
    "id": "d1", "document": "a.md", "title": "A", "state": "ready", "reason": "", "warnings": [], "live": True, "format": "md",
    "pages": None, "chunks": 3, "bytes": 10, "version": "v", "generation": 1, "updated_at": "2026-01-01T00:00:00+00:00",
    "progress": {"stage": "embedding", "done": 1, "total": 3},
}  # fmt: skip


def client(handle: Callable[[httpx.Request], httpx.Response]) -> Client:
    return Client("http://desk", "secret-key", transport=httpx.MockTransport(handle))


def events(*sent: tuple[str, object]) -> httpx.Response:
    lines = [f"event: {name}\ndata: {json.dumps(data)}\n\n" for name, data in sent]
    return httpx.Response(200, text=": keep-alive\n\n" + "".join(lines), headers={"content-type": "text/event-stream"})


def test_a_streamed_answer() -> None:
    asked: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(request)
        return events(
            ("sources", {"conversation_id": "c1", "message_id": 2, "sources": [CITATION]}),
            ("sentence", {"text": "Ten"}),
            ("retracted", {"engine": "endpoint", "reason": "broke", "detail": "d"}),
            ("something newer", {}),
            ("sentence", {"text": "Ten years [1]."}),
            ("done", ANSWER),
        )

    seen = list(client(reply).chat("How long?", kb="k", conversation_id="c1"))
    assert [type(event) for event in seen] == [Sources, Sentence, Retracted, Sentence, Done]
    assert isinstance(seen[0], Sources)
    assert (seen[0].sources[0].document, seen[0].sources[0].page) == ("a.md", 2)
    assert isinstance(seen[-1], Done)
    assert (seen[-1].answer.answer, seen[-1].answer.fallen[0].reason) == ("Ten years [1].", "busy")
    assert asked[0].headers["Authorization"] == "Bearer secret-key"
    assert json.loads(asked[0].content)["conversation_id"] == "c1"


@pytest.mark.parametrize(
    ("reply", "kind", "type_"),
    [
        (events(("sentence", {"text": "Ten"})), ApiAway, "unavailable"),
        (events(("error", {"error": {"message": "too late", "type": "timeout"}})), ApiError, "timeout"),
        (httpx.Response(200, text="<html>", headers={"content-type": "text/html"}), ApiAway, "unavailable"),
        (httpx.Response(404, json={"error": {"message": "no such", "type": "not_found"}}), ApiError, "not_found"),
        (events(("error", {"error": "odd"})), ApiError, "internal"),
        (events(("sentence", ["odd"])), ApiError, "internal"),
    ],
    ids=["breaks off", "error event", "not a stream", "refused", "odd error event", "odd sentence"],
)
def test_a_stream_that_does_not_end_well(reply: httpx.Response, kind: type[ApiError], type_: str) -> None:
    with pytest.raises(kind) as caught:
        list(client(lambda _: reply).chat("How long?"))
    assert caught.value.type == type_


def test_closing_the_generator_closes_the_connection() -> None:
    closed: list[bool] = []

    class Body(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            while True:
                yield b'event: sentence\ndata: {"text": "More."}\n\n'

        def close(self) -> None:
            closed.append(True)

    stream = client(lambda _: httpx.Response(200, stream=Body(), headers={"content-type": "text/event-stream"})).chat(
        "?"
    )
    assert next(stream) == Sentence("More.")
    stream.close()
    assert closed == [True]


@pytest.mark.parametrize(
    ("reply", "status", "type_", "said"),
    [
        (httpx.Response(409, json={"error": {"message": "taken", "type": "conflict", "request_id": "r1"}}), 409, "conflict", "taken"),
        (httpx.Response(502, text="<html>bad gateway"), 502, "internal", "HTTP 502"),
        (httpx.Response(500, json=["odd"]), 500, "internal", "HTTP 500"),
        (httpx.Response(200, text="hello"), 200, "internal", "frontdesk's address"),
        (httpx.Response(200, json=[1]), 200, "internal", "frontdesk's address"),
        (httpx.Response(200), 200, "internal", "frontdesk's address"),
        (httpx.Response(502, json={"error": "bad gateway"}), 502, "internal", "HTTP 502"),
        (httpx.Response(502, json={"error": None}), 502, "internal", "HTTP 502"),
    ],
)  # fmt: skip
def test_errors_are_typed_and_readable(reply: httpx.Response, status: int, type_: str, said: str) -> None:
    with pytest.raises(ApiError, match=said) as caught:
        client(lambda _: reply).create_knowledge_base("x")
    assert (caught.value.status, caught.value.type) == (status, type_)


def test_no_server_is_away() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(ApiAway, match="try again"):
        client(refuse).system()


def test_an_upload_carries_names_and_a_key_of_its_own() -> None:
    sent: list[httpx.Request] = []

    def reply(request: httpx.Request) -> httpx.Response:
        request.read()
        sent.append(request)
        return httpx.Response(202, json={"kb": "k", "documents": [{**DOCUMENT, "unchanged": True}]})

    desk = client(reply)
    for _ in range(2):
        (document,) = desk.upload("a b/c", [("政策/a.md", io.BytesIO(b"hello"))])
    assert document.unchanged
    assert document.progress is not None
    assert (document.progress.stage, document.finished) == ("embedding", True)
    assert sent[0].url.raw_path == b"/api/knowledge-bases/a%20b%2Fc/documents"
    assert "政策/a.md".encode() in sent[0].content
    keys = [request.headers["Idempotency-Key"] for request in sent]
    assert keys[0] != keys[1]


def test_lists_are_read_into_their_kinds() -> None:
    page = client(lambda _: httpx.Response(200, json={"kb": "k", "documents": [DOCUMENT], "total": 9})).documents("k")
    assert (page.total, page.documents[0].chunks, page.documents[0].pages) == (9, 3, None)


def test_an_address_that_is_none_is_said_to_be() -> None:
    with pytest.raises(ApiError, match="http://HOST:PORT"):
        Client("127.0.0.1:8000")
