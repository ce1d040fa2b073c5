"""From runs of text on a page to paragraphs in reading order.

Columns are found by a gutter that few runs cross (a simple XY cut), lines by their overlap in height, paragraphs by
spacing, indents, and whether the next word would have fitted on the line before.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from ingest.parse.blocks import list_mark
from ingest.parse.pdf_page import Run, is_cjk
from ingest.parse.pdf_words import Words
from ingest.schema import Box, Table

# Points of a rectangle among the runs to its place on the page.
Place = Callable[[float, float, float, float], Box]

_NARROWEST_SPLIT = 150.0
_FEWEST_COLUMN_LINES = 4
# In a column of running text a typical line fills this share of its width; in a form it does not.
_LEAST_FILL = 0.5
_SENTENCE_END = re.compile(r"[.!?:;。！？：；…][\"'”’)）」』]?$")
_CHAPTER = re.compile(r"第[一二三四五六七八九十百\d]+[章节條条款部分]|[一二三四五六七八九十]{1,3}、")
_DEEPEST_CUT = 2
_FEWEST_LOOSE = 4


@dataclass(slots=True)
class Line:
    """One line of one column."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool
    table: Table | None = None


@dataclass(slots=True)
class Paragraph:
    """Lines that belong together; ``mark`` and ``indent`` (points) are those of a list item.

    full: its last line goes to the edge of its column, so that it may go on in the next.
    """

    text: str
    size: float
    bold: bool
    lines: int
    indent: float = 0.0
    mark: str | None = None
    table: Table | None = None
    boxes: tuple[Box, ...] = ()
    full: bool = False


def paragraphs(runs: Sequence[Run], place: Place, words: Words | None = None) -> list[Paragraph]:
    """The paragraphs and tables of a page in reading order; ``words`` tells which hyphens to keep."""
    result: list[Paragraph] = []
    words = words or Words()
    for column in _columns(list(runs), _DEEPEST_CUT):
        for paragraph in _paragraphs_of(to_lines(column), place, words):
            if result and goes_on(result[-1], paragraph):
                continue_with(result[-1], paragraph, words)
            else:
                result.append(paragraph)
    return result


def goes_on(before: Paragraph, paragraph: Paragraph) -> bool:
    """Whether a paragraph is the rest of one that the end of its column or page has cut."""
    if before.table is not None or paragraph.table is not None or paragraph.mark is not None:
        return False
    # The box of what stands right above says that no column or page has ended.
    a, b = before.boxes[-1], paragraph.boxes[0]
    if (a.page == b.page and b.y0 >= a.y0) or not before.full or before.bold != paragraph.bold:
        return False
    if abs(before.size - paragraph.size) > 0.05 * before.size or _SENTENCE_END.search(before.text):
        return False
    first, last = paragraph.text[0], before.text[-1]
    return first.islower() or (is_cjk(last) and is_cjk(first) and not _CHAPTER.match(paragraph.text))


def continue_with(before: Paragraph, paragraph: Paragraph, words: Words) -> None:
    """Add the rest of a paragraph to its beginning."""
    before.text = join(before.text, paragraph.text, words=words)
    before.boxes += paragraph.boxes
    before.lines += paragraph.lines
    before.full = paragraph.full


def to_lines(runs: Sequence[Run]) -> list[Line]:
    """Runs of one column as lines from top to bottom."""
    rows: list[list[Run]] = []
    for run in sorted(runs, key=lambda r: -(r.y0 + r.y1)):
        if rows and run.table is None and rows[-1][0].table is None and _same_line(rows[-1], run):
            rows[-1].append(run)
        else:
            rows.append([run])
    return [_line(row) for row in rows]


def _same_line(row: list[Run], run: Run) -> bool:
    # Compared with the tallest, so that a superscript does not pull the next line up.
    tallest = max(row, key=lambda r: r.y1 - r.y0)
    overlap = min(tallest.y1, run.y1) - max(tallest.y0, run.y0)
    return overlap > 0.55 * min(tallest.y1 - tallest.y0, run.y1 - run.y0)


def _line(row: list[Run]) -> Line:
    row.sort(key=lambda run: run.x0)
    text = row[0].text
    for left, right in pairwise(row):
        gap = right.x0 - left.x1
        close = gap < 0.15 * right.size or (gap < 0.5 * right.size and is_cjk(left.text[-1]) and is_cjk(right.text[0]))
        text += right.text if close else f" {right.text}"
    main = max(row, key=lambda run: len(run.text))
    letters = sum(len(run.text) for run in row)
    bold = sum(len(run.text) for run in row if run.bold) >= 0.9 * letters
    y0, y1 = min(run.y0 for run in row), max(run.y1 for run in row)
    return Line(text, row[0].x0, y0, max(run.x1 for run in row), y1, main.size, bold, row[0].table)


