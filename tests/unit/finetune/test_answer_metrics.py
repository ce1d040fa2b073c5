"""Scores of one answer, by hand."""

from __future__ import annotations

import pytest

from finetune.answer_metrics import by_characters, contains, label_figures, label_of, rouge_l, scores, token_f1, tokens


@pytest.mark.parametrize(
    ("text", "characters", "found"),
    [
        ("The motor, 10 years!", False, ["motor", "10", "years"]),
        ("a an THE", False, []),
        ("don't", False, ["dont"]),
        ("theatre an-other", False, ["theatre", "another"]),
        ("保修 10 年。", True, ["保", "修", "1", "0", "年"]),
        ("１２ 年（Pro）", True, ["1", "2", "年", "p", "r", "o"]),
    ],
)
def test_what_is_compared(text: str, characters: bool, found: list[str]) -> None:
    assert tokens(text, characters=characters) == found


@pytest.mark.parametrize(
    ("answer", "right", "f1", "exact", "held", "longest"),
    [
        ("10 years", ["10 years"], 1.0, 1.0, 1.0, 1.0),
        # 2 tokens shared of 7 and 2.
        ("The motor is guaranteed for 10 years", ["10 years"], 4 / 8, 0.0, 1.0, 4 / 8),
        ("years 10", ["10 years"], 1.0, 0.0, 0.0, 2 / 4),
        ("ten years", ["10 years", "ten years"], 1.0, 1.0, 1.0, 1.0),
        ("five", ["10 years"], 0.0, 0.0, 0.0, 0.0),
        # Tokens as bags: the second "a b" finds only one partner.
        ("x x y", ["x y y"], 4 / 6, 0.0, 0.0, 4 / 6),
        ("", ["10 years"], 0.0, 0.0, 0.0, 0.0),
        # 110 years does not contain 10 years.
        ("110 years", ["10 years"], 0.5, 0.0, 0.0, 0.5),
        ("10 years", [], 0.0, 0.0, 0.0, 0.0),
    ],
)
def test_scores(answer: str, right: list[str], f1: float, exact: float, held: float, longest: float) -> None:
    assert scores(answer, right) == pytest.approx(
        {"f1": f1, "exact_match": exact, "contains": held, "rouge_l": longest}
    )


def test_chinese_is_scored_by_characters() -> None:
    # 南京西路100号: 8 characters; 位于 2 more in the answer.
    found = scores("位于南京西路100号。", ["南京西路１００号"], characters=True)
    assert found == pytest.approx({"f1": 16 / 18, "exact_match": 0.0, "contains": 1.0, "rouge_l": 16 / 18})
    assert by_characters("上海店在哪里?")
    assert not by_characters("Where is the shop?")


def test_the_longest_common_subsequence_may_have_gaps() -> None:
    # a c e of five and three.
    assert rouge_l(list("abcde"), list("ace")) == pytest.approx(6 / 8)
    assert token_f1([], []) == 1.0
    assert contains(["x"], []) == 0.0


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("card_arrival", "card_arrival"),
        ("The label is: Card arrival.", "card_arrival"),
        ("card arrival time", "card_arrival_time"),
        ("refund or card arrival", "refund"),
        ("no idea", ""),
        ("refunds", ""),
    ],
)
def test_which_label_an_answer_names(answer: str, label: str) -> None:
    assert label_of(answer, ["card_arrival", "card_arrival_time", "refund"]) == label


def test_figures_of_labels() -> None:
    pairs = [("a", "a"), ("a", "b"), ("b", "b"), ("b", ""), ("c", "b")]
    # a: P 1/1, R 1/2, F 2/3; b: P 1/3, R 1/2, F 2/5; c: nothing.
    found = label_figures(pairs)
    assert (found.accuracy, found.precision, found.recall) == pytest.approx((2 / 5, 4 / 9, 1 / 3))
    assert found.f1 == pytest.approx((2 / 3 + 2 / 5) / 3)
