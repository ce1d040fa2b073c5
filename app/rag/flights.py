"""The same question asked by many at once is answered once: each of them reads the same events.

The answer is made in a task of its own. Whoever goes away only stops reading; when nobody is left, the task is cancelled.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Hashable
from contextlib import aclosing
from typing import Generic, TypeVar

E = TypeVar("E")


class _Flight(Generic[E]):
    """One stream of events that is being made, with all that came so far."""

    def __init__(self, source: AsyncGenerator[E, None], over: Callable[[], None]) -> None:
        self._seen: list[E] = []
        self._readers = 0
        self._ended = False
        self._error: BaseException | None = None
        self._over = over
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._make(source))

    async def _make(self, source: AsyncGenerator[E, None]) -> None:
        try:
            async with aclosing(source):
                async for event in source:
                    self._seen.append(event)
                    self._tell()
        except asyncio.CancelledError as exc:
            self._error = exc
            raise
        except Exception as exc:  # noqa: BLE001 - belongs to those who read
            self._error = exc
        finally:
            self._ended = True
            self._over()
            self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, asyncio.Event()
        news.set()

    async def events(self) -> AsyncGenerator[E, None]:
        """All events from the first one on; raises what the source raised."""
        self._readers += 1
        try:
            at = 0
            while True:
                news = self._news
                while at < len(self._seen):
                    yield self._seen[at]
                    at += 1
                    news = self._news
                if self._ended:
                    if self._error is not None:
                        raise self._error
                    return
                await news.wait()
        finally:
            self._readers -= 1
            if not self._readers and not self._ended:
                # Nobody may begin to read what is being given up.
                self._over()
                self._task.cancel()
                await asyncio.wait({self._task})


class Flights(Generic[E]):
    """Streams that are being made now, by what they are about; of one event loop."""

    def __init__(self) -> None:
        self._now: dict[Hashable, _Flight[E]] = {}

    def join(self, key: Hashable, begin: Callable[[], AsyncGenerator[E, None]]) -> tuple[AsyncGenerator[E, None], bool]:
        """The events of a stream, from its beginning, and whether somebody else had begun it.

        The generator must be begun before anything else is awaited, and closed.
        """
        flight = self._now.get(key)
        if flight is not None:
            return flight.events(), True

        def over() -> None:
            if self._now.get(key) is made:
                del self._now[key]

        made: _Flight[E] = _Flight(begin(), over)
        self._now[key] = made
        return made.events(), False