def _columns(runs: list[Run], depth: int) -> list[list[Run]]:
    """Groups of runs to be read one after the other."""
    gutter = _gutter(runs) if depth else None
    if gutter is None:
        return [runs] if runs else []
    groups: list[list[Run]] = []
    for band in _bands(runs, gutter):
        if len(band) == 1 and _crosses(band[0], gutter):
            groups.append(band)
            continue
        left = [run for run in band if (run.x0 + run.x1) / 2 < gutter]
        right = [run for run in band if (run.x0 + run.x1) / 2 >= gutter]
        groups += _columns(left, depth - 1) + _columns(right, depth - 1)
    return _joined(groups, gutter)


def _joined(groups: list[list[Run]], gutter: float) -> list[list[Run]]:
    """Neighbouring full-width runs as one group, so that their lines can form paragraphs."""
    result: list[list[Run]] = []
    wide_before = False
    for group in groups:
        wide = any(_crosses(run, gutter) for run in group)
        if wide and wide_before:
            result[-1] = result[-1] + group
        else:
            result.append(group)
        wide_before = wide
    return result


def _crosses(run: Run, x: float) -> bool:
    return run.x0 < x - 1 and run.x1 > x + 1


def _bands(runs: list[Run], gutter: float) -> list[list[Run]]:
    """The page from top to bottom: full-width runs alone, and what stands between them."""
    bands: list[list[Run]] = []
    for run in sorted(runs, key=lambda r: -(r.y0 + r.y1)):
        if _crosses(run, gutter):
            bands.append([run])
        elif bands and not _crosses(bands[-1][0], gutter):
            bands[-1].append(run)
        elif bands and _same_line(bands[-1], run):
            # The rest of a full-width line.
            bands[-1][0] = _merged(bands[-1][0], run)
        else:
            bands.append([run])
    return bands


def _merged(first: Run, second: Run) -> Run:
    if first.table is not None or second.table is not None:
        return first
    left, right = sorted((first, second), key=lambda run: run.x0)
    y0, y1 = min(left.y0, right.y0), max(left.y1, right.y1)
    return Run(f"{left.text} {right.text}", left.x0, y0, max(left.x1, right.x1), y1, left.size, left.bold)


def _gutter(runs: list[Run]) -> float | None:
    """The x of the space between two columns, or None."""
    texts = [run for run in runs if run.table is None]
    if len(texts) < 2 * _FEWEST_COLUMN_LINES:
        return None
    left, right = min(run.x0 for run in texts), max(run.x1 for run in texts)
    width = right - left
    if width < _NARROWEST_SPLIT:
        return None
    best: tuple[int, float] | None = None
    for step in range(20, 81):
        x = left + width * step / 100
        crossing = sum(_crosses(run, x) for run in texts)
        # Among equals the one nearest to the middle.
        score = (crossing, abs(step - 50) / 100)
        if best is None or score < best[:2]:
            best, place = score, x
    return place if best is not None and _are_columns(texts, place, left, right) else None


def _are_columns(runs: list[Run], x: float, left: float, right: float) -> bool:
    bands = _bands(runs, x)
    sides: tuple[list[Line], list[Line]] = ([], [])
    together = False
    columnar = 0
    for band in bands:
        if len(band) == 1 and _crosses(band[0], x):
            continue
        columnar += 1
        halves = [to_lines([r for r in band if ((r.x0 + r.x1) / 2 >= x) == side]) for side in (False, True)]
        together |= min(len(half) for half in halves) >= 3
        for side, half in zip(sides, halves, strict=True):
            side.extend(half)
    if not together or min(len(side) for side in sides) < _FEWEST_COLUMN_LINES:
        return False
    if sum(len(side) for side in sides) < 5 * columnar:
        # Lines across the gutter everywhere: a form or a table without rules.
        return False
    return all(
        median(line.x1 - line.x0 for line in side) >= _LEAST_FILL * room
        for side, room in zip(sides, (x - left, right - x), strict=True)
    )


def _paragraphs_of(lines: list[Line], place: Place, words: Words) -> list[Paragraph]:
    if not lines:
        return []
    pitch, loose = _usual_pitch(lines), _loose_pitches(lines)
    right = max(line.x1 for line in lines)
    result: list[Paragraph] = []
    group: list[Line] = []
    for line in lines:
        if group and (line.table or group[-1].table or _starts_new(group, line, pitch, loose, right)):
            result.append(_paragraph(group, right, place, words))
            group = []
        group.append(line)
    result.append(_paragraph(group, right, place, words))
    return result


