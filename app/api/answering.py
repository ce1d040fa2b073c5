"""A question to an answer for all routes: deadline, index away, figures; the chain does the rest."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import replace

from sqlalchemy.exc import OperationalError

from app.api.arrival import arrival
from app.api.pace import by, paced
from app.errors import Overdue
from app.rag.answer import Answer, AnswerEvent, Ask, Done, Fall, Outcome
from app.rag.refusals import away
from app.service import Service
from ingest.errors import IndexUnavailable, NotFound
from ingest.language import detect_language
from ingest.records import KnowledgeBase
from ingest.schema import Principal

log = logging.getLogger(__name__)


async def find_kb(service: Service, name: str | None, principal: Principal) -> KnowledgeBase:
    """The knowledge base of a request, the default one when it names none.

    Raises:
        NotFound: there is none of that name.
    """
    wanted = name or service.settings.app.kb
    known = service.bases.at_once(wanted, principal.tenant)
    if known is not None:
        return known
    return await asyncio.to_thread(service.workspace.catalog.knowledge_base, wanted, principal.tenant)


def answer_at_once(service: Service, ask: Ask, *, streamed: bool = False) -> Answer | None:
    """The answer, where it is in memory: neither chain nor thread has to be asked.

    streamed: whether whoever asked wants sentences as they come.

    Raises:
        UsageError: the question is empty or too long.
    """
    service.check_question(ask.question)
    answer = service.answers.at_once(ask)
    if answer is not None:
        arrived = arrival()
        service.metrics.answered(answer)
        service.metrics.first_sentence(time.perf_counter() - arrived.at, by(answer), streamed=streamed)
        arrived.span.note(outcome=answer.outcome.value, cached=answer.cached or "")
    return answer


async def answer_events(service: Service, ask: Ask, *, streamed: bool = True) -> AsyncGenerator[AnswerEvent, None]:
    """What the chain says, or what stands in front of it, within the deadline. An index that is away ends in a hand-off, not in an error.

    streamed: whether whoever asked reads the sentences as they come.

    Raises:
        Overdue: the deadline passed.
        UsageError, SettingsError, EngineError: as the chain raises them.
    """
    service.check_question(ask.question)
    arrived = arrival()
    with arrived.span.child("answer", kb=ask.knowledge_base.id) as span:
        events = _within_the_deadline(service, replace(ask, span=span))
        async with aclosing(paced(events, service.metrics, arrived, span, streamed=streamed)) as told:
            async for event in told:
                yield event


async def _within_the_deadline(service: Service, ask: Ask) -> AsyncGenerator[AnswerEvent, None]:
    seconds = service.settings.app.answer_timeout_s
    end = asyncio.get_running_loop().time() + seconds
    with service.metrics.answering.track_inprogress():
        async with aclosing(service.answers.stream(ask)) as events:
            while True:
                try:
                    async with asyncio.timeout_at(end):
                        event = await anext(events, None)
                except TimeoutError as exc:
                    raise Overdue(f"the answer was not there after {seconds:g} s; ask again") from exc
                except (IndexUnavailable, OperationalError) as exc:
                    log.warning("a question was handed off: %s", exc)
                    event = Done(_handed_off(ask, exc))
                if event is None:
                    return
                if isinstance(event, Done):
                    service.metrics.answered(event.answer)
                    if event.answer.cached is None:
                        # What was made before says nothing of how an engine is now.
                        service.checkup.saw(event.answer)
                yield event
                if isinstance(event, Done):
                    return


async def whole_answer(service: Service, ask: Ask) -> Answer:
    """The answer at once; raises as ``answer_events`` does."""
    async with aclosing(answer_events(service, ask, streamed=False)) as events:
        async for event in events:
            if isinstance(event, Done):
                return event.answer
    raise RuntimeError("the chain ended without an answer")


def spaced(shown: str, sentence: str) -> str:
    """A sentence as it goes on from what was shown: Chinese needs no space in between."""
    return sentence if not shown or shown[-1] in "。！？；" else f" {sentence}"


async def kb_name(service: Service, knowledge_base_id: str) -> str:
    """The name of a knowledge base; "" when it is gone."""
    try:
        kb = await asyncio.to_thread(service.workspace.catalog.knowledge_base_by_id, knowledge_base_id)
    except NotFound:
        return ""
    return kb.name


def _handed_off(ask: Ask, exc: Exception) -> Answer:
    language = detect_language(ask.question)
    detail = str(exc).splitlines()[0] if isinstance(exc, IndexUnavailable) else "the database cannot be reached"
    return Answer(
        answer=away(language),
        outcome=Outcome.HANDED_OFF,
        fallen=(Fall("index", "away", detail),),
        language=language,
        standalone_question=ask.question,
        verdict="nothing could be looked up",
    )
