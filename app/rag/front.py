"""In front of the chain: what a person wrote, what was answered before, what is being answered now; then the chain.

The same events as the chain's come out, so that page, API and command cannot tell but by what the answer says of itself
(``engine``, ``cached``).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Protocol

from sqlalchemy.exc import SQLAlchemyError

from app.rag.answer import Answer, AnswerEvent, Ask, Done, Retracted, Sentence
from app.rag.cache import AnswerCache, Key, Releases, given_again, is_lasting, is_private, key_of
from app.rag.counts import CURATED, EXACT, HIT, MISS, SEMANTIC, SHARED, SKIPPED, CacheCounts
from app.rag.curated import CuratedShelf
from app.rag.flights import Flights
from app.rag.semantic import SemanticMatcher


class AnswerStream(Protocol):
    """The chain, or what stands in for it."""

    def stream(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        """Sentences as they are ready, then Done."""
        ...


class Times(Protocol):
    """What the catalog says of time."""

    def next_change(self, knowledge_base_id: str, at: datetime) -> datetime | None:
        """The next moment when something begins or ends to hold."""
        ...


class AnswerFront:
    """Answers questions; built once, shared by all requests of an event loop.

    released: (engine, release) of the rungs as they would answer a question now.
    shelf:    curated answers; None for none.
    cache:    answers given before; None for none.
    semantic: finds a question that was answered and means the same; None for none.
    """

    def __init__(
        self,
        chain: AnswerStream,
        times: Times,
        released: Callable[[Ask], Releases],
        *,
        shelf: CuratedShelf | None = None,
        cache: AnswerCache | None = None,
        semantic: SemanticMatcher | None = None,
        counts: CacheCounts | None = None,
    ) -> None:
        self._chain = chain
        self._times = times
        self._released = released
        self._shelf = shelf
        self._cache = cache
        self._semantic = semantic if cache is not None else None
        self.counts = counts or CacheCounts()
        self._flights: Flights[AnswerEvent] = Flights()

    def at_once(self, ask: Ask) -> Answer | None:
        """The answer, where it is in memory: nothing is awaited, asked of the database, or embedded."""
        found = self._in_memory(ask)
        return found[-1].answer if found is not None and isinstance(found[-1], Done) else None

    async def answer(self, ask: Ask) -> Answer:
        """The whole answer; raises as the chain does."""
        async with aclosing(self.stream(ask)) as events:
            async for event in events:
                if isinstance(event, Done):
                    return event.answer
        raise RuntimeError("the chain ended without an answer")

    async def stream(self, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        """Sentences as they are ready, then Done; raises as the chain does."""
        started = time.perf_counter()
        found = self._in_memory(ask)
        key = self._key(ask)
        if found is None and self._shelf is not None:
            found = await self._written_by_a_person(self._shelf, ask, started)
        private = key is not None and is_private(ask.question)
        if found is None and key is not None and not private:
            found = await self._meaning_the_same(key, ask, started)
        if found is not None:
            for event in found:
                yield event
            return
        if key is None or private:
            if self._cache is not None:
                self.counts.add(EXACT, SKIPPED)
            async with aclosing(self._chain.stream(ask)) as events:
                async for event in events:
                    yield event
            return
        joined, shared = self._flights.join(key, lambda: self._made(key, ask))
        self.counts.add(EXACT, SHARED if shared else MISS)
        async with aclosing(joined) as events:
            async for event in events:
                if shared and isinstance(event, Done):
                    waited = 1e3 * (time.perf_counter() - started)
                    yield Done(replace(event.answer, cached=SHARED, timings_ms={"total": waited}))
                else:
                    yield event

    def _key(self, ask: Ask) -> Key | None:
        return key_of(ask, self._released(ask)) if self._cache is not None else None

    def _in_memory(self, ask: Ask) -> list[AnswerEvent] | None:
        started = time.perf_counter()
        # A question that a person answered is never put into the cache, so the order does not matter.
        if self._cache is not None and (key := self._key(ask)) is not None and (kept := self._cache.get(key)):
            self.counts.add(EXACT, HIT)
            answer = given_again(kept, EXACT, ask.question, 1e3 * (time.perf_counter() - started))
            return [*kept.sentences, Done(answer)]
        if self._shelf is not None and (written := self._shelf.exact(ask)) is not None:
            self.counts.add(CURATED, HIT)
            return _told(self._shelf.answer(written, ask, 1e3 * (time.perf_counter() - started)))
        return None

    async def _written_by_a_person(self, shelf: CuratedShelf, ask: Ask, started: float) -> list[AnswerEvent] | None:
        if not shelf.asks(ask):
            return None
        match = await shelf.find(ask)
        if match is None:
            self.counts.add(CURATED, MISS)
            return None
        self.counts.add(CURATED, HIT)
        return _told(shelf.answer(match, ask, 1e3 * (time.perf_counter() - started)))

    async def _meaning_the_same(self, key: Key, ask: Ask, started: float) -> list[AnswerEvent] | None:
        if self._semantic is None or self._cache is None:
            return None
        other = await asyncio.to_thread(self._semantic.find, key, ask.question)
        kept = self._cache.get(other) if other is not None else None
        self.counts.add(SEMANTIC, MISS if kept is None else HIT)
        if kept is None:
            return None
        answer = given_again(kept, SEMANTIC, ask.question, 1e3 * (time.perf_counter() - started))
        return [*kept.sentences, Done(answer)]

    async def _made(self, key: Key, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
        """The chain's events; the answer is kept before it is told to be whole."""
        # From before anything was looked up: what begins or ends meanwhile ends the answer.
        now = datetime.now(UTC)
        until = asyncio.create_task(asyncio.to_thread(self._times.next_change, ask.knowledge_base.id, now))
        sentences: list[Sentence] = []
        try:
            async with aclosing(self._chain.stream(ask)) as events:
                async for event in events:
                    if isinstance(event, Sentence):
                        sentences.append(event)
                    elif isinstance(event, Retracted):
                        sentences.clear()
                    elif is_lasting(event.answer):
                        await self._keep(key, ask, event.answer, tuple(sentences), until)
                    yield event
        finally:
            if not until.done():
                until.cancel()
            elif not until.cancelled():
                # Looked at, so that nobody complains of an error that nobody read.
                until.exception()

    async def _keep(
        self,
        key: Key,
        ask: Ask,
        answer: Answer,
        sentences: tuple[Sentence, ...],
        until: asyncio.Task[datetime | None],
    ) -> None:
        if self._cache is None:
            return
        try:
            end = await until
        except SQLAlchemyError:
            # Without the catalog nobody knows how long it holds.
            return
        self._cache.put(key, answer, sentences, end)
        if self._semantic is not None:
            await asyncio.to_thread(self._semantic.add, key, ask.question)


def _told(answer: Answer) -> list[AnswerEvent]:
    return [Sentence(answer.answer, answer.citations), Done(answer)]
