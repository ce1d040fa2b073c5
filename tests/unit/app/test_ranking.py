"""The order that answers are written from."""

from __future__ import annotations

from dataclasses import astuple

import pytest

from app.rag.ranking import CLOSE, WEIGHTS, rank, signs_of
from ingest.index.base import Hit, LegHits


def hit(name: str, score: float, text: str = "") -> Hit:
    payload = {"version": name, "title": "", "heading_path": [], "text": text or f"Something about {name}."}
    return Hit(name, score, payload)


def others(number: int, score: float = 0.3) -> list[Hit]:
    return [hit(f"other{n:02}", score - n / 1000) for n in range(number)]


def order(question: str, legs: LegHits) -> list[str]:
    return [fused.hit.id for fused in rank(question, legs)]


def test_the_passage_that_says_it_in_a_sentence_goes_before_the_one_with_the_same_words() -> None:
    said = hit("said", 9.9, "The filter must be replaced every month.")
    bag = hit("bag", 10.0, "Every lamp must be replaced. The filter is white. A month is long.")
    assert order("How often must the filter be replaced?", LegHits([], [bag, said, *others(10, 3.0)]))[:2] == [
        "said",
        "bag",
    ]


def test_the_dense_leg_decides_where_words_say_nothing() -> None:
    near = hit("near", 0.8, "You may send goods back within thirty days.")
    legs = LegHits([near, *others(20)], [hit("other00", 2.1), hit("other01", 2.0), near])
    assert order("Can I return something I bought?", legs)[0] == "near"


def test_scores_are_shares_and_fall() -> None:
    scores = [fused.score for fused in rank("filter", LegHits([*others(40)], [*others(30, 9.0)]))]
    assert scores == sorted(scores, reverse=True)
    assert scores[0] == 1.0
    assert min(scores) >= 0.0
    assert len(scores) == 40


def test_what_was_not_looked_at_stays_below_and_in_its_order() -> None:
    legs = LegHits([], others(50, 9.0))
    assert order("filter", legs)[CLOSE:] == [each.id for each in others(50)[CLOSE:]]


@pytest.mark.parametrize("legs", [LegHits([], []), LegHits([hit("a", 0.5)], []), LegHits([], [hit("a", 3.0)])])
def test_few_hits(legs: LegHits) -> None:
    assert [fused.score for fused in rank("filter", legs)] == [1.0] * (len(legs.dense) + len(legs.sparse))


def test_a_leg_that_was_not_asked_has_no_say() -> None:
    found = rank("filter", LegHits([], others(5, 9.0)))
    for signs in signs_of("filter", LegHits([], others(5, 9.0)), found):
        assert (signs.dense, signs.dense_covered, signs.dense_near, signs.sparse_near) == (0.0, 0.0, 0.0, 0.0)


def test_among_short_passages_the_dense_leg_has_more_to_say() -> None:
    near, words = "Wine and beer are served.", "No beer of your own."
    long = " The kitchen closes at ten and the garden opens in May when the tables are out and the weather holds." * 12

    def lead(more: str) -> float:
        legs = LegHits(
            [hit("near", 0.7, near + more), hit("words", 0.66, words + more), *others(8)],
            [hit("words", 9.0, words + more), hit("near", 7.0, near + more), *others(8)],
        )
        signs = signs_of("Any beer?", legs, rank("Any beer?", legs)[:2])
        return max(each.dense_short for each in signs)

    assert lead("") > 2 * lead(long) > 0


def test_no_sign_is_left_out_of_the_sum() -> None:
    assert all(astuple(WEIGHTS))
