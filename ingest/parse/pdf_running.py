"""Running heads, running feet and page numbers: found by what repeats, dropped from their pages."""

from __future__ import annotations

import re
from collections import Counter
from math import ceil

from ingest.parse.pdf_layout import to_lines
from ingest.parse.pdf_page import Page, Run

_MARGIN = 0.13
_MARGIN_LINES = 4
_PAGE_NUMBER = re.compile(r"[\divxlc]+", re.I)
# Remembered lines; beyond them a document repeats itself often enough to be seen within one window.
_MOST_KEYS = 50_000


class RunningLines:
    """Counts the lines at the edges of pages; what stands on many of them is dropped.

    A long document comes in windows of pages: what was counted in earlier ones still counts.
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[bool, str]] = Counter()
        self._pages = 0

    def drop(self, pages: list[Page]) -> None:
        """Drop the same line, digits aside, on many pages, from all pages of the window."""
        found = [_margin_lines(page) for page in pages]
        for lines in found:
            self._counts.update({key for key, _ in lines})
        self._pages += len(pages)
        if len(self._counts) > _MOST_KEYS:
            self._counts = Counter({key: count for key, count in self._counts.items() if count > 1})
        least = min(3, max(2, ceil(self._pages / 2)))
        for page, lines in zip(pages, found, strict=True):
            # A number alone at the edge is a page number, even on a single page.
            gone = {id(run) for key, runs in lines if self._counts[key] >= least or key[1] == "#" for run in runs}
            page.runs = [run for run in page.runs if id(run) not in gone]


def _margin_lines(page: Page) -> list[tuple[tuple[bool, str], list[Run]]]:
    result = []
    for top in (True, False):
        edge = page.read.height * (1 - _MARGIN if top else _MARGIN)
        runs = [r for r in page.runs if r.table is None and ((r.y0 > edge) if top else (r.y1 < edge))]
        lines = to_lines(runs)
        for line in lines[:_MARGIN_LINES] if top else lines[-_MARGIN_LINES:]:
            members = [r for r in runs if r.y0 >= line.y0 - 0.1 and r.y1 <= line.y1 + 0.1]
            result.append(((top, _key(line.text)), members))
    return result


def _key(text: str) -> str:
    squeezed = re.sub(r"\s+", "", text)
    bare = squeezed.strip("-–—·|./第页頁Pp")
    return "#" if _PAGE_NUMBER.fullmatch(bare) else re.sub(r"\d+", "#", squeezed)
