"""Reranking: the order with a scorer, beside one, and without one that fails or is late."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from app.rag.fusion import Fused
from app.rag.rerank import Reranking, blended
from app.rag.retrieve import HybridSearch
from ingest.errors import SettingsError
from ingest.index.base import Hit
from serving.reranker import load_reranker
from tests.unit.app.rigging import KB, desk


class Longest:
    """Prefers long texts."""

    name = "longest"

    def __init__(self) -> None:
        self.batches: list[list[str]] = []

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        self.batches.append(list(texts))
        return [float(len(text)) for text in texts]


def candidates(*scored: tuple[str, float]) -> list[Fused]:
    return [Fused(Hit(name, score, {"text": name, "title": ""}), score, None, None) for name, score in scored]


def ids(fused: Sequence[Fused]) -> list[str]:
    return [f.hit.id for f in fused]


CLOSE = candidates(("a", 1.0), ("bb", 0.8), ("ccc", 0.6), ("dddd", 0.2))


def test_the_best_candidates_are_scored_in_one_batch_and_the_rest_stays_below() -> None:
    scorer = Longest()
    ranked = Reranking(scorer, candidates=3).order("q", CLOSE)
    assert scorer.batches == [["a", "bb", "ccc"]]
    assert ids(ranked) == ["ccc", "bb", "a", "dddd"]
    scores = [f.score for f in ranked]
    assert scores == sorted(scores, reverse=True)
    assert (scores[0], scores[-1]) == (1.0, 0.2)


@pytest.mark.parametrize(("share", "order"), [(1.0, "cba"), (0.4, "abc"), (0.6, "cba")])
def test_a_share_blends_both_orders(share: float, order: str) -> None:
    mixed = blended(CLOSE[:3], [0.0, 5.0, 10.0], share)
    assert "".join(name[0] for name in ids(mixed)) == order


def test_equal_scores_keep_the_order() -> None:
    assert ids(blended(CLOSE, [0.3] * 4, 1.0)) == ids(CLOSE)


def test_a_scorer_that_fails_leaves_the_order() -> None:
    class Broken(Longest):
        def score(self, question: str, texts: Sequence[str]) -> list[float]:
            raise RuntimeError("out of memory")

    assert Reranking(Broken()).order("q", CLOSE) == CLOSE


def test_a_scorer_that_is_late_leaves_the_order_also_for_those_who_wait_behind_it() -> None:
    released = threading.Event()

    class Slow(Longest):
        def score(self, question: str, texts: Sequence[str]) -> list[float]:
            released.wait(20)
            return super().score(question, texts)

    slow = Slow()
    reranking = Reranking(slow, deadline_s=0.05)
    assert reranking.order("first", CLOSE) == CLOSE
    assert reranking.order("second", CLOSE) == CLOSE
    released.set()
    reranking.deadline_s = 20
    assert ids(reranking.order("third", CLOSE))[0] == "dddd"
    # The second gave up before its turn came, and was never worked on.
    assert len(slow.batches) == 2


def test_search_ranks_again_and_says_how_long_it_took() -> None:
    given = desk()
    search = HybridSearch(given.index, given.catalog, given.embedder, given.sparse, reranking=Reranking(Longest()))
    found = search.search(KB, "How long is the motor of the WM-900 guaranteed?")
    lengths = [len(p.text) for p in found.passages(5)]
    assert lengths == sorted(lengths, reverse=True)
    assert "rerank" in found.timings_ms
    assert "rerank" not in given.search.search(KB, "motor").timings_ms


def test_a_reranker_that_is_not_there_says_what_to_set() -> None:
    with pytest.raises(SettingsError, match="FRONTDESK_RERANKER: there is no folder"):
        load_reranker("./nowhere")
