"""/v1: the same answers for whoever speaks OpenAI's API: its client, LangChain's ChatOpenAI, other chat front ends."""

from __future__ import annotations

import asyncio
import base64
import json
import time
import uuid
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import numpy as np
from fastapi import APIRouter, Request
from fastapi.responses import Response

from app.api.answering import answer_at_once, answer_events, find_kb, spaced, whole_answer
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.errors import body_of
from app.api.examples import COMPLETION_CHUNKS, EVENT_SCHEMA
from app.api.models import Text
from app.api.openai_models import (
    Completion,
    CompletionRequest,
    Embedding,
    Embeddings,
    EmbeddingsRequest,
    EmbeddingsUsage,
    Model,
    ModelList,
)
from app.api.stream import EventStream, unless_gone
from app.errors import UsageError
from app.rag.answer import Answer, Ask, Citation, Outcome, Retracted, Sentence
from app.service import Service
from ingest.errors import NotFound
from ingest.records import KnowledgeBase
from ingest.schema import EVERYTHING, Principal
from serving.engines import EXTRACTIVE
from serving.prompts import Message

router = APIRouter(prefix="/v1", tags=["OpenAI-compatible"])
# Texts up to so many characters whose tokens are remembered.
_COUNTED_CHARS = 4000
DONE = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as the chain understands it, with what its replies have in common."""

    ask: Ask
    id: str
    created: int
    model: str
    prompt_tokens: int


@router.get("/models")
async def list_models(service: ServiceOf, principal: Authenticated) -> ModelList:
    """Every knowledge base, and every knowledge base with each release."""
    bases = await asyncio.to_thread(service.workspace.catalog.knowledge_bases, principal.tenant)
    names = ["", *(f"@{release}" for release in _releases(service))]
    return ModelList(data=[_model(kb, name) for kb in bases for name in names])


@router.get("/models/{model:path}")
async def show_model(model: Text, service: ServiceOf, principal: Authenticated) -> Model:
    """One of them."""
    kb, _ = await _resolve(service, model, principal)
    return _model(kb, model[len(kb.name) :])


@router.post(
    "/chat/completions",
    response_model=Completion,
    responses={200: {"content": {"text/event-stream": {"schema": EVENT_SCHEMA, "example": COMPLETION_CHUNKS}}}},
)
async def complete(
    body: CompletionRequest, request: Request, service: ServiceOf, principal: Authenticated
) -> Response | Completion:
    """Answer the last message; sources are in `choices[0].message.citations`, streamed in the last chunk's `citations`."""
    ask = await _question(service, body, principal)
    if not body.stream and (known := answer_at_once(service, ask)) is not None:
        asked = await _asked(service, ask, body)
        # It fits the contract already: validating it again would cost more than finding it.
        written = json.dumps(await _reply(service, asked, known), ensure_ascii=False)
        return Response(written, media_type="application/json")
    asked = await _asked(service, ask, body)
    if body.stream:
        usage = bool(body.stream_options and body.stream_options.include_usage)
        return EventStream(_chunks(service, asked, request, usage))
    answer = await unless_gone(request, whole_answer(service, asked.ask))
    return Completion.model_validate(await _reply(service, asked, answer))


async def _reply(service: Service, asked: Asked, answer: Answer) -> dict[str, Any]:
    message = {
        "role": "assistant",
        "content": answer.answer,
        "refusal": None,
        "citations": _citations(answer.citations),
    }
    return {
        "id": asked.id,
        "object": "chat.completion",
        "created": asked.created,
        "model": asked.model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}],
        "usage": await _usage(service, asked, answer.answer),
        "frontdesk": _frontdesk(answer),
    }


@router.post("/embeddings")
async def embed(body: EmbeddingsRequest, request: Request, service: ServiceOf, principal: Authenticated) -> Embeddings:
    """Unit vectors of texts by the embedder that the index is made with, whatever `model` says."""
    embedder, texts = service.workspace.embedder, body.texts
    if body.dimensions not in (None, embedder.size):
        raise UsageError(f"dimensions: this embedder makes {embedder.size}; leave it out")
    # The worker embeds documents; these few texts go through the embedder that questions use.
    vectors = await unless_gone(request, asyncio.to_thread(embedder.embed_documents, texts))
    tokens = sum(await asyncio.to_thread(embedder.count_tokens, texts))
    as_floats = body.encoding_format != "base64"
    data = [
        Embedding(
            index=n,
            embedding=[float(value) for value in vector]
            if as_floats
            else base64.b64encode(np.asarray(vector, dtype="<f4").tobytes()).decode(),
        )
        for n, vector in enumerate(vectors)
    ]
    usage = EmbeddingsUsage(prompt_tokens=tokens, total_tokens=tokens)
    return Embeddings(data=data, model=embedder.name, usage=usage)


