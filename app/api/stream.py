"""Streams to clients that may be slow or go away: server-sent events, keep-alive, stopping what nobody reads."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from typing import Any, TypeVar

from fastapi import Request
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

T = TypeVar("T")
KEEP_ALIVE_S = 10.0
KEEP_ALIVE = b": keep-alive\n\n"
_END = object()
# Tasks whose reader has gone; kept until their clean-up is done.
_ending: set[asyncio.Task[Any]] = set()


class EventStream(StreamingResponse):
    """A reply of server-sent events; a client that goes away closes the source of the events."""

    media_type = "text/event-stream"

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        self._stream = kept_alive(events)
        # Proxies that buffer would turn a stream of sentences into one late answer.
        super().__init__(self._stream, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events to their end, or until the client has gone."""
        async with aclosing(self._stream) as stream:
            # Begun before the reply is, even for a client that has gone already: a source that never began would not
            # write down that it was given up.
            self.body_iterator = _from(await anext(stream, b""), stream)
            await super().__call__(scope, receive, send)


def sse(event: str, data: object) -> bytes:
    """One server-sent event with JSON as its data."""
    return f"event: {event}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n".encode()


async def kept_alive(events: AsyncIterator[bytes], every_s: float = KEEP_ALIVE_S) -> AsyncGenerator[bytes, None]:
    """The events, with a comment in between whenever none came for a while; closing it cancels their source.

    The source runs in a task of its own: cancelled once, it can still write down what became of it.
    """
    queue: asyncio.Queue[object] = asyncio.Queue(maxsize=16)

    async def pump() -> None:
        try:
            async for event in events:
                await queue.put(event)
            await queue.put(_END)
        except Exception as exc:  # noqa: BLE001 - handed to the reader, who raises it
            await queue.put(exc)
        finally:
            close = getattr(events, "aclose", None)
            if close is not None:
                await close()

    task = asyncio.create_task(pump())
    try:
        while True:
            try:
                async with asyncio.timeout(every_s):
                    event = await queue.get()
            except TimeoutError:
                yield KEEP_ALIVE
                continue
            if event is _END:
                return
            if isinstance(event, Exception):
                raise event
            if isinstance(event, bytes):
                yield event
    finally:
        _end(task)


async def _from(first: bytes, rest: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    yield first
    async for event in rest:
        yield event


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """The result of some work that is given up as soon as the client has gone.

    Raises:
        ClientDisconnect: the client has gone; there is nobody to reply to.
    """
    task = asyncio.create_task(work)
    gone = asyncio.create_task(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        raise ClientDisconnect
    finally:
        gone.cancel()
        if not task.done():
            task.cancel()
            _keep(task)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


def _end(task: asyncio.Task[None]) -> None:
    if not task.done():
        task.cancel()
        _keep(task)


def _keep(task: asyncio.Task[Any]) -> None:
    _ending.add(task)
    task.add_done_callback(_forget)


def _forget(task: asyncio.Task[Any]) -> None:
    _ending.discard(task)
    if not task.cancelled():
        # Nobody is left to read it; fetching it keeps asyncio from complaining about that.
        task.exception()


async def ended(within_s: float) -> None:
    """Wait for what is being cleaned up."""
    if _ending:
        await asyncio.wait(set(_ending), timeout=within_s)
