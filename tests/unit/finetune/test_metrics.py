"""Metrics against values computed by hand."""

from __future__ import annotations

import math

import pytest

from finetune.metrics import (
    METRICS,
    aurc,
    mean,
    ndcg_at,
    rank_of,
    recall_at,
    reciprocal_rank_at,
    refused_keeping,
    risk_coverage,
    roc_auc,
    threshold_keeping,
)

# ranking, relevant, k, recall, reciprocal rank, nDCG
TABLE = [
    ("abc", {"a"}, 3, 1.0, 1.0, 1.0),
    ("abc", {"b"}, 3, 1.0, 1 / 2, 1 / math.log2(3)),
    ("abc", {"c"}, 3, 1.0, 1 / 3, 1 / 2),
    ("abc", {"c"}, 2, 0.0, 0.0, 0.0),
    ("abc", {"d"}, 3, 0.0, 0.0, 0.0),
    ("", {"a"}, 3, 0.0, 0.0, 0.0),
    ("abc", set(), 3, 0.0, 0.0, 0.0),
    # Two relevant, one of them found second: 0.6309 / (1 + 0.6309).
    ("abc", {"b", "z"}, 3, 1.0, 1 / 2, 0.6309297535714575 / 1.6309297535714575),
    # Both found, first and third: (1 + 0.5) / 1.6309.
    ("abc", {"a", "c"}, 3, 1.0, 1.0, 1.5 / 1.6309297535714575),
    # The ideal order holds no more than k documents.
    ("abc", {"a", "x", "y"}, 1, 1.0, 1.0, 1.0),
]


@pytest.mark.parametrize(("ranking", "relevant", "k", "recall", "reciprocal", "ndcg"), TABLE)
def test_metrics(ranking: str, relevant: set[str], k: int, recall: float, reciprocal: float, ndcg: float) -> None:
    assert recall_at(list(ranking), relevant, k) == recall
    assert reciprocal_rank_at(list(ranking), relevant, k) == reciprocal
    assert ndcg_at(list(ranking), relevant, k) == pytest.approx(ndcg)


@pytest.mark.parametrize(("values", "expected"), [([], 0.0), ([1.0], 1.0), ([1.0, 0.0, 0.5], 0.5)])
def test_mean(values: list[float], expected: float) -> None:
    assert mean(values) == expected


def test_what_is_reported() -> None:
    ranking = [*"abcdefghijklmnopqrst"]
    values = {name: [metric(ranking, {gold}) for gold in "aejkt"] for name, metric in METRICS.items()}
    assert values["recall@1"] == [1, 0, 0, 0, 0]
    assert values["recall@5"] == [1, 1, 0, 0, 0]
    assert values["recall@20"] == [1, 1, 1, 1, 1]
    assert values["mrr@10"] == [1, 1 / 5, 1 / 10, 0, 0]
    assert values["ndcg@10"] == pytest.approx([1, 1 / math.log2(6), 1 / math.log2(11), 0, 0])


@pytest.mark.parametrize(
    ("ranking", "relevant", "rank"), [("abc", {"b", "c"}, 2), ("abc", {"z"}, None), ("", {"a"}, None)]
)
def test_rank(ranking: str, relevant: set[str], rank: int | None) -> None:
    assert rank_of(list(ranking), relevant) == rank


@pytest.mark.parametrize(
    ("scores", "positive", "auc"),
    [
        ([0.9, 0.8, 0.2, 0.1], [True, True, False, False], 1.0),
        ([0.9, 0.8, 0.2, 0.1], [False, False, True, True], 0.0),
        ([0.5, 0.5, 0.5], [True, False, False], 0.5),
        ([0.9, 0.5, 0.5, 0.1], [True, True, False, False], 0.875),
        ([0.9], [True], 0.5),
    ],
)
def test_roc_auc(scores: list[float], positive: list[bool], auc: float) -> None:
    assert roc_auc(scores, positive) == auc


def test_risk_grows_with_coverage_and_ties_are_answered_together() -> None:
    scores, answerable = [0.9, 0.7, 0.7, 0.1], [True, False, True, False]
    assert risk_coverage(scores, answerable) == [(0.25, 0.0), (0.75, 1 / 3), (1.0, 0.5)]
    assert aurc(scores, answerable) == pytest.approx(0.5 * (1 / 3) + 0.25 * 0.5)


@pytest.mark.parametrize(("keep", "threshold", "refused"), [(1.0, 0.2, 0.5), (0.75, 0.4, 1.0), (0.5, 0.6, 1.0)])
def test_what_is_refused_when_a_share_is_kept(keep: float, threshold: float, refused: float) -> None:
    scores, answerable = [0.8, 0.6, 0.4, 0.2, 0.3, 0.1], [True] * 4 + [False] * 2
    assert threshold_keeping(scores, answerable, keep) == threshold
    assert refused_keeping(scores, answerable, keep) == refused
