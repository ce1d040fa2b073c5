"""How soon an answer began to be given out, and how many were never finished."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from app.api.arrival import Arrival
from app.metrics import Metrics
from app.rag.answer import Answer, AnswerEvent, Done, Sentence
from serving.tracing import Span

# Of answers that somebody was given before, and of those that nobody wrote.
KEPT, NOBODY = "cache", "none"


async def paced(
    events: AsyncGenerator[AnswerEvent, None], metrics: Metrics, arrival: Arrival, span: Span, *, streamed: bool
) -> AsyncGenerator[AnswerEvent, None]:
    """The events as they are, with the time to the first sentence measured from the request's arrival.

    streamed: whether sentences are given out as they come; otherwise the first one comes with the whole answer.
    """
    first: float | None = None
    answer: Answer | None = None
    reason = "gone"
    try:
        async with aclosing(events):
            async for event in events:
                if isinstance(event, Done):
                    answer = event.answer
                if first is None and (answer is not None or (streamed and isinstance(event, Sentence))):
                    first = time.perf_counter() - arrival.at
                    span.past("first sentence", arrival.at)
                yield event
    except (GeneratorExit, asyncio.CancelledError):
        raise
    except BaseException as exc:
        reason = getattr(exc, "reason", None) or type(exc).__name__
        raise
    finally:
        if answer is None:
            metrics.unfinished(reason)
        if first is not None:
            metrics.first_sentence(first, by(answer), streamed=streamed)
        if answer is not None:
            span.note(
                outcome=answer.outcome.value,
                engine=answer.engine or NOBODY,
                release=answer.release or "",
                cached=answer.cached or "",
                falls=len(answer.fallen),
            )


def by(answer: Answer | None) -> str:
    """Who gave it out, as figures name them."""
    if answer is None:
        return "unfinished"
    return KEPT if answer.cached in ("exact", "semantic") else answer.engine or NOBODY
