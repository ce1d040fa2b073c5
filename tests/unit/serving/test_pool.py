"""Several model servers as one: which is asked, which is left alone, what is asked twice and what never."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import pytest

from serving.engines import ChatEngine
from serving.errors import (
    ContextOverflow,
    EngineAway,
    EngineBroke,
    EngineBusy,
    EngineError,
    EngineFailed,
    EngineRefused,
    EngineTimeout,
    UnknownModel,
)
from serving.pool import FAILURES, FIRST_PAUSE_S, Backend, PooledEngine
from serving.prompts import Message

ASKED = [Message("user", "When?")]


class Scripted(ChatEngine):
    """An engine that does what it is told."""

    def __init__(self, *acts: Any) -> None:
        super().__init__("endpoint", "support", None, ("en",), 800, 5.0, len)  # type: ignore[arg-type]  # never asked
        self.acts, self.asked = list(acts), 0
        self.going = asyncio.Event()

    async def stream_within(
        self, messages: Sequence[Message], seconds: float, headers: Mapping[str, str] | None = None
    ) -> AsyncGenerator[str, None]:
        self.asked += 1
        act = self.acts.pop(0) if len(self.acts) > 1 else self.acts[0]
        if act == "wait":
            yield "At "
            await self.going.wait()
        elif isinstance(act, tuple):
            yield act[0]
            raise act[1]
        elif isinstance(act, EngineError):
            raise act
        else:
            yield act


class Time:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def pool(*engines: Scripted, clock: Time | None = None) -> PooledEngine:
    return PooledEngine([Backend(f"http://s{n}", engine) for n, engine in enumerate(engines)], clock or Time())


async def answer(engine: ChatEngine) -> str:
    return "".join([piece async for piece in engine.stream(ASKED)])


def test_the_least_busy_one_is_asked() -> None:
    async def scene() -> None:
        first, second = Scripted("wait"), Scripted("Nine.")
        both = pool(first, second)
        async with aclosing(both.stream(ASKED)) as begun:
            assert await anext(begun) == "At "
            assert [each.running for each in both.backends] == [1, 0]
            assert await answer(both) == "Nine."
            assert (first.asked, second.asked) == (1, 1)
        # Whoever went away makes room, and is no failure.
        assert [(each.running, each.failures) for each in both.backends] == [(0, 0), (0, 0)]

    asyncio.run(scene())


@pytest.mark.parametrize(
    "trouble", [EngineAway("no connection"), EngineBusy("429"), EngineRefused("key"), UnknownModel("not here")]
)
def test_what_was_not_begun_is_asked_of_another(trouble: EngineError) -> None:
    first, second = Scripted(trouble), Scripted("Nine.")
    assert asyncio.run(answer(pool(first, second))) == "Nine."


@pytest.mark.parametrize(
    "act",
    [
        ("At ", EngineBroke("gone")),
        ("At ", EngineAway("gone")),
        EngineTimeout("late"),
        EngineBroke("odd"),
        EngineFailed("HTTP 500"),
        ContextOverflow("long"),
    ],
)
def test_what_may_have_been_begun_is_not_asked_twice(act: Any) -> None:
    first, second = Scripted(act), Scripted("Nine.")
    with pytest.raises(EngineError):
        asyncio.run(answer(pool(first, second)))
    assert second.asked == 0


def test_one_that_cannot_be_reached_is_left_alone_and_tried_again_by_one_question() -> None:
    async def scene() -> None:
        clock = Time()
        first = Scripted(*[EngineAway("no connection")] * (FAILURES + 1), "wait")
        second = Scripted("Nine.")
        both = pool(first, second, clock=clock)
        for _ in range(FAILURES + 3):
            assert await answer(both) == "Nine."
        assert first.asked == FAILURES
        clock.now = FIRST_PAUSE_S
        assert await answer(both) == "Nine."
        assert first.asked == FAILURES + 1
        # Failed again: twice as long.
        clock.now = 2 * FIRST_PAUSE_S
        await answer(both)
        assert first.asked == FAILURES + 1
        clock.now = 3 * FIRST_PAUSE_S
        async with aclosing(both.stream(ASKED)) as trial:
            assert await anext(trial) == "At "
            # While it is on trial the others go to the one that is well.
            assert await answer(both) == "Nine."
            assert first.asked == FAILURES + 2
            first.going.set()
            assert [piece async for piece in trial] == []
        assert both.backends[0].failures == 0

    asyncio.run(scene())


def test_where_none_can_be_reached_the_reason_is_told() -> None:
    both = pool(*(Scripted(EngineAway("no connection")) for _ in range(2)))
    for _ in range(FAILURES):
        with pytest.raises(EngineAway, match="no connection"):
            asyncio.run(answer(both))
    with pytest.raises(EngineAway, match="none of 2 model servers is asked now; the last trouble: no connection"):
        asyncio.run(answer(both))


def test_those_that_are_busy_are_not_taken_for_broken() -> None:
    both = pool(Scripted(EngineBusy("429")), Scripted(EngineBusy("429")))
    for _ in range(FAILURES + 2):
        with pytest.raises(EngineBusy):
            asyncio.run(answer(both))


def test_it_is_what_its_servers_are() -> None:
    engine = pool(Scripted("x"), Scripted("y"))
    assert (engine.name, engine.release, engine.context, engine.small) == ("endpoint", "support", 800, False)
    assert engine.speaks("en")


def test_the_many_questions_that_a_dying_server_leaves_make_one_pause() -> None:
    backend = Backend("http://s0", Scripted("Nine."))
    for _ in range(20):
        backend.failed(100.0)
    assert backend.until == 100.0 + FIRST_PAUSE_S
    assert not backend.open(100.5)
    # Tried again in vain, it is left alone for longer.
    assert backend.open(101.5)
    backend.failed(101.5)
    assert backend.until == 101.5 + 2 * FIRST_PAUSE_S


@pytest.mark.parametrize("trouble", [EngineRefused("key"), UnknownModel("not here"), EngineFailed("HTTP 500")])
def test_one_that_answers_nobody_is_left_alone_though_it_is_the_least_busy(trouble: EngineError) -> None:
    async def scene() -> None:
        broken, well = Scripted(trouble), Scripted("Nine.")
        both = pool(broken, well)
        for _ in range(FAILURES + 3):
            with contextlib.suppress(EngineFailed):
                assert await answer(both) == "Nine."
        assert broken.asked == FAILURES

    asyncio.run(scene())


def test_one_alone_is_left_alone_as_well_and_says_why() -> None:
    alone = pool(Scripted(EngineTimeout("nothing came within 30 s")))
    for _ in range(FAILURES + 2):
        with pytest.raises(EngineTimeout, match="nothing came within 30 s"):
            asyncio.run(answer(alone))
    assert alone.backends[0].engine.asked == FAILURES  # type: ignore[attr-defined]  # a scripted one


@pytest.mark.parametrize("trouble", [EngineRefused("key"), UnknownModel("not here")])
def test_an_address_that_may_stand_for_several_is_asked_again_when_one_of_them_is_not_changed_yet(
    trouble: EngineError,
) -> None:
    alone = pool(Scripted(*[trouble] * (FAILURES + 2), "Nine."))
    for _ in range(FAILURES + 2):
        with pytest.raises(type(trouble)):
            asyncio.run(answer(alone))
    assert asyncio.run(answer(alone)) == "Nine."


def test_streams_that_end_beside_a_trial_do_not_begin_another() -> None:
    async def scene() -> None:
        clock = Time()
        server = Scripted("wait", *[EngineAway("hung")] * FAILURES, "wait", "Nine.")
        alone = pool(server, clock=clock)
        begun = alone.stream(ASKED)
        assert await anext(begun) == "At "
        for _ in range(FAILURES):
            with pytest.raises(EngineAway):
                await answer(alone)
        clock.now = FIRST_PAUSE_S
        trial = alone.stream(ASKED)
        assert await anext(trial) == "At "
        # An older one ends while the trial runs: the next question still waits for the trial's end.
        await begun.aclose()
        with pytest.raises(EngineAway, match="none of 1"):
            await answer(alone)
        assert alone.backends[0].trying
        await trial.aclose()
        assert await answer(alone) == "Nine."

    asyncio.run(scene())