def _usual_pitch(lines: list[Line]) -> float:
    steps = [a.y0 - b.y0 for a, b in pairwise(lines) if 0 < a.y0 - b.y0 < 2.5 * a.size and abs(a.size - b.size) < 1]
    # The lower third: in a loose document most steps are between paragraphs.
    return sorted(steps)[len(steps) // 3] if steps else 0.0


def _loose_pitches(lines: list[Line]) -> list[float]:
    """Steps that return all over a column: its text stands wider than its notes, which made the usual pitch."""
    steps = [a.y0 - b.y0 for a, b in pairwise(lines) if 0 < a.y0 - b.y0 < 2.5 * a.size]
    alike = ((step, sum(abs(step - other) < 0.08 * step for other in steps)) for step in steps)
    return [step for step, count in alike if count >= max(_FEWEST_LOOSE, len(steps) / 4)]


def _starts_new(group: list[Line], line: Line, pitch: float, loose: list[float], right: float) -> bool:
    before = group[-1]
    step = before.y0 - line.y0
    if abs(before.size - line.size) > 0.12 * before.size or (
        before.bold != line.bold and _ends_short(before, line, right)
    ):
        return True
    usual = max(pitch, 1.05 * line.size) if pitch else 1.4 * line.size
    if step < -line.size:
        return True
    if step > 1.3 * usual + 0.5:
        # A sentence in the middle, broken at the right edge, in the column's own rhythm goes on all the same.
        middle = not _ends_short(before, line, right) and not _SENTENCE_END.search(before.text)
        if not middle or not any(abs(step - other) < 0.08 * step for other in loose):
            return True
    if list_mark(line.text):
        return True
    is_item = list_mark(group[0].text) is not None
    if is_item:
        # Under an item stands its own text, indented, or the next paragraph, further left.
        return line.x0 < group[0].x0 - 0.5 * line.size or (
            line.x0 < group[0].x0 + 0.5 * line.size and len(group) > 1 and before.x0 > group[0].x0 + 0.5 * line.size
        )
    indented = line.x0 > before.x0 + 0.8 * line.size and (len(group) == 1 or before.x0 < group[0].x0 + 0.3 * line.size)
    if indented and _SENTENCE_END.search(before.text):
        return True
    return _ends_short(before, line, right) and bool(_SENTENCE_END.search(before.text))


def _ends_short(before: Line, line: Line, right: float) -> bool:
    """Whether the line's first word would have fitted at the end of the line before: the break was meant."""
    width = (line.x1 - line.x0) / max(len(line.text), 1)
    first = 1 if is_cjk(line.text[0]) else len(line.text.split(" ", 1)[0]) + 1
    return before.x1 + width * first * 1.15 + 0.5 * line.size < right


def _paragraph(lines: list[Line], right: float, place: Place, words: Words) -> Paragraph:
    first, last = lines[0], lines[-1]
    boxes = (
        place(
            min(line.x0 for line in lines),
            min(line.y0 for line in lines),
            max(line.x1 for line in lines),
            max(line.y1 for line in lines),
        ),
    )
    if first.table is not None:
        return Paragraph(first.text, first.size, False, 0, table=first.table, boxes=boxes)
    mark = list_mark(first.text)
    text = first.text
    for before, line in pairwise(lines):
        keep_break = (
            mark is None and len(lines) > 1 and _ends_short(before, line, right) and not _is_large(lines, right)
        )
        text = join(text, line.text, "\n" if keep_break else " ", words)
    full = last.x1 > right - 2 * last.size or text.endswith("\u00ad")
    # A hyphen at the end waits for its other half, which may stand in the next column.
    text = text[:-1].replace("\u00ad", "") + text[-1:]
    bold = all(line.bold for line in lines)
    size = max(lines, key=lambda line: len(line.text)).size
    indent, sign = first.x0, None
    if mark is not None:
        rest = list_mark(text)
        text, sign = rest[1] if rest else text, mark[0]
    return Paragraph(text, size, bold, len(lines), indent, sign, boxes=boxes, full=full)


def _is_large(lines: list[Line], right: float) -> bool:
    """A title over several lines is broken where it looks best."""
    return len(lines) <= 3 and all(line.bold for line in lines)


def join(text: str, more: str, separator: str = " ", words: Words | None = None) -> str:
    """Two lines as one: hyphenated words whole again, no space between Chinese characters.

    >>> join("the infor-", "mation")
    'the information'
    """
    if text.endswith("\u00ad") or (separator == " " and text.endswith("-")):
        return _hyphenated(text[:-1], more, words)
    if separator == " " and is_cjk(text[-1]) and is_cjk(more[0]):
        return text + more
    return f"{text}{separator}{more}"


def _hyphenated(text: str, more: str, words: Words | None) -> str:
    left, right = re.search(r"[^\W\d_]+$", text), re.match(r"[^\W\d_]+", more)
    if left is None or right is None:
        # A dash between words, or a code that was cut: "FD-" and "200".
        return f"{text}-{more}" if re.search(r"\w$", text) and re.match(r"\w", more) else f"{text}- {more}"
    if is_cjk(left[0]) or is_cjk(right[0]):
        return f"{text}-{more}"
    if right[0] in ("and", "or", "und", "to"):
        return f"{text}- {more}"
    if right[0][0].isupper() and not left[0].isupper():
        return f"{text}-{more}"
    if left[0].isupper() and len(left[0]) > 1 and not right[0].isupper():
        return f"{text}-{more}"
    return f"{text}-{more}" if (words or Words()).keep_hyphen(left[0], right[0]) else text + more
