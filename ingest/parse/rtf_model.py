"""What an RTF file holds: paragraphs and rows of tables, before they are elements."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

CONTENTS_STYLE = re.compile(r"\s*(?:toc|contents|目录|目錄|verzeichnis|inhaltsverzeichnis)\s*(?:\d|heading)", re.I)
_HEADING_STYLE = re.compile(r"\s*(?:heading|标题|標題|überschrift|titre|título|見出し|제목)\s*([1-9])\b", re.I)


@dataclass(slots=True)
class Paragraph:
    """A paragraph outside of tables.

    level:      heading level 1 to 9, or None.
    mark:       what is drawn before a list item, "" for none; depth: its nesting.
    bold, size: whether all of its text is bold; its largest letters in half points.
    is_contents: whether it is a line of the table of contents.
    """

    text: str
    level: int | None = None
    mark: str = ""
    depth: int = 0
    bold: bool = False
    size: int = 24
    font: str = ""
    is_contents: bool = False


@dataclass(slots=True)
class Cell:
    """A cell's content, its right edge in twips (None when not said), and how it is merged: "" or "left" or "above"."""

    items: list[Paragraph | Row]
    edge: int | None
    merged: str = ""

    @property
    def text(self) -> str:
        """All of it as lines; a table in the cell as its rows."""
        lines = [i.text if isinstance(i, Paragraph) else " ".join(c.text for c in i.cells) for i in self.items]
        return "\n".join(filter(None, lines))


@dataclass(slots=True)
class Row:
    """A row of a table; ``header`` when it is repeated on each page."""

    cells: list[Cell]
    header: bool = False


@dataclass(slots=True)
class RtfText:
    """What is in an RTF file; ``running`` are the texts of page headers and footers."""

    items: list[Paragraph | Row] = field(default_factory=list)
    title: str = ""
    running: list[str] = field(default_factory=list)
    is_cut_off: bool = False


@dataclass(slots=True)
class RowShape:
    """What \\trowd and the words after it say: right edges and merges of the cells."""

    edges: list[tuple[int, str]] = field(default_factory=list)
    merged: str = ""
    header: bool = False

    def row(self, cells: list[list[Paragraph | Row]]) -> Row:
        """A row of these cells."""
        shaped = []
        for position, items in enumerate(cells):
            edge, merged = self.edges[position] if position < len(self.edges) else (None, "")
            shaped.append(Cell(items, edge, merged))
        return Row(shaped, self.header)


def heading_level(style: str) -> int | None:
    """The level of a heading by its style's name, else None."""
    if match := _HEADING_STYLE.match(style):
        return int(match[1])
    if re.fullmatch(r"\s*(?:title|titel|标题|標題)\s*;?", style, re.I):
        return 1
    return 2 if re.fullmatch(r"\s*(?:subtitle|untertitel|副标题|副標題)\s*;?", style, re.I) else None
