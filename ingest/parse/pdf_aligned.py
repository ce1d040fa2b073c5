"""Tables without ruling lines: rows whose cells stand in the same columns, told from columns of prose.

Text that stands in columns is a table only if its cells are short and aligned, row after row; where that is in doubt it
stays text. Two columns need numbers, or labels that end with a colon: side-by-side addresses are no rows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from ingest.parse.blocks import list_mark
from ingest.parse.pdf_layout import join
from ingest.parse.pdf_page import Run, is_cjk
from ingest.parse.tables import is_number, make_table

_FEWEST_ROWS = 3
_MOST_ROWS_PER_PAGE = 400
# Letters; Chinese ones count twice.
_SHORT, _LONG = 24, 44
_LEAST_FILLED = 0.5
_LEAST_ALIGNED = 0.7
# A row this many times further down than is usual begins something else.
_WIDEST_STEP = 2.6
_GROUPED_STEPS = 1.3
_HEADER_ROWS = 2
_LEADER = re.compile(r"(?:\.\s?){4,}|…{2,}")


@dataclass(slots=True)
class _Row:
    runs: list[Run]
    y0: float
    y1: float

    @property
    def middle(self) -> float:
        return (self.y0 + self.y1) / 2


def with_aligned_tables(runs: list[Run]) -> list[Run]:
    """The runs of a page, those that form an unruled table replaced by it."""
    rows = _rows([run for run in runs if run.table is None])
    if len(rows) < _FEWEST_ROWS or len(rows) > _MOST_ROWS_PER_PAGE:
        return runs
    gone: set[int] = set()
    tables: list[Run] = []
    for block in _blocks(rows, [run for run in runs if run.table is not None]):
        found = _table(block)
        if found is not None:
            tables.append(found)
            gone.update(id(run) for row in block for run in row.runs)
    return [run for run in runs if id(run) not in gone] + tables


def _rows(runs: list[Run]) -> list[_Row]:
    rows: list[_Row] = []
    for run in sorted(runs, key=lambda r: -(r.y0 + r.y1)):
        row = rows[-1] if rows else None
        if row is not None and min(row.y1, run.y1) - max(row.y0, run.y0) > 0.55 * min(row.y1 - row.y0, run.y1 - run.y0):
            row.runs.append(run)
            # The tallest decides, so that slanted rows do not swallow the next.
            if run.y1 - run.y0 > row.y1 - row.y0:
                row.y0, row.y1 = run.y0, run.y1
        else:
            rows.append(_Row([run], run.y0, run.y1))
    for row in rows:
        row.runs.sort(key=lambda r: r.x0)
    return rows


def _blocks(rows: list[_Row], tables: list[Run]) -> list[list[_Row]]:
    """Neighbouring rows of several cells each; rows of one cell between them may be a cell's further lines."""
    blocks: list[list[_Row]] = []
    current: list[_Row] = []

    def close() -> None:
        while current and len(current[-1].runs) < 2 and not _is_rest(current, current[-1]):
            current.pop()
        if sum(len(row.runs) >= 2 for row in current) >= _FEWEST_ROWS:
            blocks.append(current.copy())
        current.clear()

    for row in rows:
        if current:
            size = median(run.size for run in row.runs)
            far = current[-1].middle - row.middle > _WIDEST_STEP * max(size, row.y1 - row.y0)
            between = any(row.y1 < (t.y0 + t.y1) / 2 < current[-1].y0 for t in tables)
            if far or between or (len(row.runs) < 2 and not _is_rest(current, row)):
                close()
        if len(row.runs) >= 2 or current:
            current.append(row)
    close()
    return blocks


def _is_rest(above: list[_Row], row: _Row) -> bool:
    """Whether a row of one cell can be the further line of a cell above: it starts there, and is no longer."""
    run = row.runs[0]
    return any(
        abs(run.x0 - cell.x0) < 0.5 * run.size and run.x1 < _next_x(other, cell)
        for other in above[-4:]
        for cell in other.runs
        if len(other.runs) >= 2
    )


