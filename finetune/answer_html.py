"""A report of runs of answers as one HTML file: tables and plots, nothing fetched.

Plots are inline SVG, written here: matplotlib is not among what is installed, and Altair's charts need a megabyte of JavaScript
in the file or a network; bars with whiskers need neither.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from finetune.answer_compare import compare_answers
from finetune.answer_report import RATES
from finetune.answer_runs import AnswerRun
from finetune.errors import DatasetError, RunMismatch

# Wong 2011, Nature Methods 8:441: told apart by colour-blind eyes, too.
_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00")
_BAR, _GAP, _LEFT, _WIDTH = 14, 10, 150, 640
_MOST_ANSWERS = 20
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{border:1px solid #ccc;padding:.25rem .6rem;text-align:left}"
    "td.n{text-align:right;font-variant-numeric:tabular-nums}small{color:#666}svg{max-width:100%;height:auto}"
    "@media(prefers-color-scheme:dark){body{background:#1b1b1b;color:#ddd}td,th{border-color:#444}small{color:#999}"
    "svg text{fill:#ddd}}"
)


def write_report(runs: Sequence[AnswerRun], path: Path) -> None:
    """Write a report of runs; where two are of the same questions, each is compared with the first.

    Raises:
        DatasetError: the file cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(html_of(runs), encoding="utf-8")
    except OSError as exc:
        raise DatasetError(f"{path} cannot be written ({exc.strerror}): choose another file for the report") from exc


def html_of(runs: Sequence[AnswerRun]) -> str:
    """The report's HTML."""
    parts = [
        _made_with(runs),
        "<h2>Words, refusals, citations</h2>",
        bars([name for name in RATES if name != "rouge_l"], runs),
        _figures(runs),
        _releases_by_passages(runs),
        _general(runs),
        _by_group(runs, "by_language", "language"),
        _by_group(runs, "by_kind", "kind"),
        _by_group(runs, "by_type", "what is asked"),
        *(_against(run, runs[0]) for run in runs[1:]),
    ]
    body = "\n".join(part for part in parts if part)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>Evaluation of answers</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style></head>\n'
        f"<body><h1>Evaluation of answers</h1>\n{body}\n</body></html>\n"
    )


def bars(names: Sequence[str], runs: Sequence[AnswerRun]) -> str:
    """A bar a run for each figure between 0 and 1, with whiskers for the 95 % interval."""
    group = len(runs) * _BAR + _GAP
    height = len(names) * group + 30
    scale = _WIDTH - _LEFT - 60
    drawn = [f'<line x1="{_LEFT}" y1="0" x2="{_LEFT}" y2="{height - 30}" stroke="#888"/>']
    for step in (0.25, 0.5, 0.75, 1.0):
        x = _LEFT + scale * step
        drawn.append(f'<line x1="{x:.1f}" y1="0" x2="{x:.1f}" y2="{height - 30}" stroke="#8884"/>')
        drawn.append(f'<text x="{x:.1f}" y="{height - 14}" text-anchor="middle" font-size="11">{step:g}</text>')
    for at, name in enumerate(names):
        middle = at * group + len(runs) * _BAR / 2 + 4
        drawn.append(f'<text x="{_LEFT - 8}" y="{middle:.1f}" text-anchor="end" font-size="12">{escape(name)}</text>')
        for n, run in enumerate(runs):
            value, (low, high) = float(run.report[name]), run.report["intervals"][name]
            y = at * group + n * _BAR
            drawn.append(
                f'<rect x="{_LEFT}" y="{y}" width="{scale * value:.1f}" height="{_BAR - 2}" fill="{_colour(n)}">'
                f"<title>{escape(run.about.label)}: {value:.3f} ({low:.3f}–{high:.3f})</title></rect>"
            )
            x1, x2, line = _LEFT + scale * low, _LEFT + scale * high, y + _BAR / 2 - 1
            drawn.append(
                f'<line x1="{x1:.1f}" y1="{line}" x2="{x2:.1f}" y2="{line}" stroke="#444" stroke-width="1.5"/>'
            )
            drawn.append(f'<text x="{max(x2, _LEFT) + 5:.1f}" y="{line + 4}" font-size="10">{value:.2f}</text>')
    legend = "".join(
        f'<span style="color:{_colour(n)}">■</span> {escape(run.about.label)} &nbsp; ' for n, run in enumerate(runs)
    )
    return (
        f'<p>{legend}</p><svg role="img" aria-label="Figures with 95 % intervals" viewBox="0 0 {_WIDTH} {height}" '
        f'width="{_WIDTH}" height="{height}" font-family="sans-serif">{"".join(drawn)}</svg>'
    )


