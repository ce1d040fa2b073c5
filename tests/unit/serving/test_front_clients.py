"""Clients of the front that go away, do not read, or do not finish: by ASGI itself, for an HTTP client reads every reply to its end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from serving.front import Front, Limits
from tests.unit.serving.front_rig import ASKED, KEY, UPSTREAM, Server


@pytest.fixture
def server() -> Server:
    return Server()


def test_whoever_goes_away_is_counted(server: Server) -> None:
    gone, front = asyncio.Event(), Front(UPSTREAM, KEY, None, b"salt", httpx.MockTransport(server.handle))

    class Endless(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"data: one\n\n"
            await asyncio.Event().wait()

    server.pieces = Endless()  # type: ignore[assignment]  # another stream of pieces
    body = [question(stream=True)]

    async def receive() -> dict[str, Any]:
        if body:
            return body.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message.get("body"):
            gone.set()

    said = asyncio.run(served(front, receive, send))
    assert "frontdesk_front_gone_total 1.0" in said
    assert "frontdesk_front_answering 0.0" in said


def question(**changes: Any) -> dict[str, Any]:
    return {"type": "http.request", "body": json.dumps(ASKED | changes).encode(), "more_body": False}


async def served(front: Front, receive: Any, send: Any) -> str:
    """One request for an answer by ASGI itself; the figures after it."""
    app = front.app()
    headers = [(b"authorization", f"Bearer {KEY}".encode())]
    scope = {
        "type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers, "query_string": b"",
        "http_version": "1.1", "scheme": "http", "root_path": "", "server": ("front", 80), "client": ("a", 1),
    }  # fmt: skip
    async with app.router.lifespan_context(app):
        await asyncio.wait_for(app(scope, receive, send), 5)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://front") as http:
            return (await http.get("/metrics", headers={"authorization": f"Bearer {KEY}"})).text


def waiting(*messages: dict[str, Any]) -> Any:
    """A client that says this, and then stays and says nothing."""
    left = list(messages)

    async def receive() -> dict[str, Any]:
        if not left:
            await asyncio.Event().wait()
        return left.pop(0)

    return receive


def test_a_reader_that_stays_and_does_not_read_loses_its_place(server: Server) -> None:
    front = Front(UPSTREAM, KEY, Limits(answer_s=0.2), b"salt", httpx.MockTransport(server.handle))

    async def send(message: Any) -> None:
        if message.get("body"):
            await asyncio.Event().wait()

    said = asyncio.run(served(front, waiting(question(stream=True)), send))
    assert "frontdesk_front_answering 0.0" in said
    assert server.pieces.closed


@pytest.mark.parametrize("stream", [True, False])
def test_an_answer_that_does_not_come_is_given_up_in_time(stream: bool) -> None:
    async def never(_request: httpx.Request) -> httpx.Response:
        if _request.url.path == "/metrics":
            return httpx.Response(200)
        await asyncio.Event().wait()
        raise AssertionError

    statuses = []

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    front = Front(UPSTREAM, KEY, Limits(answer_s=0.2), b"salt", httpx.MockTransport(never))
    said = asyncio.run(served(front, waiting(question(stream=stream)), send))
    assert statuses[0] == 504
    assert 'frontdesk_front_failed_total{reason="timeout"} 1.0' in said
    assert "frontdesk_front_answering 0.0" in said


def test_a_request_that_does_not_end_is_given_up_in_time(server: Server) -> None:
    statuses = []

    async def send(message: Any) -> None:
        statuses.append(message.get("status"))

    front = Front(UPSTREAM, KEY, Limits(body_s=0.2), b"salt", httpx.MockTransport(server.handle))
    begun = {"type": "http.request", "body": b'{"model"', "more_body": True}
    asyncio.run(served(front, waiting(begun), send))
    assert statuses[0] == 408
