"""POST /api/chat: a question to a streamed, cited answer that is kept in a conversation."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.answering import answer_at_once, answer_events, find_kb, spaced
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.errors import body_of
from app.api.examples import CHAT_EVENTS, EVENT_SCHEMA
from app.api.models import ChatAnswer, ChatRequest
from app.api.stream import EventStream, sse, unless_gone
from app.rag.answer import Answer, Ask, Done, Retracted, Sentence
from app.service import Service
from ingest.schema import Principal

router = APIRouter(prefix="/api", tags=["chat"])
# Turns of a conversation that a question is read with.
TURNS = 6


@dataclass(frozen=True, slots=True)
class Turn:
    """A stored question on its way to an answer."""

    ask: Ask
    conversation_id: str
    message_id: int


@router.post(
    "/chat",
    response_model=ChatAnswer,
    responses={200: {"content": {"text/event-stream": {"schema": EVENT_SCHEMA, "example": CHAT_EVENTS}}}},
)
async def chat(
    body: ChatRequest, request: Request, service: ServiceOf, principal: Authenticated
) -> Response | ChatAnswer:
    """Ask a question.

    Streamed as server-sent events: `sources` (all sources numbered so far), `sentence`, `retracted` (forget the
    sentences so far), `done` (the whole answer), `error`. With `"stream": false` the whole answer as JSON.
    """
    known = await _known(service, body, principal)
    if known is not None:
        turn, answer = known
        if body.stream:
            return EventStream(_told(answer, turn))
        # It fits the contract already: validating it again would cost more than finding it.
        return Response(json.dumps(_with_ids(answer, turn), ensure_ascii=False), media_type="application/json")
    turn = await _begin(service, body, principal)
    if body.stream:
        return EventStream(_events(service, turn, request))
    answer = await unless_gone(request, _whole(service, turn))
    return ChatAnswer.model_validate(_with_ids(answer, turn))


async def _known(service: Service, body: ChatRequest, principal: Principal) -> tuple[Turn, Answer] | None:
    """The first question of a conversation whose answer is in memory; both are kept in one step."""
    if body.conversation_id is not None:
        return None
    service.check_question(body.question)
    if any(engine.by_conversation for engine in service.workspace.engines):
        # Which release a conversation belongs to is known only once it has an id.
        return None
    kb = await find_kb(service, body.kb, principal)
    ask = Ask(body.question, kb, (), principal, body.engine, body.style, body.filters.as_filters(), body.release)
    answer = answer_at_once(service, ask, streamed=body.stream)
    if answer is None:
        return None
    conversation_id, message_id = await service.telling.told(kb.id, principal.tenant, body.question, answer)
    return Turn(ask, conversation_id, message_id), answer


async def _told(answer: Answer, turn: Turn) -> AsyncGenerator[bytes, None]:
    """The events of an answer that was there at once."""
    ids = {"conversation_id": turn.conversation_id, "message_id": turn.message_id}
    yield sse("sources", {**ids, "sources": []})
    if answer.citations:
        yield sse("sources", {**ids, "sources": [c.as_json() for c in answer.citations]})
    yield sse("sentence", {"text": answer.answer})
    yield sse("done", _with_ids(answer, turn))


async def _begin(service: Service, body: ChatRequest, principal: Principal) -> Turn:
    """Store the question, before anything can go wrong with the answer."""
    conversations = service.conversations
    service.check_question(body.question)
    if body.conversation_id is None:
        kb = await find_kb(service, body.kb, principal)
        conversation = await asyncio.to_thread(conversations.create, kb.id, principal.tenant)
    else:
        conversation = await asyncio.to_thread(conversations.get, body.conversation_id, principal.tenant)
        if body.kb is not None:
            kb = await find_kb(service, body.kb, principal)
        else:
            by_id = service.workspace.catalog.knowledge_base_by_id
            kb = await asyncio.to_thread(by_id, conversation.knowledge_base_id)
    history = await asyncio.to_thread(conversations.history, conversation.id, TURNS)
    message_id = await asyncio.to_thread(conversations.ask, conversation.id, body.question, principal.tenant)
    asked = (body.engine, body.style, body.filters.as_filters(), body.release, conversation.id)
    ask = Ask(body.question, kb, history, principal, *asked)
    return Turn(ask, conversation.id, message_id)


async def _events(service: Service, turn: Turn, request: Request) -> AsyncGenerator[bytes, None]:
    """The stream; the answer is stored before the customer reads that it is whole."""
    ids = {"conversation_id": turn.conversation_id, "message_id": turn.message_id}
    sources, shown, whole = 0, "", False
    try:
        yield sse("sources", {**ids, "sources": []})
        async with aclosing(answer_events(service, turn.ask)) as events:
            async for event in events:
                if isinstance(event, Sentence):
                    if len(event.citations) > sources:
                        sources = len(event.citations)
                        yield sse("sources", {**ids, "sources": [c.as_json() for c in event.citations]})
                    shown += spaced(shown, event.text)
                    yield sse("sentence", {"text": event.text})
                elif isinstance(event, Retracted):
                    sources, shown = 0, ""
                    fall = event.fall
                    yield sse("retracted", {"engine": fall.engine, "reason": fall.reason, "detail": fall.detail})
                else:
                    await asyncio.to_thread(service.conversations.answered, turn.message_id, event.answer)
                    whole = True
                    yield sse("done", _with_ids(event.answer, turn))
    except Exception as exc:  # noqa: BLE001 - the reply has begun: an error can only be its last event
        yield sse("error", body_of(exc, request)[1])
    finally:
        if not whole:
            await asyncio.to_thread(service.conversations.interrupted, turn.message_id, shown)


async def _whole(service: Service, turn: Turn) -> Answer:
    whole = False
    try:
        async with aclosing(answer_events(service, turn.ask, streamed=False)) as events:
            async for event in events:
                if isinstance(event, Done):
                    await asyncio.to_thread(service.conversations.answered, turn.message_id, event.answer)
                    whole = True
                    return event.answer
        raise RuntimeError("the chain ended without an answer")
    finally:
        if not whole:
            await asyncio.to_thread(service.conversations.interrupted, turn.message_id)


def _with_ids(answer: Answer, turn: Turn) -> dict[str, object]:
    return {**answer.as_json(), "conversation_id": turn.conversation_id, "message_id": turn.message_id}
