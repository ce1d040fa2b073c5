"""Plain text and tables as text: .txt, .csv, .tsv."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

from ingest.errors import DamagedFile
from ingest.parse.blocks import Blocks, list_mark
from ingest.parse.encodings import decode
from ingest.parse.tables import Grid, make_table, split_caption
from ingest.schema import ParsedDocument

_SEPARATORS = ",;\t|"
_CHAPTER = re.compile(
    r"第[0-9一二三四五六七八九十百零]+[章节篇部卷回](?:\s|$|[：:])|(?:chapter|part|section)\s+[\divxlc]+\b", re.I
)
_HASHES = re.compile(r"(#{1,6})\s+(\S.*)")
_UNDERLINE = re.compile(r"[=\-~]{3,}")
_LONGEST_HEADING = 80
_SENTENCE_ENDS = (".", "。", "!", "！", "?", "？", ",", "，", ":", "：", ";", "；")
# A line longer than this was not wrapped by hand: it is a paragraph of its own.
_LONGEST_WRAPPED_LINE = 100
_CJK_END = re.compile(r"[\u3000-\u9fff\uff00-\uffef]$")
_LARGEST_CELL = 16 * 1024 * 1024


def parse_text(path: Path, name: str) -> ParsedDocument:
    """Plain text: blank lines part paragraphs, marked lines are lists, chapter lines are headings."""
    text = decode(path.read_bytes(), name)
    blocks = Blocks()
    read_text(text, blocks)
    return ParsedDocument("txt", blocks.elements(), _title(text))


def read_text(text: str, blocks: Blocks) -> None:
    """Add the paragraphs, lists and headings of a plain text."""
    for block in re.split(r"\n[ \t\u3000]*\n", text):
        _read_block([line.rstrip() for line in block.split("\n") if line.strip()], blocks)


def _title(text: str) -> str:
    """The lines before the first blank line, where they are few and short and end no sentence."""
    head, blank, _ = text.strip().partition("\n\n")
    lines = [line.strip() for line in head.split("\n") if not _UNDERLINE.fullmatch(line.strip())]
    plain = all(len(line) <= _LONGEST_HEADING and not line.endswith(_SENTENCE_ENDS) for line in lines)
    return " ".join(lines) if blank and plain and len(lines) <= 3 and not list_mark(lines[0]) else ""


def parse_csv(path: Path, name: str) -> ParsedDocument:
    """Comma-, semicolon-, tab- or bar-separated values as one TABLE, lines above it as paragraphs."""
    text = decode(path.read_bytes(), name)
    csv.field_size_limit(_LARGEST_CELL)
    try:
        grid = list(csv.reader(io.StringIO(text, newline=""), delimiter=sniff_separator(text, path, name)))
    except csv.Error as exc:
        raise DamagedFile(f"{name}: the table cannot be read ({exc}); check its quotation marks.") from exc
    blocks = Blocks()
    above, grid, below = _one_column(grid) if _width(grid) < 2 else split_caption(grid)
    for line in above:
        blocks.paragraph(line)
    blocks.table(make_table(grid, header_rows=_header_rows(grid)))
    for line in below:
        blocks.paragraph(line)
    return ParsedDocument("csv", blocks.elements())


def sniff_separator(text: str, path: Path, name: str) -> str:
    """The separator that cuts the first records into the same number of cells, and into most of them."""
    sample = text[:65536]
    best, separator = (0.0, 0), "\t" if name.lower().endswith(".tsv") else ","
    for candidate in _SEPARATORS:
        try:
            rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=candidate) if row][:50]
        except csv.Error:
            continue
        widths = [len(row) for row in rows]
        usual = max(set(widths), key=widths.count, default=1)
        if usual < 2:
            continue
        # How regular first, how many cells second: a text full of commas is irregular.
        score = (round(widths.count(usual) / len(widths), 1), usual)
        if score > best:
            best, separator = score, candidate
    return separator


def _width(grid: Grid) -> int:
    return max((sum(bool(cell.strip()) for cell in row) for row in grid), default=0)


def _one_column(grid: Grid) -> tuple[list[str], Grid, list[str]]:
    return [], grid, []


def _header_rows(grid: Grid) -> int | None:
    # A file of values without a header row is the exception; trust the first row as soon as it could be one.
    first = [cell.strip() for cell in grid[0] if cell.strip()] if grid else []
    if len(grid) > 1 and first and all(len(c) < _LONGEST_HEADING and not re.match(r"[-+]?\d", c) for c in first):
        return 1 if len(first) == len(grid[0]) else None
    return None


def _read_block(lines: list[str], blocks: Blocks) -> None:
    if len(lines) == 1 and _is_heading(lines[0].strip(), blocks):
        return
    paragraph: list[str] = []
    item = False
    for position, line in enumerate(lines):
        following = lines[position + 1] if position + 1 < len(lines) else ""
        if _UNDERLINE.fullmatch(following) and len(line) <= _LONGEST_HEADING:
            _end_paragraph(paragraph, blocks)
            blocks.heading(line.strip(), 1 if following[0] == "=" else 2)
            item = False
            continue
        if position and _UNDERLINE.fullmatch(line):
            continue
        mark = list_mark(line.strip())
        if item and not mark and line[0].isspace():
            # An indented line goes on with the item above it.
            blocks.continue_item(line.strip())
            continue
        item = bool(mark)
        if mark or len(line) > _LONGEST_WRAPPED_LINE:
            _end_paragraph(paragraph, blocks)
        if mark:
            blocks.item(mark[1], mark[0])
        elif len(line) > _LONGEST_WRAPPED_LINE:
            blocks.paragraph(line)
        elif _is_chapter(line.strip()):
            _end_paragraph(paragraph, blocks)
            blocks.heading(line, 1)
        else:
            paragraph.append(line.strip())
    _end_paragraph(paragraph, blocks)


def _is_heading(line: str, blocks: Blocks) -> bool:
    if match := _HASHES.fullmatch(line):
        blocks.heading(match[2].rstrip("# "), len(match[1]))
        return True
    return False


def _is_chapter(line: str) -> bool:
    return len(line) <= _LONGEST_HEADING // 2 and bool(_CHAPTER.match(line)) and not line.endswith((".", "。", ","))


def _end_paragraph(lines: list[str], blocks: Blocks) -> None:
    if not lines:
        return
    # Lines that all end near one margin were wrapped by an editor; others (verse, addresses) were meant.
    margin = max(len(line) for line in lines)
    wrapped = len(lines) > 1 and margin > 50 and all(len(line) > 0.75 * margin for line in lines[:-1])
    if wrapped:
        blocks.paragraph("".join(line if _CJK_END.search(line) else line + " " for line in lines))
    else:
        blocks.paragraph("\n".join(lines))
    lines.clear()
