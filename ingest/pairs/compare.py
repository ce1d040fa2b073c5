"""Comparisons over two passages: the same column, another thing. Pure: no I/O."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator

from ingest.pairs.records import Draft, SourceChunk, Style
from ingest.pairs.rules_table import Cell, attribute_en, cells, valued
from ingest.pairs.topics import Corpus, is_chinese, naming_codes
from ingest.pairs.units import tables_of
from ingest.pairs.words import ATTRIBUTE_ZH

WRITER = "rule:comparison"
# Cells that are kept of a column, and pairs that are made of it.
_KEPT, _MADE = 40, 3


def comparisons(chunks: Iterable[SourceChunk], corpus: Corpus) -> Iterator[Draft]:
    """Pairs that need two passages: what two products, each in a table of its own, differ in.

    Only things with a product code are compared: of others nobody knows whether they can be.
    """
    columns: dict[tuple[str, str, str], list[tuple[Cell, SourceChunk]]] = defaultdict(list)
    for chunk in chunks:
        for block in tables_of(chunk.text):
            for cell in cells(block, chunk, corpus):
                key = (cell.attribute.lower(), cell.unit, cell.thing_column)
                if _can_be_compared(cell) and len(columns[key]) < _KEPT:
                    columns[key].append((cell, chunk))
    for found in columns.values():
        yield from _pairs(found)


# Names and numbers of things always differ, and nobody asks how.
_IDENTITY = re.compile(
    r"\b(?:name|number|group|category|type|code|id)$|(?:编号|货号|名称|类别|类型|型号|代码|编码)$", re.IGNORECASE
)


def _can_be_compared(cell: Cell) -> bool:
    asked = ATTRIBUTE_ZH.search(cell.attribute) if is_chinese(cell.attribute) else attribute_en(cell.attribute)
    return (
        bool(asked)
        and not _IDENTITY.search(cell.attribute)
        and len(naming_codes(cell.thing)) == 1
        and len(cell.thing.split()) <= 2
        and len(cell.value) <= 40
    )


def _pairs(found: list[tuple[Cell, SourceChunk]]) -> Iterator[Draft]:
    made = 0
    used: set[str] = set()
    ordered = sorted(
        found, key=lambda entry: hashlib.sha256(f"{entry[0].thing}{entry[0].attribute}".encode()).hexdigest()
    )
    for i, (one, first) in enumerate(ordered):
        for other, second in ordered[i + 1 :]:
            differ = (
                first.id != second.id
                and naming_codes(one.thing) != naming_codes(other.thing)
                and one.value != other.value
            )
            # WM-700 and WM-900 are of one kind; what a washing machine and a lamp hold cannot be compared.
            if (
                differ
                and _line(one.thing) == _line(other.thing)
                and not {one.thing, other.thing} & used
                and made < _MADE
            ):
                made += 1
                used |= {one.thing, other.thing}
                yield _draft(one, other, first, second)


def _line(thing: str) -> str:
    return "".join(itertools.takewhile(str.isalpha, thing)).lower()


def _draft(one: Cell, other: Cell, first: SourceChunk, second: SourceChunk) -> Draft:
    if is_chinese(one.attribute):
        question = f"{one.thing} 和 {other.thing} 的{one.attribute}有什么不同？"
        answer = (
            f"{one.thing} 的{one.attribute}是 {valued(one)}。\n{other.thing} 的{other.attribute}是 {valued(other)}。"
        )
    else:
        name = attribute_en(one.attribute)
        question = f"How do {one.thing} and {other.thing} differ in {name}?"
        answer = f"The {name} of {one.thing} is {valued(one)}.\nThe {name} of {other.thing} is {valued(other)}."
    language = "zh" if is_chinese(question) else "en"
    return Draft(question, answer, (first, second), WRITER, language, one.row.line, style=Style.COMPARISON)
