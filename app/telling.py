"""Conversations that are over with their first answer, because it was in memory: written many in one transaction.

One transaction waits for the disk once. Those who come while it does are written together by the next one.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Engine, insert

from app.conversations import MessageState, Status, title_of
from app.rag.answer import Answer
from ingest.database import ConversationRow, MessageRow

MOST_AT_ONCE = 64


@dataclass(frozen=True, slots=True)
class Told:
    """A question and its answer, and who wants to know where they are kept."""

    knowledge_base_id: str
    tenant: str
    question: str
    answer: Answer
    kept: asyncio.Future[tuple[str, int]]


class Telling:
    """Keeps questions with their answers; used by one event loop."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._waiting: list[Told] = []
        self._writer: asyncio.Task[None] | None = None

    async def told(self, knowledge_base_id: str, tenant: str, question: str, answer: Answer) -> tuple[str, int]:
        """Keep a new conversation of one question and its answer; returns its id and the answer's, once both are safe."""
        kept: asyncio.Future[tuple[str, int]] = asyncio.get_running_loop().create_future()
        self._waiting.append(Told(knowledge_base_id, tenant, question, answer, kept))
        if self._writer is None or self._writer.done():
            # A task of its own: who asked first may go away, and the others still wait.
            self._writer = asyncio.create_task(self._write())
        return await kept

    async def _write(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:MOST_AT_ONCE], self._waiting[MOST_AT_ONCE:]
            try:
                ids = await asyncio.to_thread(self._keep, batch)
            except Exception as exc:  # noqa: BLE001 - belongs to those who wait
                for each in batch:
                    if not each.kept.done():
                        each.kept.set_exception(exc)
                continue
            for each, found in zip(batch, ids, strict=True):
                if not each.kept.done():
                    each.kept.set_result(found)

    def _keep(self, batch: list[Told]) -> list[tuple[str, int]]:
        now, state = datetime.now(UTC), MessageState.COMPLETE.value
        names: list[str] = []
        conversations: list[dict[str, object]] = []
        messages: list[dict[str, object]] = []
        for told in batch:
            name = uuid.uuid4().hex
            names.append(name)
            conversations.append(
                {
                    "id": name, "tenant": told.tenant, "knowledge_base_id": told.knowledge_base_id,
                    "title": title_of(told.question), "status": Status.OPEN.value, "contact": "", "note": "",
                    "created_at": now, "updated_at": now,
                }
            )  # fmt: skip
            written = json.dumps(told.answer.as_json(), ensure_ascii=False)
            common = {"conversation_id": name, "state": state, "created_at": now}
            messages += [
                {**common, "role": "user", "text": told.question, "answer": ""},
                {**common, "role": "assistant", "text": told.answer.answer, "answer": written},
            ]
        ids = insert(MessageRow).returning(MessageRow.id, sort_by_parameter_order=True)
        with self._engine.begin() as connection:
            connection.execute(insert(ConversationRow), conversations)
            found = connection.scalars(ids, messages).all()
        return list(zip(names, found[1::2], strict=True))
