"""What of the passages an engine is shown, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from app.rag.draft import Draft
from serving.engines import ChatEngine
from serving.extractive import Evidence
from serving.passages import Passage, Window, in_stable_order
from serving.prompts import render_passage

# Windows that a small model is given.
FOCUS_WINDOWS = 4
# Tokens that a prompt has beside passages and question.
INSTRUCTION = 200


def in_order(passages: list[Passage], question: str, engine: ChatEngine, draft: Draft) -> list[Passage]:
    """The passages in an order of their own, where all of them fit: what does not is left out from the last one on."""
    needed = engine.count_tokens("\n\n".join([question, *map(render_passage, passages)]))
    if needed + INSTRUCTION > engine.context:
        return passages
    ordered = in_stable_order(passages)
    own = {passage.chunk_id: passage.n for passage in passages}
    draft.numbers = {passage.n: own[passage.chunk_id] for passage in ordered}
    return ordered


def focused(evidence: Sequence[Evidence]) -> list[Passage]:
    """The best evidence alone, as short passages: a small model is lost in anything longer (docs/experiments.md)."""
    chosen: dict[int, list[Window]] = {}
    for each in evidence[:FOCUS_WINDOWS]:
        chosen.setdefault(each.window.passage.n, []).append(each.window)
    return [
        replace(found[0].passage, text="\n".join(w.text for w in sorted(found, key=lambda w: w.position)))
        for found in chosen.values()
    ]
