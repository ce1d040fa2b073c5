"""Tables with ruling lines on a PDF page.

The lines are read with pdfium and put together to cells by pdfplumber's own functions. Opening the page with pdfplumber
itself found the same cells seven times slower, since it reads every letter again, in Python, and spaced some of them
("0 3 / 2 5") where pdfium does not.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from typing import Any

from ingest.parse.pdf_frame import Frame
from ingest.parse.pdf_layout import join
from ingest.parse.pdf_page import Run, TextIn
from ingest.parse.tables import Grid, read_table

Box = tuple[float, float, float, float]
Matrix = tuple[float, float, float, float, float, float]

_IDENTITY: Matrix = (1, 0, 0, 1, 0, 0)
_SHORTEST = 4.0
# A line is level when it rises less than this over its length.
_SLANT = 1.0
_TOLERANCE = 4
_EDGE = 2.0
_FEWEST_FILLED = 0.25
_LONGEST_CELL = 400
# More lines than this are a drawing; putting them together would take minutes.
_MOST_EDGES = 3000
_MOST_CROSSINGS = 40_000
_MOST_OBJECTS = 20_000
_DEEPEST_FORM = 4


def find_tables(page: Any, text_in: TextIn, frame: Frame) -> list[Run]:
    """Tables of a pypdfium2 page, each as a Run in its place; cells that span others repeat their text.

    ``text_in`` gives the text within a box (x0, y0, x1, y1 in points of the frame, from its lower left corner).
    """
    height = frame.height
    edges = list(_edges(page, frame))
    across = sum(edge["orientation"] == "h" for edge in edges)
    # The cheap test that spares most pages all the rest: a table needs two lines each way.
    if across < 2 or len(edges) - across < 2 or len(edges) > _MOST_EDGES:
        return []
    result = []
    for cells in _cells(edges):
        boxes = [(x0, height - bottom, x1, height - top) for x0, top, x1, bottom in cells]
        texts = [_one_line(text_in(box)) for box in boxes]
        if _is_page_layout(texts):
            continue
        table, caption = read_table(_grid(boxes, texts))
        if table is not None and len((table.rows or (table.header,))[0]) >= 2:
            x0, y0 = min(b[0] for b in boxes), min(b[1] for b in boxes)
            x1, y1 = max(b[2] for b in boxes), max(b[3] for b in boxes)
            result.append(Run(caption, x0, y0, x1, y1, 0.0, table=table))
    return result


def _cells(edges: list[dict[str, Any]]) -> list[list[Box]]:
    from pdfplumber import table as plumber

    merged = plumber.merge_edges(edges, _TOLERANCE, _TOLERANCE, _TOLERANCE, _TOLERANCE)
    level = sum(edge["orientation"] == "h" for edge in merged)
    if level * (len(merged) - level) > _MOST_CROSSINGS:
        return []
    crossings = plumber.edges_to_intersections(merged, _TOLERANCE, _TOLERANCE)
    tables: list[list[Box]] = plumber.cells_to_tables(plumber.intersections_to_cells(crossings))
    return [cells for cells in tables if len(cells) >= 4]


def _edges(page: Any, frame: Frame) -> Iterator[dict[str, Any]]:
    """Level and upright lines as pdfplumber's functions want them: y downwards."""
    height = frame.height
    for line in _lines(page):
        # Which end is which does not matter to a line that is level or upright.
        x0, y0, x1, y1 = frame.seen(*line)
        if abs(y1 - y0) < _SLANT and abs(x1 - x0) > _SHORTEST:
            y, orientation = (y0 + y1) / 2, "h"
            box = (min(x0, x1), height - y, max(x0, x1), height - y)
        elif abs(x1 - x0) < _SLANT and abs(y1 - y0) > _SHORTEST:
            x, orientation = (x0 + x1) / 2, "v"
            box = (x, height - max(y0, y1), x, height - min(y0, y1))
        else:
            continue
        left, top, right, bottom = box
        yield {
            "x0": left, "x1": right, "top": top, "bottom": bottom, "width": right - left, "height": bottom - top,
            "orientation": orientation, "object_type": "line",
        }  # fmt: skip


