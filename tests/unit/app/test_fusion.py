"""Two legs to one ranking."""

from __future__ import annotations

import pytest

from app.rag.fusion import DENSE_LEAST, DENSE_MOST, Fused, dense_weight, fuse, merge
from ingest.index.base import Hit, LegHits


def leg(**scores: float) -> list[Hit]:
    return [Hit(name, score, {}) for name, score in sorted(scores.items(), key=lambda item: -item[1])]


CLEAR = leg(a=10.0, b=1.0, c=1.0, d=1.0)
VAGUE = leg(c=4.0, b=3.0, a=2.0, d=1.0)


@pytest.mark.parametrize(
    ("dense", "sparse", "order"),
    [
        pytest.param([], [], [], id="nothing"),
        pytest.param([], leg(a=3.0, b=1.0), ["a", "b"], id="sparse alone"),
        pytest.param(leg(a=0.3, b=0.9), [], ["b", "a"], id="dense alone"),
        pytest.param(leg(a=0.9, b=0.1), leg(a=9.0, b=2.0), ["a", "b"], id="agreed"),
        pytest.param(CLEAR, VAGUE, ["a", "c", "b", "d"], id="the surer leg leads: dense"),
        pytest.param(VAGUE, CLEAR, ["a", "c", "b", "d"], id="the surer leg leads: sparse"),
        pytest.param(leg(b=0.5, a=0.5), leg(a=2.0, b=2.0), ["a", "b"], id="ties by id"),
        pytest.param(leg(x=0.9, y=0.1), leg(z=5.0, y=1.0), ["x", "z", "y"], id="found by one leg only"),
    ],
)
def test_order(dense: list[Hit], sparse: list[Hit], order: list[str]) -> None:
    fused = fuse(LegHits(dense, sparse))
    assert [f.hit.id for f in fused] == order
    assert all(0 <= f.score <= 1 for f in fused)


def test_the_scores_of_the_legs_are_kept() -> None:
    by_id = {f.hit.id: f for f in fuse(LegHits(leg(a=0.9, b=0.1), leg(b=7.0)))}
    assert (by_id["a"].dense, by_id["a"].sparse) == (0.9, None)
    assert (by_id["b"].dense, by_id["b"].sparse) == (0.1, 7.0)


@pytest.mark.parametrize(
    ("dense", "sparse", "weight"),
    [
        ([], CLEAR, 0.0),
        (CLEAR, [], 1.0),
        (leg(a=1.0), leg(a=1.0), (DENSE_LEAST + DENSE_MOST) / 2),
        (CLEAR, CLEAR, (DENSE_LEAST + DENSE_MOST) / 2),
    ],
)
def test_weight_of_the_dense_leg(dense: list[Hit], sparse: list[Hit], weight: float) -> None:
    assert dense_weight(LegHits(dense, sparse)) == pytest.approx(weight)


def test_the_surer_leg_has_more_to_say_within_bounds() -> None:
    surer, vaguer = dense_weight(LegHits(CLEAR, VAGUE)), dense_weight(LegHits(VAGUE, CLEAR))
    assert DENSE_LEAST <= vaguer < 0.5 < surer <= DENSE_MOST


def test_one_wording_is_left_as_it_is() -> None:
    ranking = fuse(LegHits([], CLEAR))
    assert merge([ranking]) == ranking


def ranking(**scores: float) -> list[Fused]:
    return [Fused(hit, hit.score, None, hit.score) for hit in leg(**scores)]


def test_wordings_are_merged_by_mean_score() -> None:
    merged = merge([ranking(a=1.0, b=0.5, c=0.0), ranking(b=1.0, d=0.0)])
    assert [(f.hit.id, f.score) for f in merged] == [("b", 0.75), ("a", 0.5), ("c", 0.0), ("d", 0.0)]


def test_a_wording_has_the_say_of_its_weight() -> None:
    first, second = ranking(a=1.0, b=0.4), ranking(b=1.0, a=0.2)
    assert [f.hit.id for f in merge([first, second], [3, 1])] == ["a", "b"]
    assert [f.hit.id for f in merge([first, second], [1, 3])] == ["b", "a"]
    assert merge([first, second], [3, 1])[0].score == pytest.approx((3 * 1.0 + 0.2) / 4)


def test_the_first_wording_gives_the_scores_of_the_legs() -> None:
    merged = merge([fuse(LegHits([], leg(b=2.0))), fuse(LegHits(leg(b=0.7), []))])
    assert (merged[0].sparse, merged[0].dense) == (2.0, None)


def test_a_chunk_whose_document_was_found_twice_goes_before_its_equal() -> None:
    versions = {"a": "v1", "b": "v2", "c": "v2", "d": "v3"}
    hits = [Hit(name, score, {"version": versions[name]}) for name, score in (("a", 9), ("b", 9), ("c", 8), ("d", 1))]
    assert [f.hit.id for f in fuse(LegHits([], hits))] == ["b", "a", "c", "d"]
