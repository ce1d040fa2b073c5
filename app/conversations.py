"""Conversations: what customers asked and were told, kept so that a restart, a reload or a person can go on from there.

A question is stored before anybody works on it, its answer before the customer is told that it is whole.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Engine, Select, delete, func, select, update
from sqlalchemy.orm import Session

from app.rag.answer import Answer
from ingest.database import ConversationRow, MessageRow
from ingest.errors import NotFound
from serving.prompts import Message

_TITLE_LENGTH = 80


class Status(StrEnum):
    """Who has to do something: nobody, a person of the company, or nobody any more."""

    OPEN = "open"
    WAITING = "waiting"
    CLOSED = "closed"


class MessageState(StrEnum):
    """``pending`` while an answer is being written; ``interrupted`` when that ended without one."""

    COMPLETE = "complete"
    PENDING = "pending"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True)
class Conversation:
    """A conversation without its messages."""

    id: str
    knowledge_base_id: str
    title: str
    status: Status
    contact: str
    note: str
    messages: int
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """A question or an answer; ``answer`` is the whole answer as ``Answer.as_json`` gave it, {} for questions."""

    id: int
    role: str
    state: MessageState
    text: str
    answer: dict[str, Any]
    created_at: datetime


class Conversations:
    """Conversations over an open database; every method blocks and is one transaction."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @contextmanager
    def _session(self) -> Iterator[Session]:
        with Session(self._engine) as session, session.begin():
            yield session

    def create(self, knowledge_base_id: str, tenant: str = "default") -> Conversation:
        """Begin a conversation; its id cannot be guessed."""
        row = ConversationRow(
            id=uuid.uuid4().hex,
            tenant=tenant,
            knowledge_base_id=knowledge_base_id,
            title="",
            status=Status.OPEN,
            contact="",
            note="",
        )
        with self._session() as session:
            session.add(row)
            session.flush()
            return _conversation(row, 0)

    def get(self, conversation_id: str, tenant: str = "default") -> Conversation:
        """One conversation.

        Raises:
            NotFound: the tenant has none of that id.
        """
        with self._session() as session:
            row = self._row(session, conversation_id, tenant)
            return _conversation(row, self._counts(session, [row.id]).get(row.id, 0))

    def page(
        self,
        tenant: str = "default",
        *,
        status: Status | None = None,
        knowledge_base_id: str | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> tuple[list[Conversation], int]:
        """Conversations, the latest first, and how many there are in all."""
        query: Select[ConversationRow] = select(ConversationRow).where(ConversationRow.tenant == tenant)
        if status is not None:
            query = query.where(ConversationRow.status == status)
        if knowledge_base_id is not None:
            query = query.where(ConversationRow.knowledge_base_id == knowledge_base_id)
        with self._session() as session:
            total = session.scalar(select(func.count()).select_from(query.subquery())) or 0
            latest = query.order_by(ConversationRow.updated_at.desc(), ConversationRow.id).limit(limit).offset(offset)
            rows = list(session.scalars(latest))
            counts = self._counts(session, [row.id for row in rows])
            return [_conversation(row, counts.get(row.id, 0)) for row in rows], total

    def messages(self, conversation_id: str, tenant: str = "default") -> list[StoredMessage]:
        """All messages, oldest first.

        Raises:
            NotFound: the tenant has no such conversation.
        """
        with self._session() as session:
            self._row(session, conversation_id, tenant)
            query = select(MessageRow).where(MessageRow.conversation_id == conversation_id).order_by(MessageRow.id)
            return [_message(row) for row in session.scalars(query)]

    def history(self, conversation_id: str, turns: int) -> tuple[Message, ...]:
        """The last turns that were answered, as a prompt wants them, oldest first."""
        query = (
            select(MessageRow)
            .where(MessageRow.conversation_id == conversation_id, MessageRow.state == MessageState.COMPLETE)
            .order_by(MessageRow.id.desc())
            .limit(2 * turns)
        )
        with self._session() as session:
            return tuple(Message(row.role, row.text) for row in reversed(list(session.scalars(query))))

    def ask(self, conversation_id: str, question: str, tenant: str = "default") -> int:
        """Store a question and an answer to come; returns the answer's id.

        Raises:
            NotFound: the tenant has no such conversation.
        """
        with self._session() as session:
            row = self._row(session, conversation_id, tenant)
            row.title = row.title or title_of(question)
            row.updated_at = datetime.now(UTC)
            state = MessageState.COMPLETE
            session.add(MessageRow(conversation_id=row.id, role="user", state=state, text=question, answer=""))
            session.flush()
            answer = MessageRow(
                conversation_id=row.id, role="assistant", state=MessageState.PENDING, text="", answer=""
            )
            session.add(answer)
            session.flush()
            return answer.id

    def answered(self, message_id: int, answer: Answer) -> None:
        """The answer is whole."""
        written = json.dumps(answer.as_json(), ensure_ascii=False)
        self._end(message_id, state=MessageState.COMPLETE, text=answer.answer, answer=written)

    def interrupted(self, message_id: int, text: str = "") -> None:
        """There will be no whole answer: an error, or the customer has gone."""
        self._end(message_id, state=MessageState.INTERRUPTED, text=text)

    def _end(self, message_id: int, **values: object) -> None:
        pending = (MessageRow.id == message_id, MessageRow.state == MessageState.PENDING)
        with self._session() as session:
            session.execute(update(MessageRow).where(*pending).values(**values))

    def recover(self) -> int:
        """Mark answers that a dead process was writing; returns how many there were."""
        pending = MessageRow.state == MessageState.PENDING
        with self._session() as session:
            ended = session.scalars(
                update(MessageRow).where(pending).values(state=MessageState.INTERRUPTED).returning(MessageRow.id)
            )
            return len(ended.all())

    def hand_off(self, conversation_id: str, contact: str, note: str, tenant: str = "default") -> Conversation:
        """The customer asks for a person.

        Raises:
            NotFound: the tenant has no such conversation.
        """
        return self._change(conversation_id, tenant, status=Status.WAITING, contact=contact, note=note)

    def close(self, conversation_id: str, tenant: str = "default") -> Conversation:
        """A person has taken care of it.

        Raises:
            NotFound: the tenant has no such conversation.
        """
        return self._change(conversation_id, tenant, status=Status.CLOSED)

    def delete(self, conversation_id: str, tenant: str = "default") -> None:
        """Forget a conversation with all its messages.

        Raises:
            NotFound: the tenant has no such conversation.
        """
        with self._session() as session:
            row = self._row(session, conversation_id, tenant)
            session.execute(delete(MessageRow).where(MessageRow.conversation_id == row.id))
            session.delete(row)

    def _change(self, conversation_id: str, tenant: str, **values: str) -> Conversation:
        with self._session() as session:
            row = self._row(session, conversation_id, tenant)
            for name, value in values.items():
                setattr(row, name, value)
            row.updated_at = datetime.now(UTC)
            return _conversation(row, self._counts(session, [row.id]).get(row.id, 0))

    @staticmethod
    def _row(session: Session, conversation_id: str, tenant: str) -> ConversationRow:
        row = session.get(ConversationRow, conversation_id)
        if row is None or row.tenant != tenant:
            raise NotFound(f"no conversation with the id {conversation_id!r}: begin a new one")
        return row

    @staticmethod
    def _counts(session: Session, ids: list[str]) -> dict[str, int]:
        query = select(MessageRow.conversation_id, func.count()).where(MessageRow.conversation_id.in_(ids))
        return dict(session.execute(query.group_by(MessageRow.conversation_id)).all())


def title_of(question: str) -> str:
    """What a conversation is called by: its first question, cut."""
    return " ".join(question.split())[:_TITLE_LENGTH]


def _conversation(row: ConversationRow, messages: int) -> Conversation:
    return Conversation(
        id=row.id,
        knowledge_base_id=row.knowledge_base_id,
        title=row.title,
        status=Status(row.status),
        contact=row.contact,
        note=row.note,
        messages=messages,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def _message(row: MessageRow) -> StoredMessage:
    return StoredMessage(
        id=row.id,
        role=row.role,
        state=MessageState(row.state),
        text=row.text,
        answer=json.loads(row.answer) if row.answer else {},
        created_at=row.created_at,
    )
