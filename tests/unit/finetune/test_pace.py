"""The learning rate ends with the steps or with the minutes, whichever are over first."""

from __future__ import annotations

import pytest

from finetune.pace import Pace


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_up_then_down_over_the_steps() -> None:
    pace = Pace(100, 0.1, None, clock=Clock())
    assert [round(pace.factor(step), 3) for step in (0, 4, 9, 50, 99, 100)] == [0.1, 0.5, 0.91, 0.5, 0.01, 0.0]
    assert (pace.over(99), pace.over(100)) == (False, True)


def test_down_with_the_minutes() -> None:
    clock = Clock()
    pace = Pace(1000, 0.0, 10, clock=clock)
    clock.now = 300
    assert pace.factor(5) == pytest.approx(0.5)
    clock.now = 600
    assert pace.over(6)
    assert pace.factor(6) == 0.0


def test_an_interrupted_run_has_spent_what_it_had_spent() -> None:
    clock = Clock()
    pace = Pace(1000, 0.0, 10, spent=540, clock=clock)
    clock.now = 30
    assert pace.spent == 570
    assert pace.factor(5) == pytest.approx(0.05)
