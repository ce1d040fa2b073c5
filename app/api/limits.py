"""Around every request: its id, its limits, its figures. Plain ASGI, because it must see the body's pieces."""

from __future__ import annotations

import asyncio
import time

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.arrival import Arrival, arrived, left
from app.api.errors import request_id, response
from app.metrics import Metrics
from app.settings import AppSettings
from serving.tracing import Span, Tracing

# Bodies without files: a question, a history, a list of texts to embed.
JSON_BYTES = 2 << 20
# Around files in a multipart body: boundaries and headers.
_MULTIPART_EXTRA = 1 << 20
# Asked every few seconds by machines: traces of them would hide the others.
_UNTRACED = frozenset({"/health", "/ready", "/metrics"})
_OFF = Tracing()


class RequestLimits:
    """Refuses bodies that are too large or fall silent, names every reply by its request id and counts it."""

    def __init__(self, app: ASGIApp, settings: AppSettings, metrics: Metrics, tracing: Tracing) -> None:
        self._app = app
        self._settings = settings
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Request(scope)
        tracing = _OFF if scope["path"] in _UNTRACED else self._tracing
        with tracing.request(f"{scope['method']} request", request.headers) as span:
            arrival = arrived(Arrival(span=span))
            try:
                await self._serve(request, receive, send, span)
            finally:
                left(arrival)

    async def _serve(self, request: Request, receive: Receive, send: Send, span: Span) -> None:
        scope = request.scope
        name, clock, status = request_id(request), time.perf_counter(), 500
        most = self._most(scope)

        async def sent(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", []), (b"x-request-id", name.encode())]
            await send(message)

        try:
            announced = request.headers.get("content-length", "")
            if announced.isascii() and announced.isdigit() and int(announced) > most:
                too_large = response(request, 413, _too_large(most), "too_large", {"Connection": "close"})
                await too_large(scope, receive, sent)
            else:
                await self._app(scope, self._limited(receive, most), sent)
        finally:
            route = scope.get("route")
            pattern = getattr(route, "path", "unknown")
            # The pattern: a path may hold a document's name.
            span.note(route=pattern, status=status, request_id=name)
            self._metrics.replied(scope["method"], pattern, status, time.perf_counter() - clock)

    def _most(self, scope: Scope) -> int:
        upload = scope["method"] == "POST" and scope["path"].endswith(("/documents", "/pairs/import"))
        return (self._settings.upload_max_mb << 20) + _MULTIPART_EXTRA if upload else JSON_BYTES

    def _limited(self, receive: Receive, most: int) -> Receive:
        received, whole = 0, False

        async def limited() -> Message:
            nonlocal received, whole
            # After the body the only message to come is that the client has gone; that may take as long as it takes.
            deadline = None if whole else self._settings.body_timeout_s
            try:
                async with asyncio.timeout(deadline):
                    message = await receive()
            except TimeoutError as exc:
                raise HTTPException(408, "the rest of the request did not come; send it again") from exc
            if message["type"] == "http.request":
                received += len(message.get("body", b""))
                whole = not message.get("more_body", False)
                if received > most:
                    raise HTTPException(413, _too_large(most))
            return message

        return limited


def _too_large(most: int) -> str:
    return f"the request is larger than {most >> 20} MB; send less at once (FRONTDESK_UPLOAD_MAX_MB for uploads)"
