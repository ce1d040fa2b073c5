"""Curated answers as both the API and the commands list them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ingest.curated import CuratedAnswer, CuratedState
from ingest.written import holds_words

# What keeps an answer from customers, or makes it doubtful, because of its source.
_TO_LOOK_AT = (CuratedState.STALE, CuratedState.SOURCE_GONE)


@dataclass(frozen=True, slots=True)
class Page:
    """Some curated answers; ``total`` of those that were asked for, ``stale`` of all."""

    found: list[CuratedAnswer]
    total: int
    stale: int


def page_of(curated: Sequence[CuratedAnswer], search: str, state: CuratedState | None, limit: int, offset: int) -> Page:
    """Those with all words of a search and in a state, a part of them."""
    now = datetime.now(UTC)
    stale = sum(each.state(now) in _TO_LOOK_AT for each in curated)
    found = [each for each in curated if state in (None, each.state(now)) and holds_words(_text(each), search)]
    return Page(found[offset : offset + limit], len(found), stale)


def _text(curated: CuratedAnswer) -> str:
    return "\n".join((*curated.draft.questions, curated.draft.answer, curated.draft.source))


def curated_json(curated: CuratedAnswer) -> dict[str, Any]:
    """A curated answer for a command, moments in ISO 8601."""
    draft = curated.draft
    return {
        "id": curated.id,
        "questions": list(draft.questions),
        "answer": draft.answer,
        "language": draft.language,
        "source": draft.source,
        "enabled": draft.enabled,
        "valid_from": draft.valid_from.isoformat() if draft.valid_from else None,
        "valid_until": draft.valid_until.isoformat() if draft.valid_until else None,
        "state": curated.state(datetime.now(UTC)).value,
    }
