"""Pages read by OCR, in the same words as those with a text layer, so that one layout serves both."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ingest.errors import LimitExceeded
from ingest.parse.ocr import Recognised, recognise
from ingest.parse.pdf_page import Page, Run

if TYPE_CHECKING:
    from PIL.Image import Image

_POOR = 0.8
# Detected lines are higher than their font by this; and their heights differ with the letters in them.
_LINE_HEIGHT = 1.2
_SAME_SIZE = (0.74, 1.3)
_STEP = 1.2
_MOST_PAGES_NAMED = 20


class OcrPages:
    """Reads pages from their pictures and remembers which, and how well."""

    def __init__(self) -> None:
        self.tried = False
        self.read_pages: list[int] = []
        self.poor_pages: list[int] = []

    def read(self, page: Page, draw: Callable[[], Image]) -> None:
        """Put the runs found in the page's picture in the place of its own, unless they say less."""
        self.tried = True
        try:
            found = recognise(draw())
        except LimitExceeded:
            page.too_large = not page.runs
            return
        # Letters of a garbled text layer count for nothing, a stamp's for what they are.
        if sum(len(line.text) for line in found.lines) < sum(sum(c.isalnum() for c in run.text) for run in page.runs):
            return
        page.runs = []
        if not found.lines:
            return
        page.read = page.shown.turned(page.shown.turn + found.turn)
        page.runs = to_runs(found, page.read.width / found.width)
        self.read_pages.append(page.number)
        if found.confidence < _POOR:
            self.poor_pages.append(page.number)

    def warnings(self) -> list[str]:
        """Which pages were read, and which of them a person should check."""
        said = (
            ("Pages read by OCR", self.read_pages),
            ("Pages that OCR could hardly read, check them", self.poor_pages),
        )
        return [f"{what}: {numbers(pages)}." for what, pages in said if pages]


def numbers(pages: list[int]) -> str:
    """Page numbers for a person; the first twenty of many."""
    more = f" and {len(pages) - _MOST_PAGES_NAMED} more" if len(pages) > _MOST_PAGES_NAMED else ""
    return ", ".join(map(str, pages[:_MOST_PAGES_NAMED])) + more


def to_runs(found: Recognised, scale: float) -> list[Run]:
    """Lines as runs; ``scale`` is points per pixel. Sizes are the same for all lines of about the same height."""
    heights = [(line.y1 - line.y0) * scale / _LINE_HEIGHT for line in found.lines]
    weighted = sorted(zip(heights, (len(line.text) for line in found.lines), strict=True))
    half, body = sum(weight for _, weight in weighted) / 2, 0.0
    for height, weight in weighted:
        half -= weight
        body = height
        if half <= 0:
            break
    return [
        Run(
            line.text,
            line.x0 * scale,
            (found.height - line.y1) * scale,
            line.x1 * scale,
            (found.height - line.y0) * scale,
            _size(height, body),
        )
        for line, height in zip(found.lines, heights, strict=True)
    ]


def _size(height: float, body: float) -> float:
    ratio = height / max(body, 1e-6)
    if _SAME_SIZE[0] < ratio < _SAME_SIZE[1]:
        return max(body, 1.0)
    # Steps of a scale, so that two headings of one kind have one size.
    size, grows = body, ratio > 1
    while (size * _STEP < height * 1.05) if grows else (size > height * 1.1):
        size = size * _STEP if grows else size / _STEP
    return max(size, 1.0)
