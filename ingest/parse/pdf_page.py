"""One PDF page as runs of text with their places: what pdfium knows, and nothing guessed yet."""

from __future__ import annotations

import ctypes
import math
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ingest.parse.pdf_frame import Frame, Rectangle, shown_frame
from ingest.schema import Box, Table

_BOLD_FONT = re.compile(r"bold|heavy|black|semibold|demi|simhei|heiti|hei\b|黑体|-B\b|,B\b", re.I)
_BOLD_WEIGHT = 600
_CJK = re.compile(r"[\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff]")
_SOFT_HYPHEN = "\u00ad"
# pdfium writes these for a hyphen at the end of a line.
_LINE_END_HYPHENS = (0xFFFE, 0x02)
_SPACES = frozenset((0x20, 0xA0, 0x09, 0x3000))
_LINE_ENDS = frozenset((0x0D, 0x0A))
_BLANKS = _SPACES | _LINE_ENDS
_NO_CHARACTERS = frozenset((0, 0xFFFD))
# Letters that a font names for itself only; a text of them says nothing.
_MEANINGLESS = re.compile(r"[\ue000-\uf8ff\x00-\x08\x0e-\x1f\x7f-\x9f\U000f0000-\U0010ffff]")
_MOST_MEANINGLESS = 0.3
# Fewer letters than these beside a picture of this share of the page: the page is the picture.
_SPARSE = ((20, 0.4), (120, 0.8))
# Pages beyond these are drawings; taking them apart would take minutes.
_MOST_LETTERS = 200_000
_MOST_OBJECTS = 2_000_000
_SAMPLED_ANGLES = 300
# A gap of this many times the letter height ends a run: it may be the space between two columns.
_RUN_GAP = 0.9


@dataclass(slots=True)
class Run:
    """Letters on one line without a wide gap; points from the lower left corner of the page as seen.

    ``size`` is the font size in points; ``table`` stands for a whole table in the place of its text.
    """

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    size: float
    bold: bool = False
    table: Table | None = None


@dataclass(slots=True)
class Page:
    """What was read from one page before any layout.

    read:      the frame that the runs are counted in; ``shown`` the one that a person sees.
    needs_ocr: there is no text layer, or it says nothing, and something is drawn.
    too_large: the page has so much on it that it was not read.
    """

    number: int
    runs: list[Run]
    read: Frame
    shown: Frame
    needs_ocr: bool = False
    too_large: bool = False

    def box(self, x0: float, y0: float, x1: float, y1: float) -> Box:
        """The place on the page of a rectangle among the runs."""
        return self.shown.box(self.number, self.read, (x0, y0, x1, y1))


TextIn = Callable[[Rectangle], str]
TableFinder = Callable[[Any, TextIn, Frame], list[Run]]


def is_cjk(character: str) -> bool:
    """Whether a character is written without spaces around it."""
    return bool(_CJK.match(character))


def read_page(page: Any, number: int, find_tables: TableFinder) -> Page:
    """Read one pypdfium2 page, with its ruled tables in the place of their text; the caller closes it."""
    import pypdfium2.raw as pdfium

    shown = shown_frame(page)
    objects = pdfium.FPDFPage_CountObjects(page.raw)
    if objects > _MOST_OBJECTS:
        return Page(number, [], shown, shown, too_large=True)
    text_page = page.get_textpage()
    try:
        if pdfium.FPDFText_CountChars(text_page.raw) > _MOST_LETTERS:
            return Page(number, [], shown, shown, too_large=True)
        reader = _Reader(text_page.raw, shown)
        runs, frame = reader.runs(), reader.frame

        def text_in(rectangle: Rectangle) -> str:
            return str(text_page.get_text_bounded(*frame.back(*rectangle)))

        tables = find_tables(page, text_in, frame) if runs else []
    finally:
        text_page.close()
    letters = sum(len(run.text) for run in runs)
    needs_ocr = bool(objects) and _says_nothing(page, runs, letters, reader.unreadable, shown.width * shown.height)
    return Page(number, _with_tables(runs, tables), frame, shown, needs_ocr)


def _says_nothing(page: Any, runs: list[Run], letters: int, unreadable: int, area: float) -> bool:
    """Whether the text layer is missing, garbled, or no more than a stamp on the picture of a page."""
    if letters + unreadable == 0:
        return True
    meaningless = unreadable + sum(len(_MEANINGLESS.findall(run.text)) for run in runs)
    if meaningless > _MOST_MEANINGLESS * (letters + unreadable):
        return True
    return letters < _SPARSE[-1][0] and any(letters < most and _covered(page) > share * area for most, share in _SPARSE)


def _with_tables(runs: list[Run], tables: list[Run]) -> list[Run]:
    def inside(run: Run) -> bool:
        x, y = (run.x0 + run.x1) / 2, (run.y0 + run.y1) / 2
        return any(t.x0 - 1 <= x <= t.x1 + 1 and t.y0 - 1 <= y <= t.y1 + 1 for t in tables)

    return [run for run in runs if not inside(run)] + tables


