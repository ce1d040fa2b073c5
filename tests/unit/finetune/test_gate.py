"""A gate's lines: what they hold a release to, and that what cannot be measured does not pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.answer_dataset import AnswerQuestion
from finetune.answer_report import report_of
from finetune.answer_runs import About, AnswerRun
from finetune.answers import Written, score
from finetune.errors import GateError
from finetune.gate import Gate, check, read_gate, verdict

HEAD = "evaluations:\n  given: {dataset: questions, general: true}\nlines:\n"


def run_of(right: int, of: int = 20, general: int = 2, ms: float = 100.0) -> AnswerRun:
    """So many of twenty questions answered with the right words, the others with wrong ones."""
    scored = [
        score(AnswerQuestion(str(n), "Q?", ("d",), ("right",)), Written("right" if n < right else "no", False, "answered", ms=ms))
        for n in range(of)
    ]  # fmt: skip
    answers = [{"qid": str(n), "right": n < general, "answer": ""} for n in range(4)]
    report = report_of(scored, 1.0).as_json()
    report["general"] = {"contains": general / 4, "interval": [0.0, 1.0], "questions": 4, "answers": answers}
    return AnswerRun(About("d", "h", "r", "r", "packaged", "given", "short", "1", ""), report, scored)


RUNS = {"this": run_of(15, ms=150.0), "live": run_of(14, general=4), "base": run_of(5)}


def checked(tmp_path: Path, line: str) -> tuple[bool, str]:
    (tmp_path / "gate.yaml").write_text(f"{HEAD}  - {{{line}}}\n")
    (found,) = check(read_gate(tmp_path / "gate.yaml"), lambda who, _: RUNS[who], lambda: 0.9)
    return found.passed, found.reason


@pytest.mark.parametrize(
    ("line", "passed"),
    [
        ("metric: f1, at_least: 0.75", True),
        ("metric: f1, at_least: 0.76", False),
        ("metric: given.f1, at_most: 0.75", True),
        ("metric: f1, at_most: 0.74", False),
        # The mean is 0.75, its interval begins near 0.55.
        ("metric: f1, at_least: 0.5, interval: true", True),
        ("metric: f1, at_least: 0.7, interval: true", False),
        ("metric: f1, at_most: 0.8, interval: true", False),
        ("metric: f1, at_least: 0.5, over: base", True),
        ("metric: f1, at_least: 0.2, over: base, interval: true", True),
        ("metric: f1, at_least: 0.45, over: base, interval: true", False),
        # One question of twenty better than the live release: less than chance may do.
        ("metric: f1, at_least: 0.01, over: live", True),
        ("metric: f1, at_least: 0.01, over: live, interval: true", False),
        ("metric: f1, at_least: -0.01, over: live, interval: true", True),
        ("metric: latency_ms_p50, at_most: 1.6, times: live", True),
        ("metric: latency_ms_p50, at_most: 1.4, times: live", False),
        ("metric: general, at_least: 0.5", True),
        ("metric: general, at_least: -0.4, over: live", False),
        ("metric: general, at_least: -0.6, over: live", True),
        ("metric: general, at_least: -0.5, over: live, interval: true", False),
        ("metric: parity, at_least: 0.9", True),
        ("metric: parity, at_least: 0.95", False),
    ],
)
def test_what_passes(tmp_path: Path, line: str, passed: bool) -> None:
    assert checked(tmp_path, line)[0] is passed


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("metric: beauty, at_least: 0", "no figure 'beauty'"),
        ("metric: labels.f1, at_least: 0", "no figure 'labels'"),
        ("metric: latency_ms_p50, at_most: 9999, interval: true", "no interval"),
        ("metric: refusal_precision, at_least: -1, over: base, interval: true", "no pairs"),
        ("metric: refusal_recall, at_most: 9, times: base", "a ratio says nothing"),
        ("metric: parity, at_least: 0, over: base", "compared with nothing"),
    ],
)
def test_what_cannot_be_measured_does_not_pass(tmp_path: Path, line: str, words: str) -> None:
    passed, reason = checked(tmp_path, line)
    assert not passed
    assert words in reason


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("lines: [", "cannot be read"),
        ("lines: []", "evaluations"),
        (f"{HEAD}  - {{metric: f1}}\n", "at_least or at_most"),
        (f"{HEAD}  - {{metric: f1, at_least: 0, at_most: 1}}\n", "at_least or at_most"),
        (f"{HEAD}  - {{metric: f1, at_least: 0, over: yesterday}}\n", "over"),
        (f"{HEAD}  - {{metric: f1, at_least: 0, over: base, times: live}}\n", "not both"),
        (f"{HEAD}  - {{metric: f1, at_leats: 0}}\n", "at_leats"),
        ("evaluations: {a: {dataset: d}, b: {dataset: d}}\nlines: [{metric: f1, at_least: 0}]", "begin it with one of a, b"),
        ("evaluations: {a: {dataset: d, passages: all}}\nlines: [{metric: f1, at_least: 0}]", "passages"),
    ],
)  # fmt: skip
def test_a_gate_file_that_says_something_else_is_no_gate(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "gate.yaml").write_text(text)
    with pytest.raises(GateError) as caught:
        read_gate(tmp_path / "gate.yaml")
    assert words in str(caught.value)


def test_a_gate_is_passed_when_every_line_is(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text(f"{HEAD}  - {{metric: f1, at_least: 0.9}}\n  - {{metric: f1, at_least: 0.1}}\n")
    gate: Gate = read_gate(tmp_path / "gate.yaml")
    assert gate.evaluations["given"].dataset == tmp_path / "questions"
    said = verdict(gate, check(gate, lambda who, _: RUNS[who], lambda: 1.0), ["b", "a", "a"], "now")
    assert (said["passed"], said["runs"], said["gate"]) == (False, ["a", "b"], gate.sha256)
    assert [(line["passed"], line["value"]) for line in said["lines"]] == [(False, 0.75), (True, 0.75)]


COSTS = {
    "this": {"size_mib": 60.0, "token_ms": 30.0, "token_times": 0.5},
    "parent": {"size_mib": 100.0, "token_ms": 90.0},
}


@pytest.mark.parametrize(
    ("line", "passed", "words"),
    [
        ("metric: size_mib, at_most: 0.6, times: parent", True, "found 0.6"),
        ("metric: size_mib, at_most: 0.5, times: parent", False, "found 0.6"),
        ("metric: size_mib, at_most: -30, over: parent", True, "found -40"),
        ("metric: size_mib, at_most: 61", True, "found 60"),
        # The median of the ratios within a round, not the ratio of two medians.
        ("metric: token_ms, at_most: 0.4, times: parent", False, "found 0.5"),
        ("metric: size_mib, at_most: 1, times: live", False, "with its parent only"),
        ("metric: memory_mib, at_most: 1", False, "no figure 'memory_mib'"),
    ],
)
def test_what_a_release_costs_is_held_beside_its_parent(tmp_path: Path, line: str, passed: bool, words: str) -> None:
    (tmp_path / "gate.yaml").write_text(f"{HEAD}  - {{{line}}}\n")
    gate = read_gate(tmp_path / "gate.yaml")
    (found,) = check(gate, lambda who, _: RUNS[who], lambda: 0.9, lambda who: COSTS[who])
    assert found.passed is passed
    assert words in found.reason
    # Where nobody measures, nothing passes.
    assert not check(gate, lambda who, _: RUNS[who], lambda: 0.9)[0].passed


def test_a_converted_releases_figures_are_kept_beside_its_parents(tmp_path: Path) -> None:
    (tmp_path / "gate.yaml").write_text(f"{HEAD}  - {{metric: f1, at_least: -0.1, over: parent}}\n")
    gate = read_gate(tmp_path / "gate.yaml")
    found = check(gate, lambda who, _: RUNS["live" if who == "parent" else who], lambda: 0.9)
    assert verdict(gate, found, [], "now", {"parent": "support"})["beside"] == {"parent": "support"}
    assert "beside" not in verdict(gate, found, [], "now")
    assert found[0].passed
