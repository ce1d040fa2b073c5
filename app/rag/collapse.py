"""Passages that say the same take one place among those that are shown. Pure: no I/O.

The same notice in two editions of a manual, or the same file in two folders, would take two of five places. Two passages say the
same if their words are the same in the same order, below the same title and headings. Only what a file's format makes of a text
may differ: line breaks, bullets, emphasis, the shape of quotation marks and dashes. One word is enough to make another rule of
it ("before" for "after", "may" for "must"), so that a share of common words will not do; and of two products' manuals that say
the same, a customer shall be shown the right one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

from app.rag.fusion import Fused
from ingest.sparse import product_codes

# Passages that are looked at for each one that is to be shown.
_LOOKED_AT = 4
# Full width last. Not NFKC: to it "10⁶" is 106.
_SHAPES: dict[int, int] = {
    **{ord(mark): ord('"') for mark in "“”„‟"},
    **{ord(mark): ord("'") for mark in "‘’‚‛"},
    **{ord(mark): ord("-") for mark in "‐‑‒–—−"},
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},
}
_BULLET = re.compile(r"^[ \t]*(?:-[ \t]+(?!\d)|[*•◦▪·][ \t]+|#{1,6}[ \t]+)", re.MULTILINE)
_EMPHASIS = re.compile(r"(?<!\w)(\*{1,3}|_{1,3})(?=\S)(.+?)(?<=\S)\1(?!\w)")
# Chinese is written without spaces, and a line of it that was broken is no other text.
_BROKEN = re.compile(r"(?<=[\u3000-\u9fff\uff00-\uffef])\s+|\s+(?=[\u3000-\u9fff\uff00-\uffef])")
_BETWEEN_NAMES = re.compile(r"[^\w-]+|_+")


@lru_cache(maxsize=20_000)
def bare(text: str) -> str:
    """A text without what a file's format makes of it; kept, for the same passages come back with every similar question."""
    plain = _BULLET.sub("", unicodedata.normalize("NFC", text))
    plain = _BROKEN.sub("", " ".join(_EMPHASIS.sub(r"\2", plain).split()))
    return plain.translate(_SHAPES)


def collapsed(fused: Sequence[Fused], limit: int) -> list[tuple[Fused, tuple[Fused, ...]]]:
    """The best passages that say different things, each with those that say the same.

    The one that is shown has the place of the best; it is the one that holds from the latest date on.
    """
    groups: dict[tuple[str, ...], list[Fused]] = {}
    for each in fused[: limit * _LOOKED_AT]:
        said = _said(each)
        if said in groups:
            groups[said].append(each)
        elif len(groups) < limit:
            groups[said] = [each]
    return [_shown(group) for group in groups.values()]


def _shown(group: Sequence[Fused]) -> tuple[Fused, tuple[Fused, ...]]:
    best = group[0]
    # The first of those that are equally late is the best of them.
    shown = max(group, key=lambda each: int(each.hit.payload.get("valid_from", 0)))
    others = tuple(each for each in group if each is not shown)
    return (Fused(shown.hit, best.score, shown.dense, shown.sparse) if shown is not best else best), others


def _said(fused: Fused) -> tuple[str, ...]:
    payload = fused.hit.payload
    # Of a passage without words nobody can tell what it says.
    said = bare(str(payload["text"])) or fused.hit.id
    # Files of two products may have one title: what tells them apart is the folder's name then, or the sheet's.
    products = " ".join(sorted(product_codes(_BETWEEN_NAMES.sub(" ", str(payload["document"])))))
    where = (str(payload["title"]), str(payload.get("sheet") or ""), *payload["heading_path"])
    return said, products, *map(bare, where)
