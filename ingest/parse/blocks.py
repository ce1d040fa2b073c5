"""Collects the blocks of a document in reading order and turns them into Elements."""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.places import merged
from ingest.schema import Box, Element, ElementKind, Table

_BULLET = re.compile(
    r"[•‣◦▪■●○◆◇➢➤✓✔·∙\uf0b7\uf06c\uf0a7\uf0d8\uf06e–\-*]\s+(?=\S)|[•‣◦▪■●○◆➢➤✓✔\uf0b7\uf06c\uf0a7\uf0d8]"
)
_NUMBER = re.compile(
    r"\d{1,2}[.)](?:\s+|(?=[^\d\s]))(?=\S)|\d{1,2}、|[(（]\d{1,2}[)）]\s*|[①-⑳]\s*|[(（]?[a-z][)）]\s+|"
    r"[(（][一二三四五六七八九十]{1,3}[)）]"
)


def list_mark(text: str) -> tuple[str, str] | None:
    """The mark and the rest of a line that begins like a list item, else None.

    >>> list_mark("• Wear sunglasses")
    ('-', 'Wear sunglasses')
    """
    if match := _BULLET.match(text):
        return "-", text[match.end() :].strip()
    if match := _NUMBER.match(text):
        return match.group().strip(), text[match.end() :].strip()
    return None


class Blocks:
    """Appends blocks; items of one list and lines of one code block become one Element each.

    ``boxes`` says where a block stands, for formats that know it.
    """

    def __init__(self) -> None:
        self.page: int | None = None
        self.sheet: str | None = None
        self._elements: list[Element] = []
        self._items: list[str] = []
        self._item_boxes: list[Box] = []
        self._code: list[str] = []

    def heading(self, text: str, level: int, boxes: Sequence[Box] = ()) -> None:
        """A heading, level 1 (top) to 6."""
        if line := " ".join(text.split()):
            self._add(ElementKind.HEADING, line, boxes, level=min(max(level, 1), 6))

    def paragraph(self, text: str, boxes: Sequence[Box] = ()) -> None:
        """A paragraph; the line breaks its author set are kept."""
        # Line by line: a pattern would take the square of a long run of spaces.
        if text := "\n".join(stripped for line in text.split("\n") if (stripped := line.strip())):
            self._add(ElementKind.PARAGRAPH, text, boxes)

    def item(self, text: str, mark: str = "-", depth: int = 0, boxes: Sequence[Box] = ()) -> None:
        """An item of the list that is being read, or the first of a new one."""
        if line := " ".join(text.split()):
            self._flush_code()
            self._items.append(f"{'  ' * depth}{mark} {line}")
            self._item_boxes += boxes

    def continue_item(self, text: str) -> None:
        """A further line of the item that was read last."""
        if self._items:
            self._items[-1] += " " + " ".join(text.split())

    def code_line(self, text: str) -> None:
        """A line of code; neighbouring lines are one block."""
        self._flush_items()
        self._code.append(text)

    def code(self, text: str) -> None:
        """A whole block of code, verbatim."""
        if text := text.strip("\n").rstrip():
            self._add(ElementKind.CODE, text)

    def table(self, table: Table | None, caption: str = "", boxes: Sequence[Box] = ()) -> None:
        """A table; one that is a single column of text is read as paragraphs."""
        if table is None:
            return
        rows = (table.header, *table.rows) if table.header else table.rows
        if max(len(row) for row in rows) < 2 and len(rows) < 2:
            for row in rows:
                self.paragraph(row[0], boxes)
            return
        self._add(ElementKind.TABLE, " ".join(caption.split()), boxes, table=table)

    def elements(self) -> tuple[Element, ...]:
        """All elements so far, in order."""
        self._flush()
        return tuple(self._elements)

    def _add(
        self,
        kind: ElementKind,
        text: str,
        boxes: Sequence[Box] = (),
        *,
        level: int | None = None,
        table: Table | None = None,
    ) -> None:
        self._flush()
        self._elements.append(Element(kind, text, level, self.page, self.sheet, table, tuple(boxes)))

    def break_list(self) -> None:
        """The next item belongs to a new list."""
        self._flush()

    def _flush(self) -> None:
        self._flush_items()
        self._flush_code()

    def _flush_items(self) -> None:
        if self._items:
            text = "\n".join(self._items)
            boxes = merged(self._item_boxes)
            self._items.clear()
            self._item_boxes.clear()
            self._elements.append(Element(ElementKind.LIST, text, page=self.page, sheet=self.sheet, boxes=boxes))

    def _flush_code(self) -> None:
        if self._code:
            text = "\n".join(self._code).strip("\n")
            self._code.clear()
            if text.strip():
                self._elements.append(Element(ElementKind.CODE, text, page=self.page, sheet=self.sheet))
