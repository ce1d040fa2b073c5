"""The safe front of a model server: the few routes that frontdesk needs, with a key, limits and a cache of its own per tenant.

vLLM's key guards ``/v1`` alone: ``/invocations``, ``/tokenize``, ``/pause`` and others answer whoever reaches them. So vLLM
listens on loopback, and this is what others reach: everything that is not named here does not exist.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
import time
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx
from cachetools import LRUCache
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from serving.front_figures import GONE, FrontFigures
from serving.front_requests import TENANT, Question, problem

log = logging.getLogger(__name__)
Got = TypeVar("Got")
CHAT, MODELS, HEALTH, METRICS = "/v1/chat/completions", "/v1/models", "/health", "/metrics"
CONNECT_S = 3.0
# Tenants whose rate is remembered, those that asked last; and characters of a tenant's name.
_TENANTS, _TENANT_CHARS = 10_000, 64


@dataclass(frozen=True, slots=True)
class Limits:
    """What one request and one tenant may take.

    tokens:    of an answer, whatever more was asked for; body: bytes of a request; characters: of all its messages.
    rate:      requests a second of a tenant, on average; burst: at once.
    at_once:   requests that are answered at a time, of all tenants; more are told to come again.
    body_s:    seconds until a request is there.
    answer_s:  seconds for a whole answer, until it is read to its end.
    """

    tokens: int = 1024
    body: int = 1 << 20
    characters: int = 200_000
    rate: float = 50.0
    burst: int = 200
    at_once: int = 512
    body_s: float = 30.0
    answer_s: float = 300.0


@dataclass(slots=True)
class Upstream:
    """The server behind: where, its key, and the names that it serves."""

    url: str
    key: str
    models: tuple[str, ...]


class Refused(Exception):
    """A request that is not passed on."""

    def __init__(self, status: int, message: str, kind: str = "invalid_request_error") -> None:
        super().__init__(message)
        self.status, self.message, self.kind = status, message, kind


@dataclass(slots=True)
class _Bucket:
    """Requests that a tenant may still send now."""

    left: float
    at: float


class Front:
    """The routes.

    key:  what every request but ``/health`` must carry; who has it is believed which tenant a question is of.
    salt: of the tenants' caches; another one after each start, so that nobody learns over time what others asked.
    """

    def __init__(
        self,
        upstream: Upstream,
        key: str,
        limits: Limits | None = None,
        salt: bytes | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        if not key.strip():
            raise ValueError("a front without a key would serve everybody")
        self.upstream = upstream
        self._key = key.encode()
        self._limits = limits or Limits()
        self._salt = salt or secrets.token_bytes(32)
        self._buckets: LRUCache[str, _Bucket] = LRUCache(_TENANTS)
        self._running = 0
        self._figures = FrontFigures()
        self._transport = transport
        self._client: httpx.AsyncClient | None = None

    def app(self) -> Starlette:
        """As an application."""
        routes = [
            Route(HEALTH, self._health, methods=["GET"]),
            Route(MODELS, self._models, methods=["GET"]),
            Route(METRICS, self._metrics, methods=["GET"]),
            Route(CHAT, self._chat, methods=["POST"]),
        ]
        app = Starlette(
            routes=routes, lifespan=self._open, exception_handlers={Refused: _refused, 404: _unknown, 405: _unknown}
        )
        # A redirect would lead to whatever host the request names.
        app.router.redirect_slashes = False
        return app

    @asynccontextmanager
    async def _open(self, _app: Starlette) -> AsyncGenerator[None, None]:
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=100)
        timeout = httpx.Timeout(self._limits.answer_s, connect=CONNECT_S)
        # No proxy of the environment stands between this and a server on loopback.
        async with httpx.AsyncClient(
            limits=limits, timeout=timeout, trust_env=False, transport=self._transport
        ) as client:
            self._client = client
            yield

    async def _health(self, _request: Request) -> Response:
        try:
            reply = await self._http.get(f"{self.upstream.url}{HEALTH}", timeout=CONNECT_S)
            ok = reply.status_code == httpx.codes.OK
        except httpx.TransportError:
            ok = False
        return JSONResponse({"status": "ok" if ok else "away"}, 200 if ok else 503)

    async def _models(self, request: Request) -> Response:
        self._authorize(request)
        rows = [{"id": name, "object": "model", "owned_by": "frontdesk"} for name in self.upstream.models]
        return JSONResponse({"object": "list", "data": rows})

    async def _metrics(self, request: Request) -> Response:
        """vLLM's figures as they are, and the front's own; names of the two begin differently."""
        self._authorize(request)
        try:
            reply = await self._http.get(f"{self.upstream.url}{METRICS}", headers=self._upstream_key, timeout=CONNECT_S)
        except httpx.TransportError as exc:
            raise _away(exc) from exc
        if reply.status_code != httpx.codes.OK:
            raise Refused(502, "the model server gives no figures", "server_error")
        return Response(
            reply.content.rstrip() + b"\n" + self._figures.exposition(), media_type=CONTENT_TYPE_PLAIN_0_0_4
        )

    async def _chat(self, request: Request) -> Response:
        try:
            reply = await self._answered(request)
        except Refused as refused:
            self._figures.refused(refused.status, refused.kind)
            raise
        self._figures.replied(reply.status_code)
        return reply

    async def _answered(self, request: Request) -> Response:
        self._authorize(request)
        tenant = request.headers.get(TENANT, "")[:_TENANT_CHARS]
        self._take(tenant)
        body = self._checked(await self._body(request))
        body["cache_salt"] = self._salt_of(tenant)
        if self._running >= self._limits.at_once:
            raise Refused(429, "too many questions are being answered; come again in a moment", "overloaded")
        self._running += 1
        self._figures.answering.inc()
        end = asyncio.get_running_loop().time() + self._limits.answer_s
        streaming = False
        try:
            async with asyncio.timeout_at(end):
                reply = await self._sent(request, body)
                if not body.get("stream") or reply.status_code != httpx.codes.OK:
                    return await self._whole(request, reply)
            streaming = True
            return _Stream(reply, end, self._ended, self._figures.gone)
        except (TimeoutError, httpx.TimeoutException) as exc:
            raise Refused(504, "the model server did not answer in time", "timeout") from exc
        finally:
            if not streaming:
                self._ended()

    def _ended(self) -> None:
        self._running -= 1
        self._figures.answering.dec()

    async def _sent(self, request: Request, body: Mapping[str, Any]) -> httpx.Response:
        """The reply's beginning; given up when whoever asked goes away while it is waited for."""
        asked = self._http.build_request(
            "POST",
            f"{self.upstream.url}{CHAT}",
            json=body,
            headers=self._upstream_key | _passed_on(request),
        )
        try:
            return await _unless_gone(request, self._http.send(asked, stream=True))
        except httpx.ConnectTimeout as exc:
            raise _away(exc) from exc
        except httpx.TimeoutException:
            raise
        except httpx.TransportError as exc:
            raise _away(exc) from exc

    async def _whole(self, request: Request, reply: httpx.Response) -> Response:
        try:
            content = await _unless_gone(request, reply.aread())
        except httpx.TimeoutException:
            raise
        except httpx.TransportError as exc:
            raise _away(exc) from exc
        finally:
            await reply.aclose()
        if reply.status_code >= httpx.codes.INTERNAL_SERVER_ERROR:
            # What it says of itself is for its log, not for whoever asked.
            log.warning("the model server said %d: %s", reply.status_code, content[:500])
            raise Refused(502, "the model server failed to answer", "server_error")
        return Response(content, reply.status_code, media_type="application/json")

    # what may pass

    def _authorize(self, request: Request) -> None:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() != "bearer" or not hmac.compare_digest(given.strip().encode(), self._key):
            raise Refused(401, "the key is missing or wrong", "unauthorized")

    def _take(self, tenant: str) -> None:
        now = time.monotonic()
        bucket = self._buckets.get(tenant)
        if bucket is None:
            bucket = self._buckets[tenant] = _Bucket(self._limits.burst, now)
        bucket.left = min(self._limits.burst, bucket.left + (now - bucket.at) * self._limits.rate)
        bucket.at = now
        if bucket.left < 1:
            raise Refused(429, "too many questions; come again in a moment", "rate_limited")
        bucket.left -= 1

    async def _body(self, request: Request) -> bytes:
        received = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_s):
                async for piece in request.stream():
                    received += piece
                    if len(received) > self._limits.body:
                        raise Refused(413, f"the request is larger than {self._limits.body} bytes", "too_large")
        except ClientDisconnect as exc:
            raise Refused(GONE, "the client went away") from exc
        except TimeoutError as exc:
            raise Refused(408, "the rest of the request did not come; send it again") from exc
        return bytes(received)

    def _checked(self, said: bytes) -> dict[str, Any]:
        try:
            asked = Question.model_validate_json(said)
        except ValidationError as exc:
            raise Refused(400, problem(exc)) from exc
        if asked.model not in self.upstream.models:
            raise Refused(
                404, f"there is no model {asked.model[:100]!r}; there is {', '.join(self.upstream.models)}", "not_found"
            )
        if asked.characters > self._limits.characters:
            raise Refused(
                400, f"the messages have more than {self._limits.characters} characters", "context_length_exceeded"
            )
        return asked.body(self._limits.tokens)

    def _salt_of(self, tenant: str) -> str:
        """Of a tenant's cache: what one has asked before answers sooner, and by that time nobody learns what another asked."""
        return hmac.new(self._salt, tenant.encode(), hashlib.sha256).hexdigest()

    @property
    def _upstream_key(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.upstream.key}"}

    @property
    def _http(self) -> httpx.AsyncClient:
        if self._client is None:
            raise RuntimeError("the front is not open")
        return self._client


