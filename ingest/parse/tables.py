"""From ragged rows of cells to a Table: cleaned, padded, with its header found.

Every format hands its cells over as rows of strings in which merged cells already repeat their text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from ingest.schema import Table

Grid = list[list[str]]

# A label is short; a first row with an essay in it is data.
_LONGEST_LABEL = 120
_MOST_HEADER_ROWS = 3
# Bounds what a hostile colspan can make us allocate.
MOST_SPAN = 1000

_NUMBER = re.compile(
    r"[\s(<>=~≈+\-−–—$€£¥￥%‰]*\d[\d\s.,'/:\-−–年月日]*(?:%|‰|[a-zA-Z]{1,3}|[元万亿千百个件人天月年日次吨米])?[)\s]*"
)
# A year, or months of one.
_PERIOD = re.compile(r"(?:19|20)\d\d\s*(?:年\s*(?:\d{1,2}\s*(?:[-—–~至到]\s*\d{1,2})?\s*月?)?)?")


def make_table(rows: Sequence[Sequence[str]], header_rows: int | None = None) -> Table | None:
    """A Table from rows of cells, or None when no cell holds text.

    ``header_rows`` is how many first rows are known to be the header; None means: look at the cells.
    """
    grid = [[" ".join(cell.split()) for cell in row] for row in rows]
    if header_rows is not None:
        header_rows = sum(any(row) for row in grid[:header_rows])
    grid = _drop_empty(grid)
    if not grid:
        return None
    count = count_header_rows(grid) if header_rows is None else min(header_rows, len(grid))
    header = tuple(_join_labels(column) for column in zip(*grid[:count], strict=True)) if count else ()
    return Table(header, tuple(tuple(row) for row in grid[count:]))


def is_number(text: str) -> bool:
    """Whether a cell holds a number, an amount, a date or a percentage rather than a label."""
    return bool(_NUMBER.fullmatch(text))


def count_header_rows(grid: Grid) -> int:
    """How many first rows are labels: 0, 1, or more where the row above names groups of columns."""
    if len(grid) < 2 or _is_form(grid):
        return 0
    count = 1
    if not _is_label_row(grid[0]):
        # "In millions | | | 2023" above the labels proper: too few to be labels alone.
        if len(grid) < 3 or not (_is_sparse_label_row(grid[0]) and _is_label_row(grid[1], 2) and _has_numbers(grid[2])):
            return 0
        count = 2
    while count < min(_MOST_HEADER_ROWS, len(grid) - 1):
        above, row = grid[count - 1], grid[count]
        if row == above or not _is_label_row(row, least=2):
            break
        # A third row of words is as likely data; only numbers below it tell.
        if count > 1 and not _has_numbers(grid[count + 1]):
            break
        completes = any(low and not high for high, low in zip(above, row, strict=True)) and _has_numbers(
            grid[count + 1]
        )
        if not (_names_groups(above, row) or completes):
            break
        count += 1
    return count


def read_table(rows: Sequence[Sequence[str]], header_rows: int | None = None) -> tuple[Table | None, str]:
    """A Table and its caption, where its first row is one text over all columns."""
    captions = []
    while len(rows) > 2 and len(rows[0]) > 1 and rows[0][0].strip() and len(set(rows[0])) == 1:
        captions.append(rows[0][0])
        rows = rows[1:]
        header_rows = max(header_rows - 1, 0) or None if header_rows is not None else None
    return make_table(rows, header_rows), " ".join(" ".join(captions).split())


def split_caption(grid: Grid) -> tuple[list[str], Grid, list[str]]:
    """Lines above and below a table that hold a single text, apart from the table itself.

    A spreadsheet has its title and its notes in cells of the same grid; they are not rows.
    """
    filled = [list(dict.fromkeys(cell for cell in row if cell.strip())) for row in grid]
    width = max((len(cells) for cells in filled), default=0)
    if width < 2:
        return [cells[0] for cells in filled if cells], [], []
    start, end = 0, len(grid)
    while start < end and len(filled[start]) <= 1:
        start += 1
    while end > start and (not filled[end - 1] or (len(filled[end - 1]) == 1 and _is_note(filled[end - 1][0]))):
        end -= 1
    above = [cells[0] for cells in filled[:start] if cells]
    below = [cells[0] for cells in filled[end:] if cells]
    return above, grid[start:end], below


def fill_spans(cells: Sequence[Sequence[tuple[str, int, int]]]) -> Grid:
    """Rows of (text, colspan, rowspan) as a grid in which a merged cell repeats in all it covers."""
    grid: list[dict[int, str]] = [{} for _ in cells]
    for y, row in enumerate(cells):
        x = 0
        for text, colspan, rowspan in row:
            while x in grid[y]:
                x += 1
            for dy in range(min(rowspan, len(cells) - y)):
                for dx in range(min(colspan, MOST_SPAN)):
                    grid[y + dy].setdefault(x + dx, text)
            x += min(colspan, MOST_SPAN)
    width = max((max(row, default=-1) + 1 for row in grid), default=0)
    return [[row.get(x, "") for x in range(width)] for row in grid]


def _drop_empty(grid: Grid) -> Grid:
    grid = [row for row in grid if any(row)]
    width = max((len(row) for row in grid), default=0)
    grid = [row + [""] * (width - len(row)) for row in grid]
    keep = [x for x in range(width) if any(row[x] for row in grid)]
    return [[row[x] for x in keep] for row in grid]


def _is_label_row(row: Sequence[str], least: int = 1) -> bool:
    filled = [cell for cell in row if cell]
    # Only the corner, and a few spacer columns, may be nameless.
    if len(filled) < max(least, (len(row) + 1) // 2):
        return False
    # Years make good labels ("2022", "2023") when the corner names what they are of.
    numbers = sum(is_number(cell) and not _PERIOD.fullmatch(cell) for cell in filled)
    if is_number(filled[0]) and len(filled) == len(row):
        return False
    return numbers == 0 and all(len(cell) <= _LONGEST_LABEL for cell in filled)


def _is_form(grid: Grid) -> bool:
    """ "Name: | Ada": the labels stand in the first column, no row is above the others."""
    return len(grid[0]) == 2 and sum(row[0].endswith((":", "：")) for row in grid) * 2 > len(grid)


def _is_sparse_label_row(row: Sequence[str]) -> bool:
    filled = [cell for cell in row if cell]
    return len(filled) >= 2 and not any(is_number(cell) for cell in filled)


def _has_numbers(row: Sequence[str]) -> bool:
    return any(is_number(cell) for cell in row[1:] if cell)


def _names_groups(above: Sequence[str], row: Sequence[str]) -> bool:
    """Whether a merged cell above has different labels under it."""
    return any(
        above[x] and above[x] == above[x + 1] and row[x] != row[x + 1] and row[x] and row[x + 1]
        for x in range(len(row) - 1)
    )


def _join_labels(labels: Sequence[str]) -> str:
    return " / ".join(dict.fromkeys(label for label in labels if label))


def _is_note(text: str) -> bool:
    return len(text) > 40 or bool(re.match(r"[(（*注※]|note|source|备注|说明|来源", text, re.IGNORECASE))
