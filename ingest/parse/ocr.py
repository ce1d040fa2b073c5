"""Text in pictures, by rapidocr: PP-OCR models in onnxruntime, both in their wheels, nothing is fetched.

One set of models reads English, simplified and traditional Chinese. It is loaded when the first picture comes, once a
process (2 s, 300 MiB). What it gives are lines with corners and confidence; layout is the business of others.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from PIL.Image import Image

# Lines below are noise more often than text: dust, stamps, pictures.
_LEAST_CONFIDENCE = 0.55
_THREADS = 4
_BLANK = 6
_CLASSIFIED = 7
_READ_BOTH_WAYS = 3
_LOWEST_LINE = 4
# Upside-down text is read with less confidence than this, and so are some upright pages.
_SURE = 0.9
# Boxes of upright text are wider than high; of text that stands on its side the other way round.
_SIDEWAYS = 1.5
# A strip, such as the picture of a whole chat, is read in bands: reduced to one page its letters would be gone.
STRIP = 2.2
_BAND = 1.5
_CUT_WITHIN = 0.25
_LEAST_SKEW = math.radians(0.2)
_MOST_SKEW = math.radians(15)

Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class OcrLine:
    """A line, or a part of one up to a wide gap; pixels from the top left of the upright picture."""

    text: str
    x0: float
    y0: float
    x1: float
    y1: float
    confidence: float


@dataclass(frozen=True, slots=True)
class Recognised:
    """What was read in a picture.

    turn:          degrees clockwise by which the picture had to be turned to be upright.
    width, height: of the upright picture, in pixels.
    """

    lines: tuple[OcrLine, ...]
    turn: int
    width: int
    height: int

    @property
    def confidence(self) -> float:
        """Mean confidence of the letters, 0 to 1; 0 without any."""
        letters = sum(len(line.text) for line in self.lines)
        return sum(line.confidence * len(line.text) for line in self.lines) / letters if letters else 0.0


def recognise(image: Image) -> Recognised:
    """Read a picture (RGB), whichever way up it is; one that is much higher than wide in bands, one after the other."""
    if image.height <= STRIP * image.width:
        return _recognise(image)
    lines: list[OcrLine] = []
    for top, bottom in _bands(image):
        band = _recognise(image.crop((0, top, image.width, bottom)))
        if band.turn == 0:
            lines += [replace(line, y0=line.y0 + top, y1=line.y1 + top) for line in band.lines]
        elif band.lines:
            # A page that lies on its side, not a strip.
            return _recognise(image)
    return Recognised(tuple(lines), 0, image.width, image.height)


def _bands(image: Image) -> Iterator[tuple[int, int]]:
    """Top and bottom of each band; cut where a row of pixels changes least, which is between two lines of text."""
    import numpy

    high, top = round(image.width * _BAND), 0
    while image.height - top > high * (1 + _CUT_WITHIN):
        first = top + round(high * (1 - _CUT_WITHIN))
        rows = numpy.asarray(image.crop((0, first, image.width, top + high)).convert("L"), dtype=numpy.float32)
        changes = numpy.abs(numpy.diff(rows, axis=1)).sum(axis=1)
        # The middle of the blank rows rather than the first: ascenders stand above what the row says.
        blank = numpy.flatnonzero(changes <= changes.min() + 1)
        cut = first + int(blank[len(blank) // 2]) + 1
        yield top, cut
        top = cut
    yield top, image.height


def _recognise(image: Image) -> Recognised:
    import numpy

    nothing = Recognised((), 0, image.width, image.height)
    # An empty page is common in scans, and the models would look for words in its dust.
    if _is_blank(image):
        return nothing
    pixels = numpy.asarray(image)[:, :, ::-1]
    engine = _engine()
    found, turn = _read(engine, pixels), 0
    if found.boxes is None or not found.txts:
        return nothing
    if _sideways(found.boxes) or _mean(found.scores) < _SURE:
        turn = _turn(engine, pixels, found.boxes)
        if turn:
            pixels = numpy.ascontiguousarray(numpy.rot90(pixels, -turn // 90))
            found = _read(engine, pixels)
            if found.boxes is None or not found.txts:
                return nothing
    height, width = pixels.shape[:2]
    quads = [[(float(x), float(y)) for x, y in box] for box in found.boxes]
    quads = _straightened(quads, width, height)
    lines = [
        OcrLine(text.strip(), *_rectangle(quad), float(score))
        for quad, text, score in zip(quads, found.txts, found.scores, strict=True)
        if text.strip() and score >= _LEAST_CONFIDENCE
    ]
    return Recognised(tuple(lines), turn, width, height)


def _read(engine: Any, pixels: Any) -> Any:
    # Without its classifier, which now and then turns a single line on its head; pages are turned as a whole.
    return engine(pixels, use_det=True, use_cls=False, use_rec=True)


def _mean(scores: Any) -> float:
    return sum(map(float, scores)) / len(scores) if scores else 0.0


@lru_cache(maxsize=1)
def _engine() -> Any:
    from rapidocr import RapidOCR

    threads = min(os.cpu_count() or 1, _THREADS)
    return RapidOCR(
        params={
            "Global.log_level": "critical",
            "Rec.rec_batch_num": 1,
            "EngineConfig.onnxruntime.intra_op_num_threads": threads,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
        }
    )


def _is_blank(image: Image) -> bool:
    """Whether the picture is of one colour but for specks."""
    small = image.convert("L").resize((128, 128))
    counts = small.histogram()
    usual = max(range(256), key=counts.__getitem__)
    low, high = small.getextrema()
    return isinstance(low, int | float) and isinstance(high, int | float) and max(high - usual, usual - low) <= _BLANK


def _bounds(quads: Any) -> list[tuple[float, float, float, float]]:
    """Bounding boxes of the lines that are clearly longer than high, whichever way they run; the longest first."""
    boxes = [
        (
            float(min(x for x, _ in q)),
            float(min(y for _, y in q)),
            float(max(x for x, _ in q)),
            float(max(y for _, y in q)),
        )
        for q in quads
    ]
    long = [b for b in boxes if max(b[2] - b[0], b[3] - b[1]) >= _SIDEWAYS * min(b[2] - b[0], b[3] - b[1])]
    return sorted(long, key=lambda b: -max(b[2] - b[0], b[3] - b[1]))


def _sideways(quads: Any) -> bool:
    long = _bounds(quads)
    return sum(b[3] - b[1] > b[2] - b[0] for b in long) * 2 > len(long)


def _turn(engine: Any, pixels: Any, quads: Any) -> int:
    """How far the picture has to be turned clockwise: 90 by the shape of its lines, 180 by a classifier of lines."""
    import numpy

    upright = not _sideways(quads)
    long = [b for b in _bounds(quads) if (b[2] - b[0] >= b[3] - b[1]) == upright]
    lines = []
    for x0, y0, x1, y1 in long[:_CLASSIFIED]:
        line = pixels[max(int(y0), 0) : int(y1) + 1, max(int(x0), 0) : int(x1) + 1]
        if min(line.shape[:2]) >= _LOWEST_LINE:
            # Turned clockwise by 90 degrees, as the answer says if the line is then upright.
            lines.append(numpy.ascontiguousarray(line if upright else numpy.rot90(line, -1)))
    flipped = _are_flipped(engine, lines)
    return (180 if flipped else 0) if upright else (270 if flipped else 90)


def _are_flipped(engine: Any, lines: list[Any]) -> bool:
    """Whether lines stand on their heads: by the classifier, and where it says so, by which way they read better."""
    import numpy

    labels = []
    for line in lines:
        found = engine(line, use_det=False, use_cls=True, use_rec=False)
        labels += [label for label, _ in found.cls_res or ()]
    if labels.count("180") * 3 <= len(labels):
        return False
    upright = over = 0.0
    for line in lines[:_READ_BOTH_WAYS]:
        for image, flipped in ((line, False), (numpy.ascontiguousarray(line[::-1, ::-1]), True)):
            found = engine(image, use_det=False, use_cls=False, use_rec=True)
            score = sum(map(float, found.scores or ()))
            upright, over = (upright, over + score) if flipped else (upright + score, over)
    return over > upright


def _straightened(quads: list[list[Point]], width: int, height: int) -> list[list[Point]]:
    """Turn the corners about the middle so that the lines of a skew scan are level."""
    angles = []
    for quad in quads:
        # The two ends of the line, each the middle of a short side.
        points = sorted(quad)
        left = ((points[0][0] + points[1][0]) / 2, (points[0][1] + points[1][1]) / 2)
        right = ((points[2][0] + points[3][0]) / 2, (points[2][1] + points[3][1]) / 2)
        if right[0] - left[0] > 0.15 * width:
            angles.append(math.atan2(right[1] - left[1], right[0] - left[0]))
    angle = median(angles) if len(angles) >= 3 else 0.0
    if not _LEAST_SKEW < abs(angle) < _MOST_SKEW:
        return quads
    cosine, sine = math.cos(-angle), math.sin(-angle)
    mx, my = width / 2, height / 2

    def straight(point: Point) -> Point:
        x, y = point[0] - mx, point[1] - my
        return mx + x * cosine - y * sine, my + x * sine + y * cosine

    return [[straight(point) for point in quad] for quad in quads]


def _rectangle(quad: list[Point]) -> tuple[float, float, float, float]:
    """Left, top, right, bottom of a line; the mean of its slanted sides, so that neighbours do not overlap."""
    xs, ys = sorted(x for x, _ in quad), sorted(y for _, y in quad)
    return xs[0], (ys[0] + ys[1]) / 2, xs[-1], (ys[2] + ys[3]) / 2