class _Reader:
    def __init__(self, raw: Any, shown: Frame) -> None:
        import pypdfium2.raw as pdfium

        self._pdfium = pdfium
        self._raw = raw
        self.frame = shown.turned(self._turn(shown.turn))
        self.unreadable = 0
        self._runs: list[Run] = []
        self._angles: list[int] = []
        self._fonts: dict[str, bool] = {}

    def runs(self) -> list[Run]:
        """All runs in the order of the file; text at another angle than the page's is left out."""
        self._read()
        if not self._runs:
            return []
        letters: Counter[int] = Counter()
        for run, angle in zip(self._runs, self._angles, strict=True):
            letters[angle] += len(run.text)
        usual = letters.most_common(1)[0][0]
        # A stamp along the margin or a watermark across the page is no part of the text.
        runs = [run for run, angle in zip(self._runs, self._angles, strict=True) if angle == usual]
        for run in runs:
            run.text = run.text.strip()
        return [run for run in runs if run.text]

    def _turn(self, shown: int) -> int:
        """How far the page has to be turned for most of its text to be upright; as shown where it is aslant."""
        count = self._pdfium.FPDFText_CountChars(self._raw)
        step = max(count // _SAMPLED_ANGLES, 1)
        angles = Counter(
            round(math.degrees(self._pdfium.FPDFText_GetCharAngle(self._raw, i)) / 5) * 5 % 360
            for i in range(0, count, step)
            if self._pdfium.FPDFText_GetUnicode(self._raw, i) not in _BLANKS
        )
        usual = angles.most_common(1)[0][0] if angles else -1
        return (360 - usual) % 360 if usual in (0, 90, 180, 270) else shown

    def _read(self) -> None:
        # This loop runs for every letter: the rest of the file is fast because little happens here.
        get_box = self._pdfium.FPDFText_GetLooseCharBox
        raw, frame = self._raw, self.frame
        turned = bool(frame.turn or frame.left or frame.bottom)
        rect = self._pdfium.FS_RECTF()
        pointer = ctypes.byref(rect)
        run: Run | None = None
        space, high = False, 0
        for i, code in enumerate(self._codes()):
            if code in _SPACES:
                space = True
                continue
            if code in _LINE_ENDS:
                run, space = None, False
                continue
            if code in _NO_CHARACTERS:
                self.unreadable += 1
                continue
            if not get_box(raw, i, pointer):
                continue
            if 0xD800 <= code < 0xE000:
                if code < 0xDC00:
                    high = code
                    continue
                code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00) if high else 0x20
                high = 0
            character = _SOFT_HYPHEN if code in _LINE_END_HYPHENS else chr(code)
            x0, y0, x1, y1 = rect.left, rect.bottom, rect.right, rect.top
            if turned:
                x0, y0, x1, y1 = frame.seen(x0, y0, x1, y1)
            if run is not None and self._goes_on(run, x0, y0, y1):
                if space or (x0 - run.x1 > 0.25 * run.size and not is_cjk(character)):
                    run.text += " "
                run.text += character
                if x0 < run.x0:
                    run.x0 = x0
                if x1 > run.x1:
                    run.x1 = x1
            else:
                run = self._start(i, character, x0, y0, x1, y1)
            space = False

    def _codes(self) -> list[int]:
        """The UTF-16 units of the page, one for each of pdfium's letters."""
        count = self._pdfium.FPDFText_CountChars(self._raw)
        buffer = (ctypes.c_ushort * (count + 1))()
        # All in one call where the text has as many units as there are letters, which is nearly always.
        if count > 0 and self._pdfium.FPDFText_GetText(self._raw, 0, count, buffer) == count + 1:
            return list(buffer)[:count]
        return [self._pdfium.FPDFText_GetUnicode(self._raw, i) for i in range(count)]

    @staticmethod
    def _goes_on(run: Run, x0: float, y0: float, y1: float) -> bool:
        height = max(run.y1 - run.y0, 1.0)
        if y0 == run.y0 and y1 == run.y1:
            return -0.5 * height < x0 - run.x1 < _RUN_GAP * height
        overlap = min(run.y1, y1) - max(run.y0, y0)
        if overlap < 0.5 * min(height, max(y1 - y0, 0.1)) or abs((y1 - y0) - height) > 0.3 * height:
            return False
        return -0.5 * height < x0 - run.x1 < _RUN_GAP * height

    def _start(self, i: int, character: str, x0: float, y0: float, x1: float, y1: float) -> Run:
        run = Run(character, x0, y0, x1, y1, self._size(i, y1 - y0), self._is_bold(i))
        self._runs.append(run)
        self._angles.append(round(math.degrees(self._pdfium.FPDFText_GetCharAngle(self._raw, i)) / 15) % 24)
        return run

    def _size(self, i: int, height: float) -> float:
        # The font size counts before the matrix, which in some files does all the scaling.
        matrix = self._pdfium.FS_MATRIX()
        size = self._pdfium.FPDFText_GetFontSize(self._raw, i)
        if self._pdfium.FPDFText_GetMatrix(self._raw, i, ctypes.byref(matrix)):
            size *= math.hypot(matrix.c, matrix.d)
        return size if 1 <= size <= 400 else max(height * 0.85, 1.0)

    def _is_bold(self, i: int) -> bool:
        if self._pdfium.FPDFText_GetFontWeight(self._raw, i) >= _BOLD_WEIGHT:
            return True
        buffer = ctypes.create_string_buffer(128)
        self._pdfium.FPDFText_GetFontInfo(self._raw, i, buffer, 128, None)
        name = buffer.value.decode("utf-8", errors="ignore")
        if name not in self._fonts:
            self._fonts[name] = bool(_BOLD_FONT.search(name))
        return self._fonts[name]


def _covered(page: Any) -> float:
    """The area of the page's pictures, in square points."""
    import pypdfium2.raw as pdfium

    covered = 0.0
    for image in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_IMAGE], max_depth=3):
        left, bottom, right, top = image.get_bounds()
        covered += max(right - left, 0) * max(top - bottom, 0)
    return covered
