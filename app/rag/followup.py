"""Follow-ups made standalone where names of the knowledge base and a model are at hand: rules first, then the model."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from app.rag.answer import Ask
from app.rag.condense import Standalone, as_asked, bounded, condense
from app.rag.retrieve import HybridSearch
from app.rag.rewrite import rewrite
from ingest.records import KnowledgeBase
from ingest.schema import EVERYTHING, PUBLIC, Filters, Principal
from serving.engines import ChatEngine
from serving.prompts import Message
from serving.tracing import NO_SPAN, Span

# Messages whose words are looked up among titles and headings.
_LOOKED_UP = 6
# Messages that a model is shown.
_SHOWN = 6


class FollowUps:
    """Makes follow-ups standalone; titles and headings come from what the asker may see."""

    def __init__(self, search: HybridSearch) -> None:
        self._search = search

    async def standalone(self, ask: Ask, engine: ChatEngine | None, span: Span = NO_SPAN) -> Standalone:
        """The question of an ask, standalone.

        engine: a model able to rewrite; a failure of it costs the rewriting, never the answer.
        span:   of the trace that a model server is told of.
        """
        by_rules = await asyncio.to_thread(
            self.by_rules, ask.knowledge_base, ask.history, ask.question, ask.principal, ask.filters
        )
        if engine is None or by_rules.by == "asked":
            return by_rules
        turns = bounded(ask.history)[-_SHOWN:]
        return await rewrite(turns, ask.question.strip(), by_rules, engine, headers=span.headers())

    def by_rules(
        self,
        kb: KnowledgeBase,
        history: Sequence[Message],
        question: str,
        principal: Principal = PUBLIC,
        filters: Filters = EVERYTHING,
    ) -> Standalone:
        """The same by rules alone; blocking (it looks up titles)."""
        turns = bounded(history)
        if not turns:
            return as_asked(question.strip())
        text = "\n".join([*(m.content for m in turns[-_LOOKED_UP:]), question])
        return condense(turns, question, self._search.titles_like(kb, text, principal, filters))
