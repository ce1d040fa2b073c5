"""Loaded into vLLM by `--middleware`: every route wants the key, not only those that vLLM itself guards.

vLLM's key is for ``/v1`` and a few others; ``/invocations``, ``/tokenize``, ``/pause`` and, once adapters may be loaded, ``/adapters``
answer whoever reaches its port, and that is every process of the machine. It runs in vLLM's environment: standard library only.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

# Says whether it is well, and nothing else.
_OPEN = "/health"
_REFUSED = b'{"error": {"message": "the key is missing or wrong", "type": "unauthorized", "code": 401}}'
Messages = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[MutableMapping[str, Any], Messages, Send], Awaitable[None]]


class KeyOnEveryRoute:
    """Plain ASGI: a stream's pieces go through it untouched."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._key = os.environ["VLLM_API_KEY"].encode()

    async def __call__(self, scope: MutableMapping[str, Any], receive: Messages, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "lifespan" or self._passes(scope):
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            headers = [(b"content-type", b"application/json"), (b"content-length", str(len(_REFUSED)).encode())]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": _REFUSED})
        else:
            # A websocket that is closed before it is accepted.
            await send({"type": "websocket.close", "code": 1008})

    def _passes(self, scope: MutableMapping[str, Any]) -> bool:
        if scope["type"] == "http" and scope["path"] == _OPEN and scope["method"] == "GET":
            return True
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        return len(given) == 1 and hmac.compare_digest(given[0], b"Bearer " + self._key)