def _made_with(runs: Sequence[AnswerRun]) -> str:
    rows = [
        [run.about.label, run.about.dataset, run.about.dataset_hash[:12], run.about.engine, run.about.prompt_version,
         run.about.made, run.id[:16]]
        for run in runs
    ]  # fmt: skip
    return _table(["run", "dataset", "its hash", "engine", "prompt", "made", "id"], rows)


def _figures(runs: Sequence[AnswerRun]) -> str:
    counts = ("questions", "answerable", "impossible", "refused", "sources")
    times = ("latency_ms_p50", "latency_ms_p95", "seconds")
    rows = [[name, *(_with_interval(run, name) for run in runs)] for name in RATES]
    rows += [[name, *(f"{run.report[name]:g}" for run in runs)] for name in (*counts, *times)]
    labelled: list[str] = next((list(run.report["labels"]) for run in runs if "labels" in run.report), [])
    rows += [[f"labels: {n}", *(f"{r.report.get('labels', {}).get(n, 0):.3f}" for r in runs)] for n in labelled]
    return _table(["", *(run.about.label for run in runs)], rows)


def _releases_by_passages(runs: Sequence[AnswerRun]) -> str:
    """Each release with and without passages: what tuning brings, and what retrieval brings."""
    releases = list(dict.fromkeys(run.about.release for run in runs))
    columns = list(dict.fromkeys((run.about.passages, run.about.style) for run in runs))
    if len(columns) < 2:
        return ""
    by_place = {(run.about.release, run.about.passages, run.about.style): run for run in runs}
    rows = []
    for release in releases:
        cells = [by_place.get((release, *column)) for column in columns]
        rows.append([release, *("" if run is None else _with_interval(run, "f1") for run in cells)])
    heads = [f"passages {passages}, {style}" for passages, style in columns]
    return "<h2>Releases, with and without passages (F1)</h2>" + _table(["release", *heads], rows)


def _general(runs: Sequence[AnswerRun]) -> str:
    asked = [run for run in runs if "general" in run.report]
    if not asked:
        return ""
    rows = []
    for run in asked:
        general = run.report["general"]
        low, high = general["interval"]
        kinds = ", ".join(f"{kind} {value:.2f}" for kind, value in general["by_kind"].items())
        rows.append([run.about.label, f"{general['contains']:.3f} ({low:.3f}–{high:.3f})", kinds])
    heads = ["run", "share right", "by kind"]
    return "<h2>General ability (what tuning must not cost)</h2>" + _table(heads, rows)


def _by_group(runs: Sequence[AnswerRun], key: str, title: str) -> str:
    names = list(dict.fromkeys(name for run in runs for name in run.report[key]))
    if not names:
        return ""
    rows = []
    for name in names:
        cells = []
        for run in runs:
            each = run.report[key].get(name)
            cells.append("" if each is None else f"{each['f1']:.3f} of {each['answerable']}")
        rows.append([name, *cells])
    return f"<h2>F1 by {escape(title)}</h2>" + _table([title, *(run.about.label for run in runs)], rows)


def _against(run: AnswerRun, first: AnswerRun) -> str:
    try:
        found = compare_answers(run, first)
    except RunMismatch:
        return ""
    rows = [
        [name, f"{d.this:.3f}", f"{d.other:.3f}", f"{d.this - d.other:+.3f} ({d.interval[0]:+.3f} to {d.interval[1]:+.3f})",
         f"{d.p_value:.4f}"]
        for name, d in found.differences.items()
    ]  # fmt: skip
    parts = [f"<h2>{escape(run.about.label)} against {escape(first.about.label)}</h2>"]
    parts.append(_table(["metric", "this", "other", "difference, 95 % interval", "p"], rows))
    for title, changed in (("Better", found.won), ("Worse", found.lost)):
        answers = [[f"{c.step:+.2f}", c.question, c.answer, c.other] for c in changed[:_MOST_ANSWERS]]
        parts.append(f"<h3>{title}: {len(changed)} questions</h3>")
        parts.append(_table(["", "question", "this", "other"], answers) if answers else "")
    return "\n".join(parts)


def _with_interval(run: AnswerRun, name: str) -> str:
    low, high = run.report["intervals"][name]
    return f"{run.report[name]:.3f} ({low:.3f}–{high:.3f})"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    top = "".join(f"<th>{escape(head)}</th>" for head in heads)
    lines = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table><tr>{top}</tr>{lines}</table>"


def _colour(n: int) -> str:
    return _COLOURS[n % len(_COLOURS)]
