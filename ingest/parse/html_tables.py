"""Tables of an HTML page: which are data and which are layout, and their cells with all spans filled."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ingest.parse.tables import MOST_SPAN, fill_spans, read_table
from ingest.schema import Table

if TYPE_CHECKING:
    from lxml.html import HtmlElement

# fmt: off
_INLINE = frozenset((
    "a", "abbr", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "ins", "kbd",
    "label", "mark", "q", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var",
    "wbr", "ruby", "rb",
))
# fmt: on
# A cell this long on average is a piece of a page, not of a table.
_LONGEST_CELL = 600


def text_of(element: HtmlElement) -> str:
    """The text as one line, with a space wherever a browser would start a new block."""
    parts: list[str] = []
    _collect(element, parts)
    return " ".join("".join(parts).split())


def is_layout(table: HtmlElement) -> bool:
    """Whether a <table> only places things on the page."""
    if table.get("role") in ("presentation", "none") or table.find(".//table") is not None:
        return True
    rows = _rows(table)
    cells = [cell for row in rows for cell in row]
    texts = [text for cell in cells if (text := text_of(cell))]
    widest = max((sum(bool(text_of(cell)) for cell in row) for row in rows), default=0)
    if len(rows) < 2 or widest < 2:
        return True
    if any(cell.tag == "th" for cell in cells):
        return False
    if table.find(".//h1") is not None or table.find(".//h2") is not None:
        return True
    return sum(map(len, texts)) / len(texts) > _LONGEST_CELL


def unwrap(table: HtmlElement) -> None:
    """Turn a layout table into plain blocks; a row of short cells becomes one line."""
    for row in _rows_elements(table):
        cells = [cell for cell in row if cell.tag in ("td", "th")]
        texts = [text_of(cell) for cell in cells]
        if sum(map(len, texts)) < 200 and not row.xpath(".//p|.//div|.//ul|.//ol|.//table|.//h1|.//h2|.//h3|.//br"):
            tail = row.tail
            row.clear()
            row.tag, row.text, row.tail = "p", " ".join(filter(None, texts)), tail
            continue
        for cell in cells:
            cell.tag = "div"
        row.tag = "div"
    for part in list(table):
        if part.tag in ("thead", "tbody", "tfoot", "caption"):
            part.tag = "div"
        elif part.tag in ("colgroup", "col"):
            part.drop_tree()
    table.tag = "div"


def to_table(table: HtmlElement) -> tuple[Table | None, str]:
    """The cells of a data table, merged cells repeated, header rows found; and its caption."""
    rows = _rows_elements(table)
    grid = fill_spans([[(text_of(c), _span(c, "colspan"), _span(c, "rowspan")) for c in _cells(row)] for row in rows])
    read, title = read_table(grid, _header_rows(rows))
    caption = table.find("caption")
    return read, " ".join(filter(None, (text_of(caption) if caption is not None else "", title)))


def _header_rows(rows: list[HtmlElement]) -> int | None:
    count = 0
    for row in rows:
        cells = _cells(row)
        parent = row.getparent()
        in_head = parent is not None and parent.tag == "thead"
        if not in_head and not (
            cells and all(c.tag == "th" or not text_of(c) for c in cells) and count < len(rows) - 1
        ):
            break
        count += 1
    return count or None


def _rows_elements(table: HtmlElement) -> list[HtmlElement]:
    rows: list[HtmlElement] = table.xpath("./tr|./thead/tr|./tbody/tr|./tfoot/tr")
    return rows


def _rows(table: HtmlElement) -> list[list[HtmlElement]]:
    return [_cells(row) for row in _rows_elements(table)]


def _cells(row: HtmlElement) -> list[HtmlElement]:
    return [cell for cell in row if cell.tag in ("td", "th")]


def _span(cell: HtmlElement, name: str) -> int:
    value = cell.get(name, "1").strip()
    # rowspan="0" means "to the end of the table".
    return min(int(value) or MOST_SPAN, MOST_SPAN) if value.isdecimal() and len(value) < 6 else 1


def _collect(element: HtmlElement, parts: list[str]) -> None:
    # A loop instead of recursion: pages nest deeper than Python's stack.
    stack: list[tuple[HtmlElement, bool]] = [(element, False)]
    while stack:
        node, leaving = stack.pop()
        block = isinstance(node.tag, str) and node.tag not in _INLINE
        if leaving:
            if block:
                parts.append(" ")
            if node is not element:
                parts.append(node.tail or "")
            continue
        if isinstance(node.tag, str) and node.tag not in ("script", "style"):
            if block:
                parts.append(" ")
            parts.append(node.text or "")
            stack.append((node, True))
            stack.extend((child, False) for child in reversed(node))
        elif node is not element:
            parts.append(node.tail or "")
