"""From the paragraphs of a PDF's pages to elements: headings told from text, tables over pages joined."""

from __future__ import annotations

import re
from collections import Counter

from ingest.parse.blocks import Blocks
from ingest.parse.pdf_layout import Paragraph, continue_with, goes_on
from ingest.parse.pdf_structure import Structure
from ingest.parse.pdf_words import Words
from ingest.schema import Table

_LONGEST_HEADING = 160
_LONGEST_BOLD_HEADING = 90
# The top edge of a table's rest, and the bottom edge of its beginning, as shares of the page's height.
_TOP, _BOTTOM = 0.35, 0.55


def join_over_pages(before: list[Paragraph], page: list[Paragraph], words: Words) -> None:
    """Move what the end of a page has cut to the page where it began: the rest of a table, or of a paragraph."""
    if not before or not page:
        return
    last, first = before[-1], page[0]
    if last.table is not None and first.table is not None:
        if (joined := _continued(last, first)) is not None:
            last.table = joined
            last.boxes += first.boxes
            del page[0]
    elif goes_on(last, first):
        continue_with(last, first, words)
        del page[0]


def _continued(before: Paragraph, after: Paragraph) -> Table | None:
    """A table over two pages as one, each row with its page; None where the second is a table of its own."""
    table, rest = before.table, after.table
    if table is None or rest is None or after.text:
        return None
    above, below = before.boxes[-1], after.boxes[0]
    width = len((table.header, *table.rows)[-1])
    if below.page != above.page + 1 or len((rest.header, *rest.rows)[-1]) != width:
        return None
    repeated = bool(table.header) and rest.header == table.header
    # Of another width, or in the middle of its page, it is another table, unless it has the same header.
    if not repeated and (
        abs(above.x0 - below.x0) > 0.03 or abs(above.x1 - below.x1) > 0.03 or below.y0 > _TOP or above.y1 < _BOTTOM
    ):
        return None
    if rest.header and not repeated and table.header and not _could_be_row(rest, table):
        return None
    rows = rest.rows if repeated or not rest.header else (_row_of(rest), *rest.rows)
    pages = table.pages or (above.page,) * len(table.rows)
    if rows and table.rows and _is_rest_of_row(rows[0]):
        # A row that the page's end has cut: its cells go on in the first row of the next page.
        cut = tuple(f"{a} {b}".strip() for a, b in zip(table.rows[-1], rows[0], strict=True))
        return Table(table.header, (*table.rows[:-1], cut, *rows[1:]), (*pages, *(below.page,) * (len(rows) - 1)))
    return Table(table.header, (*table.rows, *rows), (*pages, *(below.page,) * len(rows)))


def _row_of(table: Table) -> tuple[str, ...]:
    return table.header


def _could_be_row(rest: Table, table: Table) -> bool:
    """Whether the first row of the rest, taken for a header, is a row of the table like its others."""
    return bool(table.rows) and sum(bool(cell) for cell in rest.header) >= min(2, len(rest.header))


def _is_rest_of_row(row: tuple[str, ...]) -> bool:
    filled = [cell for cell in row if cell]
    return not row[0] and len(filled) < len(row) - 1 and len(filled) <= 2 and any(c[0].islower() for c in filled)


class Headings:
    """Tells headings from paragraphs: by the outline where there is one, else by size and weight."""

    def __init__(self, pages: list[list[Paragraph]], structure: Structure) -> None:
        self._pages = pages
        self._structure = structure
        sizes: Counter[float] = Counter()
        bold: Counter[bool] = Counter()
        for paragraph in (p for page in pages for p in page if p.table is None):
            sizes[round(paragraph.size * 2) / 2] += len(paragraph.text)
            bold[paragraph.bold] += len(paragraph.text)
        self._body = sizes.most_common(1)[0][0] if sizes else 10.0
        self._body_is_bold = bold[True] > bold[False]
        self._ranks = self._rank()

    def write(self, blocks: Blocks) -> None:
        """Add all paragraphs, lists, tables and headings to the blocks; the pages are emptied on the way."""
        for number, page in enumerate(self._pages, start=1):
            blocks.break_list()
            blocks.page = number
            left = min((p.indent for p in page if p.mark), default=0.0)
            for paragraph in page:
                if paragraph.table is not None:
                    blocks.table(paragraph.table, paragraph.text, paragraph.boxes)
                else:
                    self._write_text(paragraph, number, left, blocks)
            page.clear()

    def _write_text(self, paragraph: Paragraph, page: int, left: float, blocks: Blocks) -> None:
        level = self._level(paragraph, page)
        text = paragraph.text.replace("\u00ad", "-")
        if level is not None:
            blocks.heading(_whole(paragraph), level, paragraph.boxes)
        elif paragraph.mark is not None:
            depth = min(int((paragraph.indent - left) / (1.4 * max(paragraph.size, 4))), 4)
            blocks.item(text, paragraph.mark, depth, paragraph.boxes)
        else:
            blocks.paragraph(text, paragraph.boxes)

    def _rank(self) -> dict[float, int]:
        sizes = {self._key(p) for page in self._pages for p in page if self._may_be_heading(p)}
        return {size: rank for rank, size in enumerate(sorted(sizes, reverse=True), start=1)}

    def _key(self, paragraph: Paragraph) -> float:
        # Bold text of the body's size ranks below everything larger.
        return max(round(paragraph.size * 2) / 2, self._body)

    def _may_be_heading(self, paragraph: Paragraph) -> bool:
        text = _whole(paragraph)
        if paragraph.table is not None or paragraph.lines > 3 or not re.search(r"[^\W\d_]", text):
            return False
        larger = paragraph.size >= 1.12 * self._body
        if larger:
            return len(text) <= _LONGEST_HEADING and not text.endswith(("。", "；", ",", "，", ";"))
        if not paragraph.bold or self._body_is_bold or paragraph.size < 0.95 * self._body:
            return False
        if paragraph.mark is not None and not paragraph.mark[0].isdigit():
            return False
        return (
            paragraph.lines <= 2 and len(text) <= _LONGEST_BOLD_HEADING and not text.endswith(tuple(".。；;，,：:!！"))
        )

    def _level(self, paragraph: Paragraph, page: int) -> int | None:
        level = self._structure.level(_whole(paragraph), page)
        if level is not None and paragraph.lines <= 3:
            return level
        if not self._may_be_heading(paragraph):
            return None
        rank = self._ranks.get(self._key(paragraph), 1)
        # Beside an outline, what it does not name stands below what it does.
        return min(rank + self._structure.depth, 6)


def _whole(paragraph: Paragraph) -> str:
    text = f"{paragraph.mark} {paragraph.text}" if paragraph.mark and paragraph.mark != "-" else paragraph.text
    return " ".join(text.replace("\u00ad", "-").split())
