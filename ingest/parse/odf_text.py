"""The walk over OpenDocument XML: paragraphs, headings, lists, tables, text boxes, notes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ingest.parse.blocks import Blocks
from ingest.parse.tables import MOST_SPAN, Grid, fill_spans, read_table

_NS = "{urn:oasis:names:tc:opendocument:xmlns:"
OFFICE, STYLE, TEXT = f"{_NS}office:1.0}}", f"{_NS}style:1.0}}", f"{_NS}text:1.0}}"
TABLE, DRAW, PRESENTATION = f"{_NS}table:1.0}}", f"{_NS}drawing:1.0}}", f"{_NS}presentation:1.0}}"
_XLINK = "{http://www.w3.org/1999/xlink}"
# fmt: off
_SKIPPED = frozenset((
    "tracked-changes", "table-of-content", "illustration-index", "table-index", "object-index", "user-index",
    "alphabetical-index", "sequence-decls", "forms", "variable-decls", "user-field-decls", "event-listeners",
    "annotation", "annotation-end", "ruby-text", "soft-page-break", "note-citation", "notes", "binary-data",
))
# fmt: on
_HEADING_STYLE = re.compile(r"(?:heading|überschrift|titre|标题|標題)[ _]*(\d)\b", re.I)
_CODE_STYLE = re.compile(r"preformatted|source[ _]?(?:text|code)|\bcode\b", re.I)
_WHITE = re.compile(r"[ \t\r\n]+")
_OUTLINE = "\0outline"
_DEEPEST_STYLE_CHAIN = 20
_MOST_REPEATED_ROWS = 1000
_MOST_ROWS = 500_000
_MOST_SPACES = 200


def local(element: Any) -> str:
    """The name of an element without its namespace."""
    return str(element.tag).rsplit("}", 1)[-1]


def inline(paragraph: Any, formulas: Mapping[str, str] | None = None) -> str:
    """The text of a paragraph; notes follow in brackets where they are referred to, frames are left to their turn.

    formulas: what the embedded objects that are formulas say, by their folder in the package.
    """
    parts: list[str] = []
    _collect(paragraph, parts, formulas or {})
    return "".join(parts).strip()


class Styles:
    """What style names stand for, over content.xml and styles.xml."""

    def __init__(self, *roots: Any, formulas: Mapping[str, str] | None = None) -> None:
        self.formulas = formulas or {}
        self._styles: dict[str, Any] = {}
        self._lists: dict[str, Any] = {}
        for root in roots:
            if root is None:
                continue
            for style in root.iter(f"{STYLE}style"):
                self._styles.setdefault(style.get(f"{STYLE}name"), style)
            for style in root.iter(f"{TEXT}list-style"):
                self._lists.setdefault(style.get(f"{STYLE}name"), style)
            for style in root.iter(f"{TEXT}outline-style"):
                self._lists.setdefault(_OUTLINE, style)

    def names(self, name: str | None) -> Iterator[tuple[str, Any]]:
        """(display name, style) of a style and those it builds on."""
        for _ in range(_DEEPEST_STYLE_CHAIN):
            style = self._styles.get(name or "")
            if name:
                shown = style.get(f"{STYLE}display-name") if style is not None else None
                yield shown or name.replace("_20_", " "), style
            if style is None:
                return
            name = style.get(f"{STYLE}parent-style-name")

    def heading_level(self, name: str | None) -> int | None:
        """The level that a paragraph's style makes it a heading of."""
        for shown, style in self.names(name):
            if match := _HEADING_STYLE.search(shown):
                return int(match[1])
            if re.fullmatch(r"title|titel|titre|标题|標題", shown, re.I):
                return 1
            if re.fullmatch(r"subtitle|untertitel|副标题|副標題", shown, re.I):
                return 2
            level = style.get(f"{STYLE}default-outline-level") if style is not None else None
            if level and level.isdecimal():
                return int(level)
        return None

    def is_code(self, name: str | None) -> bool:
        """Whether a paragraph's style is one of code."""
        return any(_CODE_STYLE.search(shown) for shown, _ in self.names(name))

    def numbering(self, list_style: str | None, depth: int) -> tuple[str, str, int, int] | None:
        """(format "1", "a", "A", "i" or "I"; suffix; first number; levels shown) of a numbered level; None for bullets."""
        style = self._lists.get(list_style or "")
        for level in style if style is not None else ():
            if level.get(f"{TEXT}level") == str(depth + 1) and level.get(f"{STYLE}num-format"):
                start, shown = level.get(f"{TEXT}start-value", "1"), level.get(f"{TEXT}display-levels", "1")
                return (
                    level.get(f"{STYLE}num-format"),
                    level.get(f"{STYLE}num-suffix") or "",
                    int(start) if start.isdecimal() else 1,
                    int(shown) if shown.isdecimal() else 1,
                )
        return None

    def is_hidden_table(self, name: str | None) -> bool:
        """Whether a sheet's style hides it."""
        style = self._styles.get(name or "")
        return style is not None and any(p.get(f"{TABLE}display") == "false" for p in style)


