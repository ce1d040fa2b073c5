"""Pairs as trainers read them: Alpaca, ShareGPT and messages, one JSON object each. Pure functions.

Alpaca     {"instruction", "input", "output", "history": [[question, answer], ...]}
ShareGPT   {"conversations": [{"from": "human" | "gpt", "value"}], "system"}
messages   {"messages": [{"role": "system" | "user" | "assistant", "content"}]}

Passages, where they are asked for, stand in ``input``, ``system`` and the first message. The target of a pair that cannot be
answered is the refusal. What we know beyond that is in the field "frontdesk", by which ``reading.py`` finds the pair again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Any

from ingest.pairs.records import Pair, PairKind, SourceChunk, SourceRef, Turn

# The field that holds what trainers do not ask for.
OURS = "frontdesk"


class Format(StrEnum):
    """A way to write pairs."""

    ALPACA = "alpaca"
    SHAREGPT = "sharegpt"
    MESSAGES = "messages"


def written(pair: Pair, shape: Format, refusal: str, passages: Sequence[str] | None = None) -> dict[str, Any]:
    """A pair in a format.

    refusal:  the target of what cannot be answered.
    passages: texts of its sources, where they are to stand in the prompt.
    """
    answer = pair.answer if pair.kind is PairKind.ANSWERABLE else refusal
    context = "\n\n".join(passages or ())
    ours = {OURS: _ours(pair)}
    if shape is Format.ALPACA:
        return {
            "instruction": pair.question,
            "input": context,
            "output": answer,
            "history": _exchanges(pair.history),
            **ours,
        }
    turns = [*((turn.role, turn.text) for turn in pair.history), ("user", pair.question), ("assistant", answer)]
    if shape is Format.SHAREGPT:
        names = {"user": "human", "assistant": "gpt"}
        said = [{"from": names[role], "value": text} for role, text in turns]
        return {"conversations": said, "system": context, **ours}
    before = [("system", context)] if context else []
    return {"messages": [{"role": role, "content": text} for role, text in (*before, *turns)], **ours}


def lines(rows: Iterable[dict[str, Any]], *, array: bool = False) -> Iterator[str]:
    """Rows as JSON Lines, or as one JSON array; never all of them in memory."""
    if not array:
        for row in rows:
            yield json.dumps(row, ensure_ascii=False) + "\n"
        return
    before = "[\n"
    for row in rows:
        yield before + json.dumps(row, ensure_ascii=False)
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def passage_text(chunk: SourceChunk) -> str:
    """A passage as it stands in a prompt: where it is from, then its text."""
    where = " > ".join(dict.fromkeys(part for part in (chunk.title, *chunk.heading_path) if part))
    return f"{where}\n{chunk.text}" if where else chunk.text


def ref_json(ref: SourceRef) -> dict[str, Any]:
    """Where a pair came from, as JSON."""
    return {
        "chunk_id": ref.chunk_id,
        "text_hash": ref.text_hash,
        "version": ref.version,
        "document": ref.document,
        "heading_path": list(ref.heading_path),
    }


def _ours(pair: Pair) -> dict[str, Any]:
    return {
        "id": pair.id,
        "kb": pair.knowledge_base_id,
        "kind": pair.kind.value,
        "style": pair.style.value,
        "language": pair.language,
        "writer": pair.writer,
        "short": pair.short,
        "evidence": pair.evidence,
        "review": pair.review.value,
        "reviewer": pair.reviewer,
        "side": pair.side.value if pair.side else "",
        "filters": dict(pair.filters),
        # Whole, for exchanges of question and answer alone do not say where one of them is missing.
        "history": [[turn.role, turn.text] for turn in pair.history],
        "sources": [ref_json(ref) for ref in pair.sources],
    }


def _exchanges(history: Sequence[Turn]) -> list[list[str]]:
    found: list[list[str]] = []
    for turn in history:
        if turn.role == "user" or not found or found[-1][1]:
            found.append(["", ""])
        found[-1][0 if turn.role == "user" else 1] = turn.text
    return found
