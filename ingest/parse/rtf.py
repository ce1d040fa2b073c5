"""RTF, second half: paragraphs and table rows to elements."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

from ingest.errors import DamagedFile
from ingest.parse.blocks import Blocks, list_mark
from ingest.parse.rtf_model import Paragraph, Row, RtfText
from ingest.parse.rtf_reader import RtfReader
from ingest.parse.running import add_running
from ingest.parse.tables import Grid, read_table
from ingest.schema import ParsedDocument

# Edges of columns closer than this (twips, a quarter of a line's height) are one edge, drawn by hand.
_SAME_EDGE = 60
_LONGEST_HEADING = 80
_CODE_FONTS = ("courier", "consolas", "mono", "menlo", "monaco", "lucida console")
_CAPTION = re.compile(r"(?:figure|fig\.|table|abbildung|tabelle|图|圖|表)\s*\d", re.I)
_SENTENCE_ENDS = (".", "。", "!", "！", ",", "，", ";", "；", ":", "：")


def parse_rtf(path: Path, name: str) -> ParsedDocument:
    """An .rtf file; page headers and footers stand once at the end, notes follow what refers to them."""
    text = read_rtf(path.read_bytes(), name)
    blocks = Blocks()
    add_rtf(text, blocks)
    warnings = ("The file seems to be cut off at its end; what is there was read.",) if text.is_cut_off else ()
    return ParsedDocument("rtf", blocks.elements(), text.title.strip(), warnings=warnings)


def read_rtf(data: bytes, name: str) -> RtfText:
    """The paragraphs and rows of an RTF text; raises DamagedFile when its groups are nested beyond reason."""
    try:
        return RtfReader(data.lstrip(b"\xef\xbb\xbf \t\r\n")).read()
    except ValueError as exc:
        raise DamagedFile(f"{name}: the RTF file is damaged; open it and save it again.") from exc


def add_rtf(text: RtfText, blocks: Blocks) -> None:
    """Add what was read to the blocks."""
    _add(text.items, _levels(text), blocks)
    blocks.break_list()
    add_running(text.running, blocks)


def _add(items: list[Paragraph | Row], levels: dict[int, int], blocks: Blocks) -> None:
    for is_table, run in groupby(items, key=lambda item: isinstance(item, Row)):
        if is_table:
            _add_table([item for item in run if isinstance(item, Row)], levels, blocks)
        else:
            for item in run:
                if isinstance(item, Paragraph) and not item.is_contents:
                    _add_paragraph(item, levels.get(id(item)), blocks)


def _levels(text: RtfText) -> dict[int, int]:
    """Heading levels by ``id``: those the file says; where it says none, short bold lines by their size."""
    paragraphs = [item for item in text.items if isinstance(item, Paragraph)]
    said = {id(p): p.level for p in paragraphs if p.level is not None}
    if said:
        return said
    bold = [p for p in paragraphs[:-1] if p.bold and not p.mark and _could_be_heading(p.text)]
    if len(bold) * 2 > len(paragraphs):
        return {}
    sizes = sorted({p.size for p in bold}, reverse=True)
    return {id(p): min(sizes.index(p.size) + 1, 3) for p in bold}


def _could_be_heading(text: str) -> bool:
    if len(text) > _LONGEST_HEADING or "\n" in text or text.endswith(_SENTENCE_ENDS):
        return False
    return not _CAPTION.match(text) and any(c.isalpha() for c in text)


def _add_paragraph(paragraph: Paragraph, level: int | None, blocks: Blocks) -> None:
    text = paragraph.text
    if level is not None:
        number = f"{paragraph.mark} " if any(c.isalnum() for c in paragraph.mark) else ""
        blocks.heading(number + text, level)
    elif paragraph.mark:
        mark = paragraph.mark if any(c.isalnum() for c in paragraph.mark) and len(paragraph.mark) < 12 else "-"
        blocks.item(text, mark, min(paragraph.depth, 8))
    elif any(font in paragraph.font.lower() for font in _CODE_FONTS):
        blocks.code_line(text)
    elif manual := list_mark(text):
        blocks.item(manual[1], manual[0])
    else:
        blocks.paragraph(text)


def _add_table(rows: list[Row], levels: dict[int, int], blocks: Blocks) -> None:
    if max(len(row.cells) for row in rows) == 1:
        # A frame around a note, an example, another table.
        for row in rows:
            _add(row.cells[0].items, levels, blocks)
        return
    header = sum(1 for _ in _leading_headers(rows))
    blocks.table(*read_table(_grid(rows), header or None))


def _leading_headers(rows: list[Row]) -> list[Row]:
    found = []
    for row in rows[:-1]:
        if not row.header:
            break
        found.append(row)
    return found


def _grid(rows: list[Row]) -> Grid:
    """Cells by the edges of their columns: a cell that is as wide as three columns repeats in all three."""
    edges: list[int] = []
    for edge in sorted({cell.edge for row in rows for cell in row.cells if cell.edge is not None}):
        if not edges or edge - edges[-1] > _SAME_EDGE:
            edges.append(edge)
    grid: Grid = []
    for row in rows:
        line: list[str] = []
        for cell in row.cells:
            end = _column(edges, cell.edge) + 1 if cell.edge is not None else len(line) + 1
            text = cell.text
            if cell.merged == "left" and line:
                text = line[-1]
            elif cell.merged == "above" and grid and len(line) < len(grid[-1]):
                text = grid[-1][len(line)]
            line += [text] * max(end - len(line), 1)
        grid.append(line)
    return grid


def _column(edges: list[int], edge: int) -> int:
    return min(range(len(edges)), key=lambda position: abs(edges[position] - edge))