def _next_x(row: _Row, cell: Run) -> float:
    return min((run.x0 for run in row.runs if run.x0 > cell.x1), default=cell.x1 + 0.3 * (cell.x1 - cell.x0))


def _table(block: list[_Row]) -> Run | None:
    columns = _columns(block)
    if len(columns) < 2:
        return None
    lines = [_cells(row, columns, header=i < _HEADER_ROWS - 1) for i, row in enumerate(block)]
    grid = _joined(lines, block)
    if len(grid) < _FEWEST_ROWS or not _is_table(grid, lines, block, columns):
        return None
    table = make_table(grid)
    if table is None or len((table.header, *table.rows)[-1]) < 2:
        return None
    runs = [run for row in block for run in row.runs]
    box = min(r.x0 for r in runs), min(r.y0 for r in runs), max(r.x1 for r in runs), max(r.y1 for r in runs)
    return Run("", *box, 0.0, table=table)


def _columns(block: list[_Row]) -> list[tuple[float, float]]:
    """Left and right edge of each column: what lies between strips that no cell stands in.

    Cells of the first rows may span columns ("Price" above "net" and "gross"): what one of them covers is no evidence.
    """
    body = block[_HEADER_ROWS:] if len(block) > _FEWEST_ROWS + _HEADER_ROWS else block[1:]
    spans = sorted((run.x0, run.x1) for row in body for run in row.runs)
    columns: list[tuple[float, float]] = []
    least = 0.35 * median(run.size for row in block for run in row.runs)
    for x0, x1 in spans:
        if columns and x0 - columns[-1][1] < least:
            columns[-1] = (columns[-1][0], max(columns[-1][1], x1))
        else:
            columns.append((x0, x1))
    return columns


def _cells(row: _Row, columns: list[tuple[float, float]], *, header: bool) -> list[str]:
    """The row's text by column; a run over several columns, or a label above their middle, stands in each of them."""
    cells = ["" for _ in columns]
    middles = [(x0 + x1) / 2 for x0, x1 in columns]
    for run in row.runs:
        middle = (run.x0 + run.x1) / 2
        covered = [i for i, (x0, x1) in enumerate(columns) if min(run.x1, x1) - max(run.x0, x0) > 0.3 * run.size]
        if header and len(covered) < 2 and len(row.runs) < len(columns):
            covered = _group(run, middle, columns) or covered
        if not covered:
            covered = [min(range(len(columns)), key=lambda i: abs(middles[i] - middle))]
        for i in covered:
            cells[i] = f"{cells[i]} {run.text}".strip()
    return cells


def _group(run: Run, middle: float, columns: list[tuple[float, float]]) -> list[int]:
    """The columns that a label stands centred above, two or more; none where it belongs to a single one."""
    if any(
        abs(edge - own) < run.size
        for x0, x1 in columns
        for edge, own in ((x0, run.x0), (x1, run.x1), ((x0 + x1) / 2, middle))
    ):
        return []
    spans = [(i, j) for i in range(len(columns)) for j in range(i + 1, len(columns))]
    i, j = min(spans, key=lambda span: abs((columns[span[0]][0] + columns[span[1]][1]) / 2 - middle))
    return list(range(i, j + 1)) if abs((columns[i][0] + columns[j][1]) / 2 - middle) < run.size else []


def _joined(lines: list[list[str]], block: list[_Row]) -> list[list[str]]:
    """Lines of one row of cells as one: those that are closer than rows are, or that have no first cell."""
    steps = [a.middle - b.middle for a, b in pairwise(block)]
    least = _row_step(steps)
    grid = [list(lines[0])]
    for i, line in enumerate(lines[1:]):
        filled = [cell for cell in line if cell]
        empty_first = not line[0] and len(filled) < len(line) and not any(map(is_number, filled))
        labels = i + 1 < _HEADER_ROWS + 1 and len(filled) >= 2
        rest = steps[i] < least if least else empty_first and not labels and steps[i] < 1.6 * min(steps)
        # A line of one cell, closer to the row above than rows are to each other, is that cell's further line.
        rest = rest or (len(filled) == 1 and steps[i] < 0.8 * median(steps) and not is_number(filled[0]))
        if rest:
            grid[-1] = [join(a, b) if a and b else a or b for a, b in zip(grid[-1], line, strict=True)]
        else:
            grid.append(list(line))
    return grid


