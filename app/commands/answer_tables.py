"""Reports of `frontdesk eval answers` as tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from app.commands.evaluate_tables import print_differences
from finetune.answer_compare import AnswerComparison
from finetune.answer_report import RATES
from finetune.answer_runs import AnswerRun


def print_answers(out: Console, run: AnswerRun) -> None:
    """Figures with their intervals, broken down."""
    report = run.report
    out.print(f"[bold]{escape(run.about.label)}[/] on {escape(run.about.dataset)}, prompt {run.about.prompt_version}")
    table = Table("", "value", "95 % interval", box=None)
    for name in RATES:
        low, high = report["intervals"][name]
        table.add_row(name, f"{report[name]:.3f}", f"{low:.3f}–{high:.3f}")
    for name, value in report.get("labels", {}).items():
        table.add_row(f"labels: {name}", f"{value:.3f}", "")
    if general := report.get("general"):
        low, high = general["interval"]
        table.add_row(
            f"general ({general['questions']} questions)", f"{general['contains']:.3f}", f"{low:.3f}–{high:.3f}"
        )
    out.print(table)
    groups = Table("", "questions", "f1", "contains", "kept", "refused rightly", box=None)
    for title in ("by_language", "by_kind", "by_type"):
        for name, each in report[title].items():
            groups.add_row(f"{title.removeprefix('by_')}: {escape(name)}", *_row(each))
    out.print(groups)
    counts = f"{report['answerable']} answerable, {report['impossible']} impossible, {report['refused']} refused"
    times = f"p50 {report['latency_ms_p50']:.0f} ms, p95 {report['latency_ms_p95']:.0f} ms a question"
    out.print(f"{report['questions']} questions ({counts}) in {report['seconds']:.0f} s; {times}")


def _row(figures: Mapping[str, Any]) -> list[str]:
    names = ("f1", "contains", "answerable_kept", "refusal_recall")
    return [str(figures["questions"]), *(f"{figures[name]:.3f}" for name in names)]


def print_answer_comparison(out: Console, comparison: AnswerComparison, most: int) -> None:
    """Differences with their p, and the questions that moved most."""
    print_differences(out, comparison.differences)
    for title, changed in (("won", comparison.won), ("lost", comparison.lost)):
        out.print(f"[bold]{title}: {len(changed)} questions[/]")
        for answer in changed[:most]:
            out.print(f"  {answer.step:+.2f}  {answer.qid}  {answer.question}", markup=False)
            out.print(f"         {answer.answer!r}, before {answer.other!r}", markup=False, style="dim")
