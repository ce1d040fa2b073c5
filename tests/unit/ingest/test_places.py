"""Boxes of passages: put together in a column, apart over columns and pages."""

from __future__ import annotations

import pytest

from ingest.places import clipped, merged
from ingest.schema import Box

LEFT = (Box(1, 0.1, 0.10, 0.45, 0.12), Box(1, 0.1, 0.13, 0.45, 0.15))
RIGHT = (Box(1, 0.55, 0.10, 0.9, 0.12), Box(1, 0.55, 0.13, 0.9, 0.15))


def test_boxes_are_in_order_and_within_the_page() -> None:
    assert clipped(3, 1.2, 0.9, -0.1, 0.123456789) == Box(3, 0.0, 0.12346, 1.0, 0.9)


def test_lines_of_one_column_are_one_box() -> None:
    assert merged(LEFT) == (Box(1, 0.1, 0.10, 0.45, 0.15),)
    assert merged([*LEFT, *LEFT]) == (Box(1, 0.1, 0.10, 0.45, 0.15),)


def test_two_columns_are_two_boxes() -> None:
    assert merged([*LEFT, *RIGHT]) == (Box(1, 0.1, 0.10, 0.45, 0.15), Box(1, 0.55, 0.10, 0.9, 0.15))


def test_a_headline_over_two_columns_does_not_cover_half_a_line_of_the_second() -> None:
    headline = Box(1, 0.1, 0.05, 0.9, 0.08)
    right = Box(1, 0.55, 0.11, 0.9, 0.16)
    assert merged([headline, LEFT[0], right]) == (headline, LEFT[0], right)


def test_what_stands_apart_stays_apart() -> None:
    far = Box(1, 0.1, 0.8, 0.45, 0.82)
    assert merged([LEFT[0], far]) == (LEFT[0], far)


def test_pages_stay_apart_and_too_many_boxes_become_one_a_page() -> None:
    boxes = [Box(page, 0.1 + 0.3 * column, 0.1, 0.3 + 0.3 * column, 0.2) for page in (1, 2) for column in range(3)]
    assert len(merged(boxes)) == 6
    assert merged(boxes, most=2) == (
        Box(1, 0.1, 0.1, pytest.approx(0.9), 0.2),
        Box(2, 0.1, 0.1, pytest.approx(0.9), 0.2),
    )
    assert len(merged([Box(page, 0, 0, 1, 1) for page in range(20)])) == 8
