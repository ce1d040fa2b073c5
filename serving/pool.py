"""Several model servers as one engine: the least busy one that is well is asked; one that cannot be reached is left alone for a while.

A question goes to another server only where nothing was begun: no connection, or a server that said that it is not ready, has
enough to do, does not know the key or does not serve the model. An answer that broke off or failed is never asked for twice:
the first server may still be writing it, and what one fails at the next may fail at, too.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass

from serving.engines import ChatEngine
from serving.errors import (
    EngineAway,
    EngineBusy,
    EngineError,
    EngineFailed,
    EngineRefused,
    EngineTimeout,
    UnknownModel,
)
from serving.prompts import Message

log = logging.getLogger(__name__)
# Failures in a row after which a server is left alone, and for how long: twice as long after each further one.
FAILURES = 2
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 30.0


@dataclass(slots=True)
class Backend:
    """One server.

    url:     how it is named in logs and figures.
    running: questions that it works on for this process.
    trouble: why it failed last.
    """

    url: str
    engine: ChatEngine
    running: int = 0
    failures: int = 0
    until: float = 0.0
    trying: bool = False
    trouble: EngineError | None = None

    def open(self, now: float) -> bool:
        """Whether it may be asked; after a pause by one question at a time, until one succeeds."""
        if self.failures < FAILURES:
            return True
        return now >= self.until and not self.trying

    @property
    def left_alone(self) -> bool:
        """Whether it failed so often that it is not simply asked."""
        return self.failures >= FAILURES

    def failed(self, now: float, trouble: EngineError | None = None) -> None:
        """It could not be reached, or broke off.

        Of many questions that a dying server leaves at once the first ones count: the pause grows when it was tried again in vain.
        """
        self.trouble = trouble or self.trouble
        if now < self.until:
            return
        self.failures += 1
        if self.failures >= FAILURES:
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2 ** (self.failures - FAILURES))
            self.until = now + pause
            log.warning("the model server %s is left alone for %g s", self.url, pause)

    def succeeded(self) -> None:
        """It answered."""
        if self.failures >= FAILURES:
            log.warning("the model server %s answers again", self.url)
        self.failures, self.until, self.trouble = 0, 0.0, None


class PooledEngine(ChatEngine):
    """An engine over servers that serve the same model; it is what one of them is, in all but where it asks."""

    def __init__(self, backends: Sequence[Backend], clock: Callable[[], float] = time.monotonic) -> None:
        like = backends[0].engine
        super().__init__(
            like.name,
            like.release,
            like.model,
            like.languages,
            like.context,
            like.total_s,
            like.count_tokens,
            small=like.small,
            brief=like.brief,
            tuned=like.tuned,
        )
        self.backends = tuple(backends)
        self._clock = clock

    def _pick(self, tried: set[str]) -> Backend | None:
        now = self._clock()
        well = [each for each in self.backends if each.url not in tried and each.open(now)]
        return min(well, key=lambda each: each.running, default=None)

    async def stream(
        self, messages: Sequence[Message], headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[str, None]:
        """Pieces of the answer of one server; see ``ChatEngine.stream``."""
        loop = asyncio.get_running_loop()
        end = loop.time() + self.total_s
        tried: set[str] = set()
        last: EngineError | None = None
        while (backend := self._pick(tried)) is not None:
            left = end - loop.time()
            if left <= 0:
                raise EngineTimeout(f"the {self.name} engine was not done after {self.total_s:g} s") from last
            tried.add(backend.url)
            backend.running += 1
            trial = backend.left_alone
            backend.trying = backend.trying or trial
            begun = False
            try:
                async with aclosing(backend.engine.stream_within(messages, left, headers)) as pieces:
                    async for piece in pieces:
                        begun = True
                        yield piece
            except EngineBusy as exc:
                # It is well, and has enough to do.
                last = exc
            except (EngineAway, EngineRefused, UnknownModel) as exc:
                # While servers are changed one after the other, one of them may have the new key or model already. One alone may be an
                # address that stands for several: it says so at once, and to ask it again costs nobody time.
                if isinstance(exc, EngineAway) or len(self.backends) > 1:
                    backend.failed(self._clock(), exc)
                last = exc
                if begun:
                    raise
            except EngineError as exc:
                # A prompt that does not fit would not fit the others either.
                if isinstance(exc, EngineTimeout | EngineFailed) or begun:
                    backend.failed(self._clock(), exc)
                raise
            else:
                backend.succeeded()
                return
            finally:
                backend.running -= 1
                if trial:
                    # Also where whoever asked went away, which says nothing of the server.
                    backend.trying = False
        raise last or self._none_now()

    def _none_now(self) -> EngineError:
        """All are left alone: the error that one of them was left alone for, so that its kind can be counted."""
        trouble = next((each.trouble for each in self.backends if each.trouble is not None), None)
        kind = type(trouble) if trouble is not None else EngineAway
        return kind(
            f"none of {len(self.backends)} model servers is asked now; the last trouble: {trouble or 'no connection'}"
        )
