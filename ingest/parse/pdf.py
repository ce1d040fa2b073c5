"""PDF files with a text layer.

pypdf opens the file first (is it encrypted, what is its title, what does its outline say); pdfium reads the text with
its places and sizes, page by page; where lines are drawn, pdfplumber puts them together to tables.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from math import ceil
from pathlib import Path
from typing import Any

from ingest.errors import DamagedFile, NoText, PasswordProtected
from ingest.parse.blocks import Blocks
from ingest.parse.pdf_layout import Paragraph, paragraphs, to_lines
from ingest.parse.pdf_page import Page, Run, read_page
from ingest.parse.pdf_structure import Structure, read_structure
from ingest.parse.pdf_tables import find_tables
from ingest.schema import ParsedDocument, Table

_MARGIN = 0.13
_MARGIN_LINES = 4
_PAGE_NUMBER = re.compile(r"[\divxlc]+", re.I)
_LONGEST_HEADING = 160
_LONGEST_BOLD_HEADING = 90
_MOST_PAGES_NAMED = 20
_PASSWORD_ERROR = 4


def parse_pdf(path: Path, name: str) -> ParsedDocument:
    """A PDF file; raises PasswordProtected, DamagedFile, or NoText for a scan."""
    structure = read_structure(path)
    if structure.needs_password:
        raise PasswordProtected(f"{name}: the PDF needs a password; save a copy without one.")
    with _opened(path, name) as pages:
        read, warnings = _read_pages(pages, name)
    if not any(page.runs for page in read) or all(page.is_picture or not page.runs for page in read):
        raise NoText(f"{name}: the PDF has no text layer, it is a scan; run OCR on it first.")
    _drop_repeated(read)
    pages_of_paragraphs = [paragraphs(page.runs) for page in read]
    blocks = Blocks()
    _Headings(pages_of_paragraphs, structure).write(blocks)
    return ParsedDocument("pdf", blocks.elements(), structure.title, len(read), tuple(warnings))


@contextmanager
def _opened(path: Path, name: str) -> Iterator[Any]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(str(path))
    except pypdfium2.PdfiumError as exc:
        if getattr(exc, "err_code", None) == _PASSWORD_ERROR or "password" in str(exc).lower():
            raise PasswordProtected(f"{name}: the PDF needs a password; save a copy without one.") from exc
        raise DamagedFile(f"{name}: the PDF cannot be opened ({exc}); save it again from its program.") from exc
    try:
        yield document
    finally:
        document.close()


def _read_pages(document: Any, name: str) -> tuple[list[Page], list[str]]:
    import pypdfium2

    read: list[Page] = []
    empty, broken, warnings = [], [], []
    for number in range(1, len(document) + 1):
        try:
            pdf_page = document[number - 1]
        except pypdfium2.PdfiumError:
            broken.append(number)
            read.append(Page(0, 0, [], False))
            continue
        try:
            page = read_page(pdf_page, find_tables)
        finally:
            pdf_page.close()
        if not page.runs:
            empty.append(number)
        read.append(page)
    if broken and len(broken) == len(read):
        raise DamagedFile(f"{name}: no page of the PDF can be read; save it again from its program.")
    if broken:
        warnings.append(f"Pages that cannot be read: {_numbers(broken)}.")
    if empty:
        warnings.append(f"Pages without text (pictures need OCR): {_numbers(empty)}.")
    return read, warnings


def _numbers(pages: list[int]) -> str:
    more = f" and {len(pages) - _MOST_PAGES_NAMED} more" if len(pages) > _MOST_PAGES_NAMED else ""
    return ", ".join(map(str, pages[:_MOST_PAGES_NAMED])) + more


def _drop_repeated(pages: list[Page]) -> None:
    """Drop running heads, running feet and page numbers: the same line, digits aside, on many pages."""
    counts: Counter[tuple[bool, str]] = Counter()
    found = [_margin_lines(page) for page in pages]
    for lines in found:
        counts.update({key for key, _ in lines})
    least = min(3, max(2, ceil(len(pages) / 2)))
    for page, lines in zip(pages, found, strict=True):
        # A number alone at the edge is a page number, even on a single page.
        gone = {id(run) for key, runs in lines if counts[key] >= least or key[1] == "#" for run in runs}
        page.runs = [run for run in page.runs if id(run) not in gone]


def _margin_lines(page: Page) -> list[tuple[tuple[bool, str], list[Run]]]:
    result = []
    for top in (True, False):
        edge = page.height * (1 - _MARGIN if top else _MARGIN)
        runs = [r for r in page.runs if r.table is None and ((r.y0 > edge) if top else (r.y1 < edge))]
        lines = to_lines(runs)
        for line in lines[:_MARGIN_LINES] if top else lines[-_MARGIN_LINES:]:
            members = [r for r in runs if r.y0 >= line.y0 - 0.1 and r.y1 <= line.y1 + 0.1]
            result.append(((top, _key(line.text)), members))
    return result


def _key(text: str) -> str:
    squeezed = re.sub(r"\s+", "", text)
    bare = squeezed.strip("-–—·|./第页Pp")
    return "#" if _PAGE_NUMBER.fullmatch(bare) else re.sub(r"\d+", "#", squeezed)


class _Headings:
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
        """Add all paragraphs, lists, tables and headings to the blocks."""
        last: tuple[int, Table] | None = None
        for number, page in enumerate(self._pages, start=1):
            blocks.break_list()
            blocks.page = number
            left = min((p.indent for p in page if p.mark), default=0.0)
            for paragraph in page:
                if paragraph.table is not None:
                    table = paragraph.table
                    if last is not None and last[0] == number - 1 and paragraph is page[0]:
                        table = _continued(last[1], table)
                    blocks.table(table, paragraph.text)
                    last = (number, table)
                    continue
                last = None
                self._write_text(paragraph, number, left, blocks)

    def _write_text(self, paragraph: Paragraph, page: int, left: float, blocks: Blocks) -> None:
        level = self._level(paragraph, page)
        if level is not None:
            blocks.heading(_whole(paragraph), level)
        elif paragraph.mark is not None:
            depth = min(int((paragraph.indent - left) / (1.4 * max(paragraph.size, 4))), 4)
            blocks.item(paragraph.text, paragraph.mark, depth)
        else:
            blocks.paragraph(paragraph.text)

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
    return " ".join(text.split())


def _continued(before: Table, table: Table) -> Table:
    """The second part of a table over two pages, with the header of the first."""
    width = len(before.header)
    rows = (table.header, *table.rows) if table.header else table.rows
    if not width or len(rows[0]) != width:
        return table
    return table if table.header == before.header else Table(before.header, rows)
