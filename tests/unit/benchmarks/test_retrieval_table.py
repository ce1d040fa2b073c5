"""Who is first, who keeps up, and whether the goals are met."""

from __future__ import annotations

from benchmarks.retrieval_table import COLUMNS, OURS, goals, rows
from finetune.retrieval_report import Figures


def figures(mean: float, half: float = 0.02, **other: float) -> Figures:
    """All metrics alike, but for those named (``mrr`` is mrr@10)."""
    means = {name: other.get(name.partition("@")[0], mean) for name in COLUMNS}
    return Figures(100, means, {name: (each - half, each + half) for name, each in means.items()})


def test_the_first_is_bold_and_those_within_its_interval_are_marked() -> None:
    lines = rows("squad2", {"a": figures(0.85), "b": figures(0.835), "c": figures(0.8), OURS: figures(1.0, mrr=0.1)})
    assert lines[0].startswith("| squad2 | a | .850 .830–.870 | .850 .830–.870 | .850 .830–.870 | **.850** .830–.870 |")
    assert "| ≈.835 .815–.855 |" in lines[1]
    assert "≈" not in lines[2]
    assert lines[3].startswith("| squad2 | frontdesk | **1.000** .980–1.020 |")
    assert all(line.endswith("| 100 |") for line in lines)


def test_first_or_within_the_interval_everywhere() -> None:
    near = {"a": figures(0.85), OURS: figures(0.84)}
    assert goals({"x": near}, [], [])[0].met
    behind = near | {OURS: figures(0.84, mrr=0.82)}
    (goal,) = goals({"x": near, "y": behind}, [], [])
    assert not goal.met
    assert goal.line.endswith("y mrr@10 0.820 against a 0.850 (0.830–0.870)")
    # nDCG@10 and R@20 are shown, not judged.
    assert goals({"x": near | {OURS: figures(0.84, ndcg=0.1)}}, [], [])[0].met


def test_leads_on_english_sets() -> None:
    systems = {"vectors": figures(0.7), "words": figures(0.84), OURS: figures(0.86)}
    _, over_dense, over_best = goals({"en": systems, "zh": systems}, ["en"], ["vectors"])
    assert over_dense.met
    assert over_dense.line == "en: recall@1 +16.0 points over the best dense-only, vectors 0.700; 15 asked"
    assert not over_best.met
    assert over_best.line == "en: recall@1 +2.0 points over the best other, words 0.840; 3 asked"
    _, over_dense, _ = goals({"en": systems | {"vectors": figures(0.9)}}, ["en"], ["vectors"])
    assert "-4.0 points over" in over_dense.line
    assert over_dense.line.endswith("(more than there is room for)")


def test_without_frontdesk_or_without_others_nothing_is_judged() -> None:
    assert goals({"x": {"a": figures(0.8)}}, ["x"], ["a"]) == []
    assert goals({"x": {OURS: figures(0.8)}}, ["x"], []) == []
    assert len(goals({"x": {OURS: figures(0.8), "words": figures(0.7)}}, ["x"], ["vectors"])) == 2
