"""Intervals and p values against distributions that are known."""

from __future__ import annotations

import pytest

from finetune.significance import interval, paired_p_value


def test_an_interval_is_that_of_the_binomial() -> None:
    # 100 of 400: the normal interval is .25 ± 1.96 * sqrt(.25 * .75 / 400) = .25 ± .0424.
    low, high = interval([1.0] * 100 + [0.0] * 300)
    assert low == pytest.approx(0.25 - 0.0424, abs=0.005)
    assert high == pytest.approx(0.25 + 0.0424, abs=0.005)


@pytest.mark.parametrize(("values", "expected"), [([], (0.0, 0.0)), ([0.3], (0.3, 0.3)), ([1.0] * 5, (1.0, 1.0))])
def test_nothing_to_resample(values: list[float], expected: tuple[float, float]) -> None:
    assert interval(values) == expected


def test_intervals_repeat() -> None:
    values = [0.1, 0.9, 0.4, 0.0, 1.0, 0.5]
    assert interval(values) == interval(values)


@pytest.mark.parametrize(
    ("won", "lost", "expected"),
    [
        # Sign test, two-sided: of 12 differing pairs k one way; exact because 2^12 turnings are all tried.
        (12, 0, 2 / 2**12),
        (10, 2, 2 * (1 + 12 + 66) / 2**12),
        (6, 6, 1.0),
        (0, 0, 1.0),
    ],
)
def test_p_is_that_of_the_sign_test_where_values_are_zero_or_one(won: int, lost: int, expected: float) -> None:
    first = [1.0] * won + [0.0] * lost + [1.0] * 30
    second = [0.0] * won + [1.0] * lost + [1.0] * 30
    assert paired_p_value(first, second) == pytest.approx(expected)
    assert paired_p_value(second, first) == pytest.approx(expected)


def test_many_pairs_are_sampled() -> None:
    assert paired_p_value([1.0] * 40, [0.0] * 40) < 0.001
    assert paired_p_value([1.0, 0.0] * 100, [0.0, 1.0] * 100) > 0.9


def test_values_that_are_no_pairs() -> None:
    with pytest.raises(ValueError, match="2 and 1 values"):
        paired_p_value([1.0, 0.0], [1.0])
