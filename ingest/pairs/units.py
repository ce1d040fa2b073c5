"""A passage as pair rules read it: tables, steps, sentences, labelled lines. Pure: no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.chunk import split_sentences

_CELL = re.compile(r"(?<!\\)\|")
_RULE = re.compile(r"\|(?:\s*:?-{3,}:?\s*\|)+")
_STEP = re.compile(r"^\s{0,3}(\d{1,2})(?:[.)、）]\s*|\s+)(?=[^\W\d]|[“\"'《「(（])(.+)$")
_BULLET = re.compile(r"^\s*(?:[-*•·▪–]|\d{1,2}[.)、）]|[a-z][.)]|[①-⑳]|（\d{1,2}）)\s*")
# Lines of a table of contents, numbers of a drawing, a running title with its page.
_DOTS = re.compile(r"(?:\.\s?){4,}|…{2,}|·{4,}")
_NUMBERS = re.compile(r"^[\d\s.,|/\-]*$")
_RUNNING = re.compile(r"^\d{1,2}(?:\.\d+)* \S.{1,60} \d{1,3}$")
_NOTES = re.compile(r"^Notes: ")
# What stands before the words of a heading: "3.2", "一、", "（二）", "Step 4:", "§ 7", "第三条".
_HEAD_NUMBER = re.compile(
    r"^\s*(?:(?:step|part|chapter|section|appendix|annex)\s+(?:\d+|[A-Z])\s*[:.：\-–—]\s*|步骤\s*[\d一二三四五六七八九十]+\s*[:：.、]?\s*|"
    r"第\s*[\d一二三四五六七八九十百]+\s*[章节条步部分篇]+\s*[:：、]?\s*|[一二三四五六七八九十]{1,3}\s*[、.．]\s*|[（(][\d一二三四五六七八九十]{1,3}[）)]\s*|"
    r"§+\s*\d+(?:\.\d+)*\s*|\d{1,2}(?:\.\d{1,2})*[.)、．]\s*|\d{1,2}(?:\.\d{1,2})*\s+(?=[^\W\d]))",
    re.IGNORECASE,
)
_LABELLED = re.compile(r"^\s*(?:[-*•·]\s*)?(?:\d{1,2}[.)、]\s*)?([^\s:：|][^:：|]{0,38}?)\s*(?:：|:\s)\s*(\S.*)$")
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Row:
    """A table row: its cells, and the line as it stands in the passage."""

    cells: tuple[str, ...]
    line: str


@dataclass(frozen=True, slots=True)
class TableBlock:
    """A table of a passage with its header; rows that are not as wide as the header are left out."""

    header: tuple[str, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Steps:
    """A numbered list, from 1 on.

    span:   the whole of it as it stands in the passage.
    before: the line that leads to it, "" for none.
    at_end: nothing stands behind it, so it may go on in the next passage.
    """

    items: tuple[str, ...]
    span: str
    before: str
    at_end: bool


def clean_heading(heading: str) -> str:
    """A heading without its number and closing signs."""
    bare = " ".join(heading.split())
    for _ in range(2):
        bare = _HEAD_NUMBER.sub("", bare, count=1)
    return bare.strip(" :：.。#*-–—")


def is_furniture(line: str) -> bool:
    """Whether a line is of the page and not of the text: contents, running titles, bare numbers."""
    bare = line.strip()
    return bool(_DOTS.search(bare) or _NUMBERS.match(bare) or (_RUNNING.match(bare) and not bare.endswith((".", "。"))))


def cells_of(line: str) -> tuple[str, ...]:
    """Cells of a Markdown row."""
    return tuple(cell.strip().replace("\\|", "|").replace("\\_", "_") for cell in _CELL.split(line)[1:-1])


def tables_of(text: str) -> list[TableBlock]:
    """Tables with a header and at least one row."""
    found: list[TableBlock] = []
    lines = text.split("\n")
    position = 0
    while position + 1 < len(lines):
        if not (lines[position].startswith("|") and _RULE.fullmatch(lines[position + 1].strip())):
            position += 1
            continue
        header = cells_of(lines[position])
        rows = []
        position += 2
        while position < len(lines) and lines[position].startswith("|"):
            cells = cells_of(lines[position])
            if len(cells) == len(header):
                rows.append(Row(cells, lines[position]))
            position += 1
        if rows:
            found.append(TableBlock(header, tuple(rows)))
    return found


def prose_lines(text: str) -> list[str]:
    """Lines that are no table and no furniture; "" where a paragraph ends."""
    lines = [line for line in text.split("\n") if not line.startswith("|")]
    kept = ["" if not line.strip() else line for line in lines if not line.strip() or not is_furniture(line)]
    return [_NOTES.sub("", line) for line in kept]


def paragraphs_of(text: str) -> list[str]:
    """Paragraphs of prose, list items each by themselves."""
    found: list[str] = []
    held: list[str] = []
    for line in [*prose_lines(text), ""]:
        if held and (not line or _BULLET.match(line)):
            found.append("\n".join(held))
            held = []
        if line:
            held.append(line)
    return found


def is_item(paragraph: str) -> bool:
    """Whether a paragraph is an item of a list."""
    return bool(_BULLET.match(paragraph))


def sentences_of(text: str) -> list[str]:
    """Sentences of running text; items of lists and headings among them are left out."""
    return [
        sentence
        for paragraph in paragraphs_of(text)
        if not is_item(paragraph)
        for sentence in split_sentences(paragraph)
        if sentence.endswith((".", "!", "。", "！", "”", "；"))
    ]


def items_of(text: str) -> list[str]:
    """Items of lists, without their bullets."""
    return [_BULLET.sub("", p, count=1).strip() for p in paragraphs_of(text) if is_item(p)]


def units_of(text: str) -> list[str]:
    """Everything that a passage says, piece by piece: sentences, items, rows with their header's names."""
    rows = [
        "; ".join(f"{name}: {cell}" for name, cell in zip(block.header, row.cells, strict=True))
        for block in tables_of(text)
        for row in block.rows
    ]
    return [*rows, *(sentence for paragraph in paragraphs_of(text) for sentence in split_sentences(paragraph))]