async def _question(service: Service, body: CompletionRequest, principal: Principal) -> Ask:
    kb, engine = await _resolve(service, body.model, principal)
    question = body.messages[-1].text
    service.check_question(question)
    spoken = [Message(m.role, m.text) for m in body.messages[:-1] if m.role in ("user", "assistant") and m.text.strip()]
    filters = body.filters.as_filters() if body.filters else EVERYTHING
    return Ask(question, kb, tuple(spoken), principal, engine, filters=filters)


async def _asked(service: Service, ask: Ask, body: CompletionRequest) -> Asked:
    tokens = await _tokens(service, [*(m.content for m in ask.history), ask.question])
    return Asked(ask, f"chatcmpl-{uuid.uuid4().hex}", int(time.time()), body.model, tokens)


async def _tokens(service: Service, texts: Sequence[str]) -> int:
    """Tokens of some texts; those counted lately need no thread."""
    known = {text: count for text in texts if (count := service.counted.get(text)) is not None}
    new = [text for text in dict.fromkeys(texts) if text not in known]
    if new:
        made = await asyncio.to_thread(service.workspace.embedder.count_tokens, new)
        for text, count in zip(new, made, strict=True):
            known[text] = count
            if len(text) <= _COUNTED_CHARS:
                service.counted[text] = count
    return sum(known[text] for text in texts)


def _releases(service: Service) -> dict[str, str]:
    """Engine of each release that can be asked for by name; the extractive answer counts as one."""
    found = {engine.release: engine.name for engine in service.workspace.engines if engine.present}
    return {**found, EXTRACTIVE: EXTRACTIVE}


async def _resolve(service: Service, model: str, principal: Principal) -> tuple[KnowledgeBase, str | None]:
    """Knowledge base and pinned engine of a model's name.

    Raises:
        NotFound: there is no such knowledge base or release.
    """
    name, at, release = model.partition("@")
    releases = _releases(service)
    if at and release not in releases:
        raise NotFound(f"no release named {release!r} (there are: {', '.join(sorted(releases))})")
    return await find_kb(service, name, principal), releases[release] if at else None


async def _chunks(service: Service, asked: Asked, request: Request, usage: bool) -> AsyncGenerator[bytes, None]:
    """The answer in pieces; what a client has read cannot be taken back, so a broken answer ends where it broke."""
    shown = ""
    citations: tuple[Citation, ...] = ()
    try:
        yield _chunk(asked, {"role": "assistant", "content": ""})
        ended: Answer | None = None
        async with aclosing(answer_events(service, asked.ask)) as events:
            async for event in events:
                if isinstance(event, Sentence):
                    piece = spaced(shown, event.text)
                    shown, citations = shown + piece, event.citations
                    yield _chunk(asked, {"content": piece})
                elif isinstance(event, Retracted):
                    # Its sentences were checked one by one: they stand, and so do their sources.
                    fall = event.fall
                    ended = Answer(shown, Outcome.ANSWERED, citations, engine=fall.engine, fallen=(fall,))
                    break
                else:
                    ended = event.answer
                    if not shown:
                        yield _chunk(asked, {"content": ended.answer})
        if ended is None:
            raise RuntimeError("the chain ended without an answer")
        extra = {"citations": _citations(ended.citations), "frontdesk": _frontdesk(ended)}
        yield _chunk(asked, {}, finish_reason="stop", **extra)
        if usage:
            counted = await _usage(service, asked, ended.answer)
            yield _data({**_head(asked), "choices": [], "usage": counted})
        yield DONE
    except Exception as exc:  # noqa: BLE001 - the reply has begun: an error can only be its last event
        yield _data(body_of(exc, request)[1])


def _head(asked: Asked) -> dict[str, Any]:
    return {"id": asked.id, "object": "chat.completion.chunk", "created": asked.created, "model": asked.model}


def _chunk(asked: Asked, delta: dict[str, Any], finish_reason: str | None = None, **extra: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return _data({**_head(asked), "choices": [choice], **extra})


def _data(value: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(value, ensure_ascii=False)}\n\n".encode()


async def _usage(service: Service, asked: Asked, answer: str) -> dict[str, int]:
    written = await _tokens(service, [answer])
    total = asked.prompt_tokens + written
    return {"prompt_tokens": asked.prompt_tokens, "completion_tokens": written, "total_tokens": total}


def _citations(citations: Sequence[Citation]) -> list[dict[str, Any]]:
    return [citation.as_json() for citation in citations]


def _frontdesk(answer: Answer) -> dict[str, Any]:
    values = answer.as_json()
    keys = (
        "outcome",
        "engine",
        "release",
        "fallen",
        "language",
        "standalone_question",
        "standalone_by",
        "timings_ms",
        "cached",
    )
    return {key: values[key] for key in keys}


def _model(kb: KnowledgeBase, suffix: str) -> Model:
    return Model(id=f"{kb.name}{suffix}", created=int(kb.created_at.timestamp()))