def _row_step(steps: list[float]) -> float:
    """The distance that parts rows from lines within them; 0 where all are alike."""
    ordered = sorted(steps)
    jump, at = max(((b / max(a, 0.1), i) for i, (a, b) in enumerate(pairwise(ordered))), default=(1.0, 0))
    # A jump among the last few is the space below the header.
    if jump < _GROUPED_STEPS or at < len(ordered) * 0.15 or len(ordered) - at - 1 < max(2, 0.2 * len(ordered)):
        return 0.0
    return (ordered[at] + ordered[at + 1]) / 2


def _width(text: str) -> int:
    return sum(2 if is_cjk(character) else 1 for character in text)


def _is_table(
    grid: list[list[str]], lines: list[list[str]], block: list[_Row], columns: list[tuple[float, float]]
) -> bool:
    count = len(columns)
    cells = [cell for row in grid for cell in row]
    if sum(map(bool, cells)) < _LEAST_FILLED * len(cells):
        return False
    if sum(bool(_LEADER.search(" ".join(row))) for row in grid) * 4 > len(grid):
        return False
    if sum(_is_item(row[0]) for row in grid) * 2 > len(grid):
        return False
    by_column = [[row[i] for row in grid[1:] if row[i]] for i in range(count)]
    if not all(by_column):
        return False
    numeric = [sum(map(is_number, column)) >= 0.5 * len(column) for column in by_column]
    widths = [median(map(_width, column)) for column in by_column]
    prose = [_is_prose([line[i] for line in lines if line[i]], i, block, columns) for i in range(count)]
    if sum(prose) > (count - 1) // 2 or not _aligned(block, columns):
        return False
    if count == 2:
        labels = sum(row[0].rstrip().endswith((":", "：")) for row in grid) * 2 > len(grid)
        return widths[0] <= _LONG and widths[1] <= _SHORT and (numeric[1] or labels) and not numeric[0]
    short = sum(number or width <= _SHORT for number, width in zip(numeric, widths, strict=True))
    if short * 2 < count or max(widths) > 6 * _LONG:
        return False
    return any(numeric) or (len(grid) > _FEWEST_ROWS and sum(map(bool, cells)) > 0.75 * len(cells))


def _is_item(text: str) -> bool:
    """Whether a first cell is no more than the mark of a list item."""
    return len(text) <= 3 and list_mark(f"{text} x") is not None and not is_number(text)


def _is_prose(texts: Sequence[str], i: int, block: list[_Row], columns: list[tuple[float, float]]) -> bool:
    """Lines that fill their column to the edge are running text."""
    x0, x1 = columns[i]
    widths = [run.x1 - run.x0 for row in block for run in row.runs if x0 - 1 <= run.x0 and run.x1 <= x1 + 1]
    if not widths or median(map(_width, texts)) < _SHORT:
        return False
    return median(widths) > 0.85 * (x1 - x0) and len(widths) >= 0.6 * len(block)


def _aligned(block: list[_Row], columns: list[tuple[float, float]]) -> bool:
    """Whether the cells of each column begin, end or have their middle on one line."""
    for x0, x1 in columns:
        runs = [run for row in block for run in row.runs if x0 - 1 <= run.x0 and run.x1 <= x1 + 1]
        if len(runs) < 2:
            continue
        tolerance = 0.4 * median(run.size for run in runs) + 1
        best = 0.0
        for places in ([r.x0 for r in runs], [r.x1 for r in runs], [(r.x0 + r.x1) / 2 for r in runs]):
            usual = median(places)
            best = max(best, sum(abs(place - usual) <= tolerance for place in places) / len(places))
        if best < _LEAST_ALIGNED:
            return False
    return True
