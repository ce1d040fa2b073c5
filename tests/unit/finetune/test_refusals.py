"""Thresholds from judged questions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finetune.errors import DatasetError
from finetune.refusals import AskedQuestion, JudgedQuestion, fit, read_asked


def judged(yes: list[float], no: list[float]) -> list[JudgedQuestion]:
    return [JudgedQuestion("q", True, s) for s in yes] + [JudgedQuestion("q", False, s) for s in no]


def test_kinds_that_lie_apart_are_told_apart_and_nobody_is_asked() -> None:
    report = fit(judged([0.5 + i / 100 for i in range(10)], [i / 100 for i in range(10)]))
    assert (report.answer_from, report.ask_from) == (0.5, 0.5)
    assert (report.kept, report.refused, report.asked) == (1.0, 1.0, 0.0)
    assert (report.auc, report.at_90) == (1.0, 1.0)


def test_no_more_than_a_tenth_is_lost_and_what_lies_between_is_asked_back() -> None:
    # Refusing everything below .6 would be fairest, and lose four of twenty.
    yes = [0.3, 0.31, 0.32, 0.33] + [0.6 + i / 100 for i in range(16)]
    report = fit(judged(yes, [0.25] * 3 + [0.305] * 3 + [0.4] * 20), keep=0.9, ask_keep=1.0)
    assert (report.answer_from, report.ask_from) == (0.31, 0.3)
    assert report.kept == 0.95
    assert report.refused == pytest.approx(6 / 26)
    assert report.asked == pytest.approx(4 / 46)


def test_a_threshold_is_not_higher_than_it_pays() -> None:
    # Nothing unanswerable lies above .2: all answerable questions are kept, not nine of ten.
    assert fit(judged([0.2 + i / 20 for i in range(12)], [0.1] * 12)).kept == 1.0


def test_what_is_settled_whatever_the_score_does_not_open_the_door_to_asking_back() -> None:
    report = fit(judged([0.0] + [0.5 + i / 100 for i in range(12)], [0.1] * 12), ask_keep=1.0)
    assert (report.ask_from, report.asked) == (0.5, 0.0)


def test_few_questions_fit_nothing() -> None:
    with pytest.raises(DatasetError, match="12 answerable and 9 unanswerable"):
        fit(judged([0.5] * 12, [0.1] * 9))


def test_questions_are_answerable_unless_they_say_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "q.jsonl"
    rows = [{"question": "a"}, {"question": "b", "is_impossible": True}, {"question": "c", "is_impossible": False}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert read_asked(path) == [AskedQuestion("a", True), AskedQuestion("b", False), AskedQuestion("c", True)]
