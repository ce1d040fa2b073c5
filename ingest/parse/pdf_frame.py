"""Coordinates of a PDF page: as its file counts, as its text is read, and as a person sees it."""

from __future__ import annotations

from dataclasses import dataclass

from ingest.places import clipped
from ingest.schema import Box

Rectangle = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Frame:
    """The visible part of a page, turned.

    left, bottom:  its corner in the file's points.
    width, height: in points, after turning.
    turn:          0, 90, 180 or 270 degrees clockwise.
    """

    left: float
    bottom: float
    width: float
    height: float
    turn: int = 0

    def seen(self, x0: float, y0: float, x1: float, y1: float) -> Rectangle:
        """A rectangle of the file in this frame, from its lower left corner."""
        x0, y0, x1, y1 = x0 - self.left, y0 - self.bottom, x1 - self.left, y1 - self.bottom
        if self.turn == 90:
            return y0, self.height - x1, y1, self.height - x0
        if self.turn == 180:
            return self.width - x1, self.height - y1, self.width - x0, self.height - y0
        if self.turn == 270:
            return self.width - y1, x0, self.width - y0, x1
        return x0, y0, x1, y1

    def back(self, x0: float, y0: float, x1: float, y1: float) -> Rectangle:
        """A rectangle of this frame as the file counts."""
        if self.turn == 90:
            x0, y0, x1, y1 = self.height - y1, x0, self.height - y0, x1
        elif self.turn == 180:
            x0, y0, x1, y1 = self.width - x1, self.height - y1, self.width - x0, self.height - y0
        elif self.turn == 270:
            x0, y0, x1, y1 = y0, self.width - x1, y1, self.width - x0
        return x0 + self.left, y0 + self.bottom, x1 + self.left, y1 + self.bottom

    def turned(self, turn: int) -> Frame:
        """The same part of the page at another angle."""
        upright = (turn - self.turn) % 180 == 0
        width, height = (self.width, self.height) if upright else (self.height, self.width)
        return Frame(self.left, self.bottom, width, height, turn % 360)

    def box(self, page: int, read: Frame, rectangle: Rectangle) -> Box:
        """The Box of a rectangle of the frame ``read`` on the page as seen in this one."""
        x0, y0, x1, y1 = self.seen(*read.back(*rectangle)) if read != self else rectangle
        width, height = max(self.width, 1e-6), max(self.height, 1e-6)
        return clipped(page, x0 / width, 1 - y1 / height, x1 / width, 1 - y0 / height)


def shown_frame(page: object) -> Frame:
    """The frame of a pypdfium2 page as viewers show it."""
    left, bottom, right, top = page.get_bbox()  # type: ignore[attr-defined]  # pypdfium2 has no types
    turn = page.get_rotation() % 360  # type: ignore[attr-defined]  # pypdfium2 has no types
    width, height = abs(right - left), abs(top - bottom)
    if turn in (90, 270):
        width, height = height, width
    return Frame(min(left, right), min(bottom, top), width, height, turn)