def labelled_lines(text: str) -> Iterator[tuple[str, str, str]]:
    """(label, value, line) of lines like "Model: FD-200"; values that are only a list's beginning are left out."""
    for line in prose_lines(text):
        match = _LABELLED.match(line)
        if match and not line.rstrip().endswith((":", "：")) and "://" not in line[: match.start(2) + 2]:
            yield match[1].strip(), match[2].strip(), line


def steps_of(text: str) -> list[Steps]:
    """Numbered lists of two steps or more."""
    lines = text.split("\n")
    found: list[Steps] = []
    position = 0
    while position < len(lines):
        match = _STEP.match(lines[position])
        if match is None or match[1] != "1":
            position += 1
            continue
        steps, last = _steps_from(lines, position)
        if len(steps) >= 2:
            before = next((line.strip() for line in reversed(lines[:position]) if line.strip()), "")
            rest = "".join(line for line in lines[last + 1 :] if not is_furniture(line)).strip()
            span = "\n".join(lines[position : last + 1])
            found.append(Steps(tuple(steps), span, before, not rest))
        position = last + 1
    return found


def _steps_from(lines: list[str], start: int) -> tuple[list[str], int]:
    """The items of the list that begins on a line, and its last line; what is indented below an item belongs to it."""
    items: list[str] = []
    last = start
    position = start
    while position < len(lines):
        line = lines[position]
        match = _STEP.match(line)
        if match and int(match[1]) == len(items) + 1:
            items.append(match[2].strip())
            last = position
        elif line.startswith("  ") and line.strip() and last == position - 1:
            last = position
        elif line.strip() and (match or not _goes_on(lines, position, len(items) + 1)):
            break
        position += 1
    return items, last


def _goes_on(lines: list[str], position: int, number: int) -> bool:
    """Whether the next item follows within a few lines: pictures and remarks stand between steps."""
    ahead = (_STEP.match(line) for line in lines[position : position + 7])
    return any(match is not None and int(match[1]) == number for match in ahead)


def verbatim(span: str, text: str) -> str:
    """The place of a text that holds a span, as it stands there; white space does not count. "" where there is none."""
    if span in text:
        return span
    parts = [re.escape(char) for char in span if not char.isspace()]
    if not parts or len(parts) > 4000 or squeezed(span) not in squeezed(text):
        return ""
    match = re.search(r"\s*".join(parts), text)
    return match[0] if match else ""


def squeezed(text: str) -> str:
    """A text without any white space, for comparing."""
    return _SPACE.sub("", text)
