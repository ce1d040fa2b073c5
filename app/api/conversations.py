"""/api/conversations: what was asked and answered, and customers who wait for a person."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query

from app.api.answering import find_kb, kb_name
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.models import (
    ConversationBody,
    ConversationPage,
    HandOff,
    KbName,
    MessageBody,
    NewConversation,
    Offset,
    Text,
    Transcript,
)
from app.conversations import Conversation, Status, StoredMessage
from app.service import Service

router = APIRouter(prefix="/api/conversations", tags=["conversations"])


@router.get("")
async def list_conversations(
    service: ServiceOf,
    principal: Authenticated,
    status: Status | None = None,
    kb: KbName | None = None,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Offset = 0,
) -> ConversationPage:
    """Conversations, the latest first."""
    base = await find_kb(service, kb, principal) if kb is not None else None

    def page() -> tuple[list[Conversation], int]:
        return service.conversations.page(
            principal.tenant,
            status=status,
            knowledge_base_id=base.id if base else None,
            limit=limit,
            offset=offset,
        )

    found, total = await asyncio.to_thread(page)
    return ConversationPage(conversations=[await _body(service, c) for c in found], total=total)


@router.post("", status_code=201)
async def create_conversation(body: NewConversation, service: ServiceOf, principal: Authenticated) -> ConversationBody:
    """Begin a conversation; /api/chat does it by itself when none is named."""
    kb = await find_kb(service, body.kb, principal)
    made = await asyncio.to_thread(service.conversations.create, kb.id, principal.tenant)
    return await _body(service, made)


@router.get("/{conversation_id}")
async def show_conversation(conversation_id: Text, service: ServiceOf, principal: Authenticated) -> Transcript:
    """A conversation with all its messages."""
    found = await asyncio.to_thread(service.conversations.get, conversation_id, principal.tenant)
    messages = await asyncio.to_thread(service.conversations.messages, conversation_id, principal.tenant)
    body = await _body(service, found)
    return Transcript(**body.model_dump(), messages=[_message(message) for message in messages])


@router.post("/{conversation_id}/handoff")
async def hand_off(
    conversation_id: Text, body: HandOff, service: ServiceOf, principal: Authenticated
) -> ConversationBody:
    """The customer asks for a person; the conversation waits for one."""
    changed = await asyncio.to_thread(
        service.conversations.hand_off, conversation_id, body.contact, body.note, principal.tenant
    )
    return await _body(service, changed)


@router.post("/{conversation_id}/close")
async def close_conversation(conversation_id: Text, service: ServiceOf, principal: Authenticated) -> ConversationBody:
    """A person has taken care of it."""
    return await _body(service, await asyncio.to_thread(service.conversations.close, conversation_id, principal.tenant))


@router.delete("/{conversation_id}", status_code=204)
async def delete_conversation(conversation_id: Text, service: ServiceOf, principal: Authenticated) -> None:
    """Forget a conversation with all its messages."""
    await asyncio.to_thread(service.conversations.delete, conversation_id, principal.tenant)


async def _body(service: Service, conversation: Conversation) -> ConversationBody:
    return ConversationBody(
        id=conversation.id,
        kb=await kb_name(service, conversation.knowledge_base_id),
        title=conversation.title,
        status=conversation.status,
        contact=conversation.contact,
        note=conversation.note,
        messages_count=conversation.messages,
        created_at=conversation.created_at,
        updated_at=conversation.updated_at,
    )


def _message(message: StoredMessage) -> MessageBody:
    return MessageBody.model_validate(
        {
            "id": message.id,
            "role": message.role,
            "text": message.text,
            "state": message.state,
            "outcome": message.answer.get("outcome"),
            "citations": message.answer.get("citations", []),
            "engine": message.answer.get("engine"),
            "created_at": message.created_at,
        }
    )