class _Stream(StreamingResponse):
    """A reply that is passed on as it comes; given up at once where the reader goes away, even while nothing comes.

    end: the loop's time at which it is given up whatever comes: a reader that stays and does not read would keep its place for ever.
    """

    def __init__(self, reply: httpx.Response, end: float, ended: Callable[[], None], gone: Callable[[], None]) -> None:
        super().__init__(_pieces(reply), media_type="text/event-stream", headers={"cache-control": "no-cache"})
        self._reply, self._end, self._ended, self._reader_gone = reply, end, ended, gone

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""
        work = asyncio.ensure_future(self.stream_response(send))
        watch = asyncio.ensure_future(_gone(receive))
        left = self._end - asyncio.get_running_loop().time()
        try:
            done, _ = await asyncio.wait({work, watch}, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if work in done:
                work.result()
            elif watch in done:
                self._reader_gone()
            else:
                log.warning("an answer was given up: it was not read to its end in time")
        except OSError:
            # The reader went away between two pieces.
            self._reader_gone()
        finally:
            await _cancelled(work, watch)
            self._ended()
            # Closing the connection is what tells vLLM to write no further.
            await self._reply.aclose()


async def _pieces(reply: httpx.Response) -> AsyncGenerator[bytes, None]:
    try:
        async for piece in reply.aiter_raw():
            yield piece
    except httpx.TransportError as exc:
        log.warning("the model server broke off an answer: %s", type(exc).__name__)
        error = {"error": {"message": "the model server broke off", "type": "server_error"}}
        yield f"data: {json.dumps(error)}\n\n".encode()


async def _unless_gone(request: Request, work: Coroutine[Any, Any, Got]) -> Got:
    """What is waited for, unless whoever asked goes away first; then it is cancelled."""
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(_gone(request.receive))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise Refused(GONE, "the client went away")
    finally:
        await _cancelled(task, watch)


async def _cancelled(*tasks: asyncio.Future[Any]) -> None:
    for each in tasks:
        if not each.done():
            each.cancel()
            with suppress(asyncio.CancelledError, httpx.HTTPError, OSError):
                await each


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _passed_on(request: Request) -> dict[str, str]:
    """The request's id and its trace, so that both logs tell of the same question."""
    return {name: request.headers[name] for name in ("x-request-id", "traceparent") if name in request.headers}


def _away(exc: Exception) -> Refused:
    log.warning("the model server is away: %s", type(exc).__name__)
    return Refused(503, "the model server is away", "unavailable")


async def _refused(_request: Request, exc: Exception) -> Response:
    refused = exc if isinstance(exc, Refused) else Refused(500, "it failed", "server_error")
    headers = {"retry-after": "1"} if refused.status in (429, 503) else None
    error = {"error": {"message": refused.message, "type": refused.kind, "code": refused.status}}
    return JSONResponse(error, refused.status, headers=headers)


async def _unknown(_request: Request, _exc: Exception) -> Response:
    error = {"error": {"message": "there is no such route", "type": "not_found", "code": 404}}
    return JSONResponse(error, 404)
