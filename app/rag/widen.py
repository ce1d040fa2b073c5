"""Which neighbours a passage is shown with: the rest of a list, of a table, of a sentence, of a short section. Pure: no I/O.

A passage is cut to what the embedder reads, and that is where a list or a table may end for the model, too. A neighbour is
added only where the cut shows, in the same section or its parent, and never across documents or versions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from app.rag.fusion import Fused
from ingest.index.base import Hit, chunk_id, writing_of

# Passages that are widened, from the best one on, and the tokens that all their neighbours may have together.
WIDENED, ROOM = 3, 512
# Tokens below which a passage says little by itself.
SHORT = 40
_ITEM = re.compile(r"\s*(?:[-*•]|\d{1,2}[.)、])\s*\S")
_OPEN = re.compile(r"[:：,，、;；]\s*$")
_ENDED = re.compile(r"[.!?。！？…][\"')\]”’」』）]*\s*$")
_RULE = re.compile(r"\|(?:---\|)+")

Payload = Mapping[str, Any]


def neighbours_of(fused: Sequence[Fused]) -> dict[str, tuple[str, ...]]:
    """Ids of the chunks that may belong to the best passages, by these passages' ids; those found anyway are left out."""
    found = {each.hit.id for each in fused}
    wanted = {}
    for each in fused[:WIDENED]:
        payload = each.hit.payload
        version, generation = writing_of(payload)
        around = [chunk_id(version, generation, ordinal) for ordinal in _ordinals(payload)]
        if ids := tuple(identity for identity in around if identity not in found):
            wanted[each.hit.id] = ids
    return wanted


def widened(passage: Hit, neighbours: Sequence[Hit], room: int = ROOM) -> list[Hit]:
    """A passage with those of its neighbours that it goes on in, in reading order.

    neighbours: chunks that may belong to it; of another writing or section they are left out.
    room:       tokens that they may have together.
    """
    own = passage.payload
    parts = [passage]
    for neighbour in sorted(neighbours, key=lambda hit: -int(hit.payload["ordinal"])):
        other = neighbour.payload
        after = int(other["ordinal"]) > int(own["ordinal"])
        goes_on = _goes_on(own, other) if after else _goes_on(other, own)
        short = _tokens(own) < SHORT and _related(own, other, after=after)
        if not _together(own, other) or not (goes_on or short) or _tokens(other) > room:
            continue
        room -= _tokens(other)
        parts.append(neighbour)
    return sorted(parts, key=lambda hit: int(hit.payload["ordinal"]))


def _ordinals(payload: Payload) -> Iterator[int]:
    """Places of the chunks that the passage may go on in; nothing is asked for where no cut shows."""
    ordinal, short = int(payload["ordinal"]), _tokens(payload) < SHORT
    lines = _lines(payload)
    if not lines:
        return
    first, last = lines[0], lines[-1]
    if short or not _ENDED.search(last) or _ITEM.match(last):
        yield ordinal + 1
    if ordinal and (short or _ITEM.match(first) or _header(lines) or first[0].islower()):
        yield ordinal - 1


def _together(own: Payload, other: Payload) -> bool:
    """Whether two chunks are of one writing, and of one sheet of it."""
    return writing_of(own) == writing_of(other) and own.get("sheet") == other.get("sheet")


def _goes_on(one: Payload, following: Payload) -> bool:
    """Whether a chunk was cut from the one before it in the middle of something."""
    above, below = _lines(one), _lines(following)
    if not above or not below or list(one["heading_path"]) != list(following["heading_path"]):
        return False
    last, first = above[-1], below[0]
    if last.startswith("|"):
        header = _header(above)
        return bool(header) and header == _header(below)
    if _ITEM.match(first):
        return bool(_ITEM.match(last) or _OPEN.search(last))
    return bool(_OPEN.search(last)) or (not _ENDED.search(last) and first[0].islower())


def _related(own: Payload, other: Payload, *, after: bool) -> bool:
    """Whether a short passage's neighbour is of its section; before it also the introduction of the section around it."""
    path, around = list(own["heading_path"]), list(other["heading_path"])
    if after:
        return around[: len(path)] == path and bool(path)
    return bool(around) and path[: len(around)] == around


def _tokens(payload: Payload) -> int:
    """Tokens of a chunk; one that does not say so counts as whole."""
    return int(payload.get("tokens", SHORT))


def _header(lines: Sequence[str]) -> str:
    """The names of a table's columns; "" where there is no table."""
    return next((lines[i - 1] for i, line in enumerate(lines) if i and _RULE.fullmatch(line)), "")


def _lines(payload: Payload) -> list[str]:
    return [line for line in str(payload["text"]).split("\n") if line.strip()]
