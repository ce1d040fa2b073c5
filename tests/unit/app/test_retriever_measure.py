"""What is said of retrieval before and after: by leg and language, and whether a language earns a vote."""

from __future__ import annotations

import pytest

from app.retriever_material import Question
from app.retriever_measure import Measured, p_value
from app.retriever_training import Vote

QUESTIONS = [
    Question("1", "one?", "en", frozenset({"a"})),
    Question("2", "two?", "en", frozenset({"b", "c"})),
    Question("3", "三？", "zh", frozenset({"d"})),
]


def measured(*whole: tuple[str, ...]) -> Measured:
    nothing: list[tuple[str, ...]] = [(), (), ()]
    return Measured(QUESTIONS, {"dense": nothing, "sparse": list(whole), "whole": list(whole)})


def test_figures_by_leg_and_language() -> None:
    found = measured(("a", "x"), ("x", "c", "b"), ())
    english = found.figures("whole", "en")
    assert (english.questions, english.recall_1, english.recall_5) == (2, 0.5, 1.0)
    assert english.mrr == pytest.approx(0.75)
    assert found.figures("whole").questions == 3
    assert found.figures("whole").mrr == pytest.approx(0.5)
    assert found.figures("dense", "zh") == found.figures("whole", "zh")
    assert found.languages() == ["en", "zh"]
    assert found.as_json()["en"]["sparse"]["recall_1"] == 0.5


def test_equal_rankings_do_not_differ() -> None:
    found = measured(("a",), ("b",), ("d",))
    assert p_value(found, found, "") == 1.0


@pytest.mark.parametrize(("with_it", "earned"), [(0.81, True), (0.8, False), (0.7, False)])
def test_a_language_earns_a_vote_by_being_better_with_it(with_it: float, earned: bool) -> None:
    assert Vote("zh", 10, 0.8, with_it).earned is earned
