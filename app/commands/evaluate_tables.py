"""Reports of `frontdesk eval` as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from finetune.compare import Changed, Comparison, Difference
from finetune.metrics import METRICS
from finetune.refusals import RefusalReport
from finetune.retrieval_report import Figures, Miss, RetrievalReport

# Below this p a difference is called one.
SIGNIFICANT = 0.05


def print_report(out: Console, report: RetrievalReport, misses: int) -> None:
    """Figures with their intervals, broken down, and the worst ``misses``."""
    table = Table("", "questions", *METRICS, box=None, title="95 % intervals of the mean", title_justify="left")
    table.add_row("all", *_cells(report.figures), style="bold")
    for title, groups in (("by language", report.by_language), ("by type", report.by_type)):
        table.add_section()
        table.add_row(f"[dim]{title}[/]")
        for name, figures in groups.items():
            table.add_row(f"  {escape(name)}", *_cells(figures))
    out.print(table)
    out.print(f"indexed in {report.index_seconds:.1f} s, median question {report.query_ms_p50:.1f} ms")
    if report.misses[:misses]:
        out.print(f"\n[bold]Right document not first: {len(report.misses)} questions[/], the worst of them:")
    for miss in report.misses[:misses]:
        _print_miss(out, miss)


def print_differences(out: Console, differences: Mapping[str, Difference]) -> None:
    """A table of differences between two runs on the same questions, with their p."""
    table = Table("metric", "this run", "other run", "difference", "95 % interval", "p", box=None)
    for name, each in differences.items():
        low, high = each.interval
        style = "bold" if each.p_value < SIGNIFICANT else "dim"
        cells = (f"{each.this:.3f}", f"{each.other:.3f}", f"{each.this - each.other:+.3f}", f"{low:+.3f} {high:+.3f}")
        table.add_row(name, *cells, f"{each.p_value:.4f}", style=style)
    out.print("\n[bold]Against the other run[/] (paired randomisation test; bold below p .05)")
    out.print(table)


def print_comparison(out: Console, comparison: Comparison, most: int) -> None:
    """Differences with their p, and the questions that moved most."""
    print_differences(out, comparison.differences)
    for title, changed in (("won", comparison.won), ("lost", comparison.lost)):
        out.print(f"[bold]{title}: {len(changed)} questions[/]")
        _print_changed(out, changed[:most])


def print_refusals(out: Console, reports: Sequence[RefusalReport]) -> None:
    """Thresholds, what they do to the questions they were fitted on, and points of the risk-coverage curve."""
    for report in reports:
        by = {"words": "by words alone", "similarity": "by words and similarity"}.get(
            report.scale, f"with the verifier {report.scale}"
        )
        out.print(
            f"[bold]{report.answerable} answerable and {report.unanswerable} unanswerable questions[/], judged {escape(by)}"
        )
        out.print(f"answered from {report.answer_from:.3f}, asked back from {report.ask_from:.3f}, refused below")
        out.print(
            f"answerable answered {report.kept:.1%}, unanswerable not answered {report.refused:.1%}, asked back "
            f"{report.asked:.1%} of all; AUC {report.auc:.3f}, area under risk-coverage {report.aurc:.3f}"
        )
        out.print(f"with 90 % of the answerable answered, {report.at_90:.1%} of the unanswerable are not")
        table = Table("coverage", "risk", box=None)
        steps = (next(p for p in report.curve if p[0] >= step / 10 - 1e-9) for step in range(1, 11))
        # Questions with the same support are answered together, so that a step may be two.
        for coverage, risk in dict.fromkeys(steps):
            table.add_row(f"{coverage:.0%}", f"{risk:.1%}")
        out.print(table)


def _cells(figures: Figures) -> list[str]:
    bounds = (figures.intervals[name] for name in METRICS)
    means = [
        f"{figures.means[name]:.3f} [dim]{low:.3f}–{high:.3f}[/]"
        for name, (low, high) in zip(METRICS, bounds, strict=True)
    ]
    return [str(figures.questions), *means]


def _print_miss(out: Console, miss: Miss) -> None:
    place = f"at rank {miss.rank}" if miss.rank else "not found"
    out.print(f"[bold]{escape(miss.asked.qid)}[/] {escape(miss.asked.question)}")
    out.print(f"  right: {', '.join(sorted(miss.asked.relevant))} ({place})", markup=False)
    for found in miss.found:
        out.print(f"  [dim]{found.score:.3f}[/] {escape(found.doc_id)}  {escape(found.snippet)}")


def _print_changed(out: Console, changed: Sequence[Changed]) -> None:
    for each in changed:
        step = f"{each.other_rank or 'absent'} → {each.rank or 'absent'}"
        out.print(f"  {step}  {escape(each.qid)}  {escape(each.question)}")