def _lines(page: Any) -> Iterator[Box]:
    import pypdfium2.raw as pdfium

    left = _MOST_OBJECTS
    stack = [
        (pdfium.FPDFPage_GetObject(page.raw, i), _IDENTITY, 0)
        for i in range(min(pdfium.FPDFPage_CountObjects(page.raw), _MOST_OBJECTS))
    ]
    while stack and left:
        left -= 1
        shape, outer, depth = stack.pop()
        kind = pdfium.FPDFPageObj_GetType(shape)
        if kind == pdfium.FPDF_PAGEOBJ_PATH:
            yield from _path_lines(shape, _times(_matrix(shape), outer))
        elif kind == pdfium.FPDF_PAGEOBJ_FORM and depth < _DEEPEST_FORM:
            inner = _times(_matrix(shape), outer)
            count = pdfium.FPDFFormObj_CountObjects(shape)
            stack += [(pdfium.FPDFFormObj_GetObject(shape, i), inner, depth + 1) for i in range(min(count, left))]


def _path_lines(path: Any, matrix: Matrix) -> Iterator[Box]:
    import pypdfium2.raw as pdfium

    fill, stroke = ctypes.c_int(), ctypes.c_int()
    pdfium.FPDFPath_GetDrawMode(path, ctypes.byref(fill), ctypes.byref(stroke))
    if not fill.value and not stroke.value:
        return
    x, y = ctypes.c_float(), ctypes.c_float()
    start = before = (0.0, 0.0)
    for i in range(min(pdfium.FPDFPath_CountSegments(path), _MOST_EDGES)):
        segment = pdfium.FPDFPath_GetPathSegment(path, i)
        pdfium.FPDFPathSegment_GetPoint(segment, ctypes.byref(x), ctypes.byref(y))
        a, b, c, d, e, f = matrix
        point = (a * x.value + c * y.value + e, b * x.value + d * y.value + f)
        kind = pdfium.FPDFPathSegment_GetType(segment)
        if kind == pdfium.FPDF_SEGMENT_MOVETO:
            start = point
        elif kind == pdfium.FPDF_SEGMENT_LINETO:
            yield (*before, *point)
        if pdfium.FPDFPathSegment_GetClose(segment):
            yield (*point, *start)
        before = point


def _matrix(shape: Any) -> Matrix:
    import pypdfium2.raw as pdfium

    matrix = pdfium.FS_MATRIX()
    if not pdfium.FPDFPageObj_GetMatrix(shape, ctypes.byref(matrix)):
        return _IDENTITY
    return matrix.a, matrix.b, matrix.c, matrix.d, matrix.e, matrix.f


def _times(inner: Matrix, outer: Matrix) -> Matrix:
    a, b, c, d, e, f = inner
    g, h, i, j, k, m = outer
    return a * g + b * i, a * h + b * j, c * g + d * i, c * h + d * j, e * g + f * i + k, e * h + f * j + m


def _one_line(text: str) -> str:
    lines = [" ".join(line.replace("\ufffe", "\u00ad").replace("\x02", "\u00ad").split()) for line in text.splitlines()]
    joined = ""
    for line in filter(None, lines):
        joined = join(joined, line) if joined else line
    return joined.replace("\u00ad", "-" if joined.endswith("\u00ad") else "")


def _is_page_layout(texts: list[str]) -> bool:
    """Frames around whole passages place text on the page; a table has many short cells."""
    longest = max(map(len, texts), default=0)
    return longest > _LONGEST_CELL and longest > 0.3 * sum(map(len, texts))


def _grid(boxes: list[Box], texts: list[str]) -> Grid:
    """Texts by grid position: a cell covers every position whose middle lies within it."""
    xs = _distinct([value for box in boxes for value in (box[0], box[2])])
    ys = _distinct([value for box in boxes for value in (box[1], box[3])])
    grid = [["" for _ in xs[1:]] for _ in ys[1:]]
    for (x0, y0, x1, y1), text in zip(boxes, texts, strict=True):
        for j in range(len(ys) - 1):
            if y0 < (ys[j] + ys[j + 1]) / 2 < y1:
                for i in range(len(xs) - 1):
                    if x0 < (xs[i] + xs[i + 1]) / 2 < x1:
                        grid[j][i] = text
    grid.reverse()
    filled = sum(bool(cell) for row in grid for cell in row)
    return grid if filled >= _FEWEST_FILLED * len(grid) * max(len(xs) - 1, 1) else []


def _distinct(values: list[float]) -> list[float]:
    edges: list[float] = []
    for value in sorted(values):
        if not edges or value - edges[-1] > _EDGE:
            edges.append(value)
    return edges
