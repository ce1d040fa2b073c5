"""Where things stand on their pages: boxes put together without covering what they are not of."""

from __future__ import annotations

from collections.abc import Iterable

from ingest.schema import Box

# Boxes further apart than this share of the page's height are two places.
_FARTHEST = 0.06
_EDGE = 1e-3


def clipped(page: int, x0: float, y0: float, x1: float, y1: float) -> Box:
    """A Box in order and within its page; fractions from the top left, five digits."""
    left, right = sorted((min(max(x0, 0.0), 1.0), min(max(x1, 0.0), 1.0)))
    top, bottom = sorted((min(max(y0, 0.0), 1.0), min(max(y1, 0.0), 1.0)))
    return Box(page, round(left, 5), round(top, 5), round(right, 5), round(bottom, 5))


def merged(boxes: Iterable[Box], most: int = 8) -> tuple[Box, ...]:
    """Boxes of one passage, in order: those that follow each other in one column of a page are one.

    most: more boxes than this become one a page; pages beyond it are left out.
    """
    places = list(dict.fromkeys(boxes))
    result: list[Box] = []
    for box in places:
        if result and _same_column(result[-1], box):
            both = _union(result[-1], box)
            others = (o for o in places if o.page == box.page and not _within(o, both))
            # The box of a headline over two columns and the first of them would cover the second.
            if not any(_overlap(both, other) for other in others):
                result[-1] = both
                continue
        result.append(box)
    if len(result) > most:
        pages: dict[int, Box] = {}
        for box in result:
            pages[box.page] = _union(pages[box.page], box) if box.page in pages else box
        result = list(pages.values())[:most]
    return tuple(result)


def _union(a: Box, b: Box) -> Box:
    return Box(a.page, min(a.x0, b.x0), min(a.y0, b.y0), max(a.x1, b.x1), max(a.y1, b.y1))


def _same_column(above: Box, box: Box) -> bool:
    if above.page != box.page or not -_FARTHEST < box.y0 - above.y1 < _FARTHEST:
        return False
    shared = min(above.x1, box.x1) - max(above.x0, box.x0)
    return shared > 0.5 * min(above.x1 - above.x0, box.x1 - box.x0)


def _within(inner: Box, outer: Box) -> bool:
    return (
        inner.x0 >= outer.x0 - _EDGE
        and inner.x1 <= outer.x1 + _EDGE
        and inner.y0 >= outer.y0 - _EDGE
        and inner.y1 <= outer.y1 + _EDGE
    )


def _overlap(a: Box, b: Box) -> bool:
    return min(a.x1, b.x1) - max(a.x0, b.x0) > _EDGE and min(a.y1, b.y1) - max(a.y0, b.y0) > _EDGE and a.page == b.page