class TextReader:
    """Adds OpenDocument elements to Blocks, in reading order."""

    def __init__(self, blocks: Blocks, styles: Styles) -> None:
        self._blocks = blocks
        self._styles = styles
        # How far each style of lists has counted, a number a level.
        self._counts: dict[str, list[int]] = {}

    def read(self, container: Any) -> None:
        """All blocks in an element."""
        for child in container:
            self.block(child)

    def block(self, element: Any) -> None:
        """One block: paragraph, heading, list, table, or what only holds others."""
        name = local(element)
        if name in _SKIPPED or not isinstance(element.tag, str):
            return
        if name in ("p", "h"):
            self._paragraph(element, name)
        elif name == "list":
            self._list(element, 0, None)
            self._blocks.break_list()
        elif name == "table" and element.tag.startswith(TABLE):
            self._table(element)
        else:
            self.read(element)

    def _paragraph(self, element: Any, name: str, number: str = "") -> None:
        style = element.get(f"{TEXT}style-name")
        own = element.get(f"{TEXT}outline-level", "1") if name == "h" else ""
        level = int(own) if own.isdecimal() else self._styles.heading_level(style)
        text = inline(element, self._styles.formulas)
        if level and text:
            if name == "h" and not number and element.get(f"{TEXT}is-list-header") != "true":
                number = self._number(_OUTLINE, level - 1)
            self._blocks.heading(f"{number} {text}" if number else text, level)
        elif self._styles.is_code(style):
            self._blocks.code_line(text)
        else:
            self._blocks.paragraph(text)
        self._frames(element)

    def _number(self, style: str | None, depth: int, start: int | None = None) -> str:
        """The next number of a level, "2.3." where levels above are shown; "" for bullets."""
        numbered = self._styles.numbering(style, depth)
        if numbered is None:
            return ""
        kind, suffix, _, shown = numbered
        counts = self._counts.setdefault(style or "", [])
        del counts[depth + 1 :]
        while len(counts) <= depth:
            above = self._styles.numbering(style, len(counts))
            counts.append((above[2] if above else 1) - (len(counts) == depth))
        counts[depth] = start if start is not None else counts[depth] + 1
        parts = []
        for level in range(max(depth - shown + 1, 0), depth + 1):
            of_level = self._styles.numbering(style, level)
            parts.append(_numeral(counts[level], of_level[0] if of_level else kind))
        return ".".join(parts) + suffix

    def _frames(self, paragraph: Any) -> None:
        """Text boxes and shapes anchored in a paragraph, after it."""
        boxes = [box for box in paragraph.iterdescendants() if _is_box(box)]
        for box in boxes:
            if not any(_is_box(ancestor) for ancestor in _up_to(box, paragraph)):
                self._blocks.break_list()
                self.read(box)

    def _list(self, element: Any, depth: int, style: str | None) -> None:
        style = element.get(f"{TEXT}style-name") or style
        goes_on = element.get(f"{TEXT}continue-numbering") == "true" or element.get(f"{TEXT}continue-list")
        if depth == 0 and not goes_on:
            self._counts.pop(style or "", None)
        for item in element:
            if local(item) in ("list-item", "list-header"):
                self._item(item, min(depth, 8), style)

    def _item(self, item: Any, depth: int, style: str | None) -> None:
        begun = False
        start = item.get(f"{TEXT}start-value", "")
        for child in item:
            name = local(child)
            if name == "list":
                self._list(child, depth + 1, style)
            elif name in ("p", "h") and (text := inline(child, self._styles.formulas)):
                is_heading = name == "h" or self._styles.heading_level(child.get(f"{TEXT}style-name"))
                # An item that only holds a deeper list has no number of its own.
                number = "" if begun else self._number(style, depth, int(start) if start.isdecimal() else None)
                if is_heading:
                    self._paragraph(child, name, number)
                elif begun:
                    self._blocks.continue_item(text)
                else:
                    self._blocks.item(text, _list_mark(number), depth)
                begun = True
                if not is_heading:
                    self._frames(child)
            elif name not in ("p", "h", *_SKIPPED):
                self.block(child)

    def _table(self, table: Any) -> None:
        rows = list(_rows(table))
        cells = [cell for row in rows for cell in row if local(cell) == "table-cell"]
        holds_table = any(cell.find(f"{TABLE}table") is not None for cell in cells)
        if len(cells) == 1 or (holds_table and len(cells) == len(rows)):
            # A frame around a note, an example, another table.
            for cell in cells:
                self.read(cell)
            return
        head = table.find(f"{TABLE}table-header-rows")
        header_rows = len(list(head.iter(f"{TABLE}table-row"))) if head is not None else None
        self._blocks.table(*read_table(_grid(rows, self._styles.formulas), header_rows))


