"""The table of benchmarks/retrieval.py and its goals: who is first on which set, and by how much. Pure: no I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from finetune.retrieval_report import Figures

OURS = "frontdesk"
# What the goals are about, and how far ahead of the others frontdesk shall be in R@1 on English sets, in points.
JUDGED = ("recall@1", "recall@5", "mrr@10")
OVER_DENSE, OVER_BEST = 15.0, 3.0
HEADER = (
    "| set | system | R@1 | R@5 | R@20 | MRR@10 | nDCG@10 | questions |\n|---|---|---|---|---|---|---|---|"
)  # fmt: skip
COLUMNS = ("recall@1", "recall@5", "recall@20", "mrr@10", "ndcg@10")

Systems = Mapping[str, Figures]


@dataclass(frozen=True, slots=True)
class Goal:
    """A goal, whether it is met, and what it was judged by."""

    met: bool
    line: str


def first(systems: Systems, metric: str) -> str:
    """The system with the highest mean."""
    return max(systems, key=lambda name: systems[name].means[metric])


def keeps_up(figures: Figures, best: Figures, metric: str) -> bool:
    """Whether a system is first or within the 95 % interval of the first."""
    return figures.means[metric] >= best.intervals[metric][0]


def rows(name: str, systems: Systems) -> list[str]:
    """A set's lines: means with intervals; bold is first, ≈ within the interval of the first."""
    best = {metric: systems[first(systems, metric)] for metric in COLUMNS}
    lines = []
    for system, figures in systems.items():
        cells = [_cell(figures, best[metric], metric) for metric in COLUMNS]
        lines.append(f"| {name} | {system} | {' | '.join(cells)} | {figures.questions} |")
    return lines


def goals(sets: Mapping[str, Systems], english: Collection[str], dense: Collection[str]) -> list[Goal]:
    """What frontdesk is to reach, set by set; nothing where it was not run.

    english: sets on which the leads are asked for.
    dense: systems that rank by vectors alone.
    """
    measured = {name: systems for name, systems in sets.items() if OURS in systems and len(systems) > 1}
    if not measured:
        return []
    found = [_first_everywhere(measured)]
    for name in measured:
        if name in english:
            others = [system for system in measured[name] if system != OURS]
            vectors = [system for system in others if system in dense]
            if vectors:
                found.append(_lead(name, measured[name], vectors, "the best dense-only", OVER_DENSE))
            found.append(_lead(name, measured[name], others, "the best other", OVER_BEST))
    return found


def _first_everywhere(sets: Mapping[str, Systems]) -> Goal:
    behind = []
    for name, systems in sets.items():
        for metric in JUDGED:
            leader = first(systems, metric)
            if not keeps_up(systems[OURS], systems[leader], metric):
                ours, best = systems[OURS].means[metric], systems[leader]
                low, high = best.intervals[metric]
                behind.append(
                    f"{name} {metric} {ours:.3f} against {leader} {best.means[metric]:.3f} ({low:.3f}–{high:.3f})"
                )
    goal = f"first or within the interval of the first in {', '.join(JUDGED)} on {len(sets)} sets"
    return Goal(not behind, f"{goal}: {'; '.join(behind) or 'met'}")


def _lead(name: str, systems: Systems, others: Sequence[str], whom: str, points: float) -> Goal:
    best = max(others, key=lambda system: systems[system].means["recall@1"])
    ours, theirs = systems[OURS].means["recall@1"], systems[best].means["recall@1"]
    lead = 100 * (ours - theirs)
    room = " (more than there is room for)" if 100 * (1 - theirs) < points else ""
    line = f"{name}: recall@1 {lead:+.1f} points over {whom}, {best} {theirs:.3f}; {points:g} asked{room}"
    return Goal(lead >= points, line)


def _cell(figures: Figures, best: Figures, metric: str) -> str:
    mean, (low, high) = figures.means[metric], figures.intervals[metric]
    interval = f"{_short(low)}–{_short(high)}"
    if mean == best.means[metric]:
        return f"**{_short(mean)}** {interval}"
    return f"{'≈' if keeps_up(figures, best, metric) else ''}{_short(mean)} {interval}"


def _short(value: float) -> str:
    return f"{value:.3f}".removeprefix("0")
