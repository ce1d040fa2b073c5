"""A denial must be the source's own."""

from __future__ import annotations

import pytest

from serving.negation import denied_words, denies, same_denial
from serving.passages import content_tokens

RECALL = (
    "If we cannot offer an appointment within 14 days, we exchange the affected dishwasher for a new FD-200, "
    "or for an FD-250 at no extra charge."
)


@pytest.mark.parametrize(
    "text",
    ["It is not covered.", "We don't deliver on Sundays.", "A frost-free freezer.", "不支持退货。", "运费除外。"],
)
def test_denials_are_seen(text: str) -> None:
    assert denies(text)


@pytest.mark.parametrize("text", ["It is covered.", "不锈钢内胆。", "不少于三天。", "无线连接。", "A notable offer."])
def test_words_that_only_look_like_denials_are_not(text: str) -> None:
    assert not denies(text)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("The warranty does not cover glass.", "Glass parts are not covered by the warranty."),
        ("You cannot return used filters.", "Used filters are not eligible for return."),
        ("There is no charge for delivery.", "We deliver at no charge."),
        ("We do not deliver to islands.", "Deliveries are not made on Sunday. We do not deliver to islands."),
        ("已使用的滤芯不能退货。", "已使用的滤芯不支持退货。"),
    ],
)
def test_the_same_denial_in_other_words_holds(text: str, source: str) -> None:
    assert same_denial(text, source)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("The FD-200 and FD-250 are not affected.", RECALL),
        ("Returns are not free.", "Returns are free, but we do not collect parcels."),
        ("The motor is not covered.", "The motor is covered. The pump is not included."),
        ("洗碗机不保修。", "洗碗机保修两年，运费不包含在内。"),
    ],
)
def test_another_words_denial_does_not_hold(text: str, source: str) -> None:
    assert not same_denial(text, source)


def test_a_denial_reaches_to_the_end_of_its_clause() -> None:
    held = denied_words("We do not charge delivery, but collection costs 10.")
    assert content_tokens("charge delivery") <= held
    assert not content_tokens("collection") & held
