"""Work done ahead of its time: results in order, while threads make the next ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")


class Ahead(Generic[T, R]):
    """``work(item)`` of each item, in order, made by threads before it is asked for.

    items: advanced in the caller's thread.
    most:  results that may be made, or wait, at once: what bounds the memory.

    A caller that stops early cancels what has not begun, and waits for what has.
    """

    def __init__(self, items: Iterable[T], work: Callable[[T], R], *, threads: int, most: int) -> None:
        self._items = items
        self._work = work
        self._threads = threads
        self._most = most
        self._waiting: deque[Future[R]] = deque()

    @property
    def ready(self) -> bool:
        """Whether the next result is there, so that asking for it does not wait."""
        return bool(self._waiting) and self._waiting[0].done()

    def __iter__(self) -> Iterator[R]:
        with ThreadPoolExecutor(self._threads, thread_name_prefix="ahead") as pool:
            try:
                for item in self._items:
                    self._waiting.append(pool.submit(self._work, item))
                    while len(self._waiting) >= self._most or self.ready:
                        yield self._waiting.popleft().result()
                while self._waiting:
                    yield self._waiting.popleft().result()
            finally:
                for future in self._waiting:
                    future.cancel()
