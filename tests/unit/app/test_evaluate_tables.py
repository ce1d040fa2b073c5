"""The retrieval report as people read it."""

from __future__ import annotations

import io
from collections.abc import Sequence

from rich.console import Console

from app.commands.evaluate_tables import print_comparison, print_report
from finetune.compare import compare
from finetune.evaluate import DatasetQuestion, FoundPassage, evaluate_retrieval
from finetune.runs import RankedQuestion
from serving.prompts import Message


class Shelf:
    """Finds b, then a, whatever is asked."""

    def find(self, _question: str, _history: Sequence[Message] = ()) -> list[FoundPassage]:
        return [FoundPassage("b [1]", 0.75, "It opens [at] nine."), FoundPassage("a", 0.5, "text")]


QUESTIONS = [
    DatasetQuestion("q1", "When is [it]?", frozenset({"b [1]"})),
    DatasetQuestion("q2", "多少钱？", frozenset({"a"})),
    DatasetQuestion("q3", "谁？", frozenset({"z"})),
]


def console() -> Console:
    return Console(file=io.StringIO(), width=200, soft_wrap=True, highlight=False)


def printed(out: Console) -> list[str]:
    assert isinstance(out.file, io.StringIO)
    return [" ".join(line.split()) for line in out.file.getvalue().splitlines()]


def test_figures_and_misses() -> None:
    out = console()
    print_report(out, evaluate_retrieval(QUESTIONS, Shelf(), 2.0), 1)
    lines = printed(out)
    assert any(line.startswith("all 3 0.333 0.000–1.000 0.667 0.000–1.000") for line in lines)
    assert any(line.startswith("zh 2 0.000 0.000–0.000 0.500 ") for line in lines)
    assert any(line.startswith("when 1 1.000 1.000–1.000 1.000 ") for line in lines)
    assert "Right document not first: 2 questions, the worst of them:" in lines
    # Square brackets of files and questions are text, no markup.
    after = lines[lines.index("q3 谁？") :]
    assert after == ["q3 谁？", "right: z (not found)", "0.750 b [1] It opens [at] nine.", "0.500 a text"]


def test_no_misses_are_printed_where_none_are_wanted() -> None:
    out = console()
    print_report(out, evaluate_retrieval(QUESTIONS, Shelf(), 2.0), 0)
    assert not any("not first" in line for line in printed(out))


def test_a_comparison() -> None:
    def run(*rankings: str) -> list[RankedQuestion]:
        return [RankedQuestion(str(n), "[Q]?", frozenset("a"), tuple(r)) for n, r in enumerate(rankings)]

    out = console()
    print_comparison(out, compare(run("a", "ba", "b"), run("ba", "ba", "a")), 10)
    lines = printed(out)
    assert any(line.startswith("recall@1 0.333 0.333 +0.000 ") and line.endswith(" 1.0000") for line in lines)
    assert lines[-4:] == ["won: 1 questions", "2 → 1 0 [Q]?", "lost: 1 questions", "1 → absent 2 [Q]?"]
