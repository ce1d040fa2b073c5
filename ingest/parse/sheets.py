"""Excel files, read with openpyxl.

`unstructured.partition_xlsx` takes the values from pandas: "12 %" becomes 0.12, a date a timestamp, a merged cell is
empty but for its corner, and a blank row cuts a table in two; so the cells are read here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ingest.parse.blocks import Blocks
from ingest.parse.cell_format import render
from ingest.parse.office import whole_package
from ingest.parse.tables import MOST_SPAN, Grid, count_header_rows, is_number, make_table, split_caption
from ingest.schema import ParsedDocument

# Formatting can reach to the last row of a sheet; this many cells without text are not looked at.
_MOST_EMPTY_ROWS = 1000
_MOST_COLUMNS = 1000
_MOST_ROWS = 500_000


def parse_xlsx(path: Path, name: str) -> ParsedDocument:
    """A .xlsx file: each visible sheet a HEADING, its texts as paragraphs and its tables."""
    import warnings as python_warnings

    import openpyxl

    with python_warnings.catch_warnings():
        # openpyxl warns about what it will not write back (styles, validations); we only read.
        python_warnings.simplefilter("ignore")
        # Read as a stream: stored files have no suffix, and openpyxl judges a path by it.
        workbook = openpyxl.load_workbook(whole_package(path, name), data_only=True)
    blocks = Blocks()
    warnings = []
    try:
        for sheet in workbook.worksheets:
            if sheet.sheet_state != "visible":
                warnings.append(f'The hidden sheet "{sheet.title}" was left out.')
                continue
            blocks.sheet = sheet.title
            read_grid(sheet.title, _grid(sheet), blocks)
        title = workbook.properties.title or ""
    finally:
        workbook.close()
    return ParsedDocument("xlsx", blocks.elements(), title, warnings=tuple(warnings))


def read_grid(title: str, grid: Grid, blocks: Blocks) -> None:
    """Add a sheet given as rows of cells, merged cells repeated: its name, its texts and its tables."""
    parts = _parts(grid)
    if not parts:
        return
    blocks.heading(title, 1)
    for part in parts:
        above, table, below = split_caption(part)
        for text in above:
            blocks.paragraph(text)
        blocks.table(make_table(table, _header_rows(table)))
        for text in below:
            blocks.paragraph(text)


def _header_rows(grid: Grid) -> int | None:
    """People put headers above their columns; only a first row with numbers in it speaks against it."""
    cleaned = [[" ".join(cell.split()) for cell in row] for row in grid]
    return count_header_rows(cleaned) or None


def _grid(sheet: Any) -> Grid:
    rows: Grid = []
    empty = 0
    for row in sheet.iter_rows(
        max_row=min(sheet.max_row or 0, _MOST_ROWS), max_col=min(sheet.max_column or 0, _MOST_COLUMNS)
    ):
        rows.append([render(cell.value, cell.number_format) if cell.value is not None else "" for cell in row])
        empty = 0 if any(rows[-1]) else empty + 1
        if empty > _MOST_EMPTY_ROWS:
            break
    for merged in sheet.merged_cells.ranges:
        _fill(rows, merged.min_row - 1, merged.max_row, merged.min_col - 1, merged.max_col)
    return rows


def _fill(rows: Grid, top: int, bottom: int, left: int, right: int) -> None:
    if top >= len(rows) or left >= len(rows[top]):
        return
    text = rows[top][left]
    for row in rows[top : min(bottom, top + MOST_SPAN)]:
        for x in range(left, min(right, len(row), left + MOST_SPAN)):
            row[x] = text


def _parts(grid: Grid) -> list[Grid]:
    """The sheet cut at its empty rows, except where one only sets a header or a subtotal off from its table."""
    parts: list[Grid] = []
    current: Grid = []
    for row in [*grid, []]:
        if any(cell.strip() for cell in row):
            current.append(row)
        elif current:
            if parts and _goes_on(parts[-1], current):
                parts[-1] += current
            else:
                parts.append(current)
            current = []
    return parts


def _goes_on(above: Grid, below: Grid) -> bool:
    """Whether a part without a header of its own stands under the columns of the one above."""
    if len(_columns(above[-1])) < 2 and len(above) == 1:
        return False
    columns, header = _columns(*above), _columns(*below)
    if len(header) < 2 or not header <= columns:
        return False
    return any(is_number(cell.strip()) for cell in below[0][1:] if cell.strip())


def _columns(*rows: list[str]) -> set[int]:
    return {x for row in rows for x, cell in enumerate(row) if cell.strip()}