def sheet_grid(sheet: Any) -> Grid:
    """The cells of a spreadsheet's sheet as displayed, merged cells repeated; shapes drawn over them left out."""
    return _grid(list(_rows(sheet)), None)


def _collect(element: Any, parts: list[str], formulas: Mapping[str, str]) -> None:
    parts.append(_WHITE.sub(" ", element.text or ""))
    for child in element:
        name = local(child) if isinstance(child.tag, str) else ""
        if name == "s":
            count = child.get(f"{TEXT}c", "1")
            parts.append(" " * min(int(count) if count.isdecimal() else 1, _MOST_SPACES))
        elif name in ("tab", "line-break"):
            parts.append("\t" if name == "tab" else "\n")
        elif name == "note":
            body = child.find(f"{TEXT}note-body")
            text = " ".join(inline(p, formulas) for p in body.iter("{*}p")) if body is not None else ""
            parts.append(f" ({text})" if text else "")
        elif name == "page-number" and not (child.text or "").isdecimal():
            pass  # A placeholder: "<number>".
        elif name == "frame":
            parts += [
                formulas.get(o.get(f"{_XLINK}href", "").removeprefix("./"), "") for o in child.iter(f"{DRAW}object")
            ]
        elif name and name not in _SKIPPED and not child.tag.startswith(DRAW):
            _collect(child, parts, formulas)
        parts.append(_WHITE.sub(" ", child.tail or ""))


def _rows(table: Any) -> Iterator[Any]:
    """Rows of this table, not of tables in its cells; a row that is repeated comes that often."""
    total = 0
    for child in table:
        if local(child) == "table-row":
            repeated = child.get(f"{TABLE}number-rows-repeated", "1")
            count = int(repeated) if repeated.isdecimal() else 1
            # Formatting reaches to the last row of a sheet; empty rows far below say nothing.
            count = min(count, _MOST_REPEATED_ROWS if any(True for _ in child.iter("{*}p")) else 1)
            for _ in range(min(count, _MOST_ROWS - total)):
                yield child
            total += count
        elif local(child) in ("table-header-rows", "table-rows", "table-row-group"):
            yield from _rows(child)


def _grid(rows: list[Any], formulas: Mapping[str, str] | None) -> Grid:
    """``formulas`` None: a spreadsheet, whose cells have shapes lying over them and not in them."""
    cells: list[list[tuple[str, int, int]]] = []
    for row in rows:
        line: list[tuple[str, int, int]] = []
        for cell in row:
            if local(cell) == "table-cell":
                repeated = _count(cell, "number-columns-repeated")
                paragraphs = _paragraphs(cell, with_shapes=formulas is not None)
                text = "\n".join(filter(None, (inline(p, formulas) for p in paragraphs)))
                spans = _count(cell, "number-columns-spanned"), _count(cell, "number-rows-spanned")
                line += [(text, *spans)] * (repeated if text else min(repeated, MOST_SPAN))
        while line and not line[-1][0] and line[-1][1:] == (1, 1):
            line.pop()
        cells.append(line)
    return fill_spans(cells)


def _paragraphs(cell: Any, *, with_shapes: bool) -> Iterator[Any]:
    for paragraph in cell.iter(f"{TEXT}p", f"{TEXT}h"):
        above = [str(ancestor.tag) for ancestor in _up_to(paragraph, cell)]
        # Notes stand in the text of the paragraph that refers to them.
        hidden = any(tag.rsplit("}", 1)[-1] in (*_SKIPPED, "note") for tag in above)
        if not hidden and (with_shapes or not any(tag.startswith(DRAW) for tag in above)):
            yield paragraph


def _is_box(element: Any) -> bool:
    return (
        isinstance(element.tag, str)
        and element.tag.startswith(DRAW)
        and any(isinstance(child.tag, str) and child.tag.startswith((TEXT, TABLE)) for child in element)
    )


def _up_to(element: Any, top: Any) -> Iterator[Any]:
    for ancestor in element.iterancestors():
        if ancestor is top:
            return
        yield ancestor


def _count(cell: Any, name: str) -> int:
    value = cell.get(f"{TABLE}{name}", "1")
    return min(max(int(value), 1), MOST_SPAN) if value.isdecimal() and len(value) < 9 else 1


def _list_mark(number: str) -> str:
    if not number:
        return "-"
    return number if number[-1] in ".)、" else f"{number}."


def _numeral(number: int, kind: str) -> str:
    if kind.lower() == "a":
        letter = chr(ord("a") + (number - 1) % 26)
        return letter.upper() if kind == "A" else letter
    if kind.lower() == "i" and 0 < number < 4000:
        roman = ""
        for value, sign in ((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l"),
                            (40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")):  # fmt: skip
            roman += sign * (number // value)
            number %= value
        return roman.upper() if kind == "I" else roman
    return str(number)
