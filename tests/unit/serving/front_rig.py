"""A model server behind a front, in memory."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx

from serving.front import Upstream

KEY = "the-front's-own-key"
UPSTREAM = Upstream("http://127.0.0.1:9", "vllm's-key", ("support",))
ASKED = {"model": "support", "messages": [{"role": "user", "content": "When?"}]}
ANSWER = {"choices": [{"message": {"content": "At nine."}}]}


class Pieces(httpx.AsyncByteStream):
    """A streamed reply, that says when it was closed."""

    def __init__(self, fails: bool = False) -> None:
        self.closed, self._fails = False, fails

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b"data: one\n\n"
        if self._fails:
            raise httpx.ReadError("gone")
        yield b"data: [DONE]\n\n"

    async def aclose(self) -> None:
        self.closed = True


class Server:
    """What stands behind: keeps what it was asked."""

    def __init__(self) -> None:
        self.seen: list[httpx.Request] = []
        self.pieces = Pieces()
        self.status = 200
        self.away = False

    async def handle(self, request: httpx.Request) -> httpx.Response:
        if self.away:
            raise httpx.ConnectError("refused")
        self.seen.append(request)
        if request.url.path == "/metrics":
            return httpx.Response(self.status, text='vllm:num_requests_running{engine="0"} 1.0\n')
        if request.url.path == "/health":
            return httpx.Response(self.status)
        if json.loads(request.content).get("stream"):
            return httpx.Response(200, stream=self.pieces, headers={"content-type": "text/event-stream"})
        return httpx.Response(self.status, json=ANSWER if self.status == 200 else {"error": "a path of the machine"})

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.seen[-1].content)
        return body
