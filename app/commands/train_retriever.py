"""frontdesk train with a recipe of `kind: retriever`: a knowledge base's embedder, tuned on its pairs."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from app.commands.common import err, out, print_json, progress_bar

if TYPE_CHECKING:
    from app.retriever_measure import LegFigures
    from app.retriever_training import Tuned

_NAMES = {"dense": "vectors alone", "sparse": "words alone", "whole": "as customers are answered"}


def train_retriever(
    recipe_file: Path,
    *,
    dry_run: bool,
    as_json: bool,
    interruptible: Callable[[], AbstractContextManager[Callable[[], bool]]],
) -> None:
    """Tune, and say what it gained and how to switch to it."""
    from app.retriever_training import plan, tune
    from app.workspace import Settings
    from finetune.retriever_recipe import read_retriever_recipe

    recipe = read_retriever_recipe(recipe_file)
    settings = Settings.load()
    if dry_run:
        with progress_bar("reading") as report:
            planned = plan(recipe, settings, report)
        if as_json:
            print_json({"kind": "retriever", "kb": recipe.data.kb, **planned})
        else:
            say_counts(planned)
            out.print(f"{planned['steps']} steps")
        return
    with interruptible() as cancelled, progress_bar("training") as report:
        done = tune(recipe, settings, report, cancelled)
    if as_json:
        print_json(done.as_json())
    else:
        say_done(done)
    if done.folder is None:
        raise typer.Exit(1)


def say_counts(counts: dict[str, Any]) -> None:
    """What there is to learn from."""
    out.print(
        f"{counts['questions']} questions and {counts['sentences']} sentences to learn from, with {counts['negatives']} hard "
        f"negatives of {counts['passages']} passages; {counts['held_out']} held out, {counts['test']} to test; "
        f"{counts['left']} pairs cannot be used"
    )


def say_done(done: Tuned) -> None:
    """What came of a run, for a person."""
    say_counts(done.counts)
    run = done.run
    if done.folder is None or done.before is None or done.after is None:
        err.print(f"Stopped after {run['steps']} steps; nothing was written.")
        return
    losses = ", ".join(f"{loss:.3f} at {step}" for step, loss in run["held_out"])
    out.print(f"{run['steps']} steps in {run['seconds']:.0f} s, {run['peak_mib']:,.0f} MiB; held-out loss {losses}")
    if not run["best_step"]:
        out.print("No step had a lower held-out loss than the base: nothing was gained.")
    for vote in done.votes:
        said = "earns a vote" if vote.earned else "earns no vote: it is searched by words alone"
        out.print(
            f"{vote.language}: {said} (MRR@10 {vote.without:.3f} without vectors, {vote.with_it:.3f} with them, "
            f"{vote.questions} held-out questions)"
        )
    _say_table(done)
    folder, kb = shlex.quote(str(done.folder)), shlex.quote(done.kb)
    out.print(f"Next: frontdesk index migrate --kb {kb} --model {folder}", markup=False)


def _say_table(done: Tuned) -> None:
    from rich.table import Table

    from app.retriever_measure import LEGS, p_value

    before, after = done.before, done.after
    if before is None or after is None:
        return
    if not before.questions:
        out.print("There is nothing on the test side to measure with.")
        return
    table = Table("language", "leg", "questions", "before R@1", "R@5", "MRR@10", "after R@1", "R@5", "MRR@10", "p")
    for language in before.languages():
        for leg in LEGS:
            one, other = before.figures(leg, language), after.figures(leg, language)
            chance = f"{p_value(before, after, language):.3f}" if leg == "whole" else ""
            table.add_row(language, _NAMES[leg], str(one.questions), *_three(one), *_three(other), chance)
        if done.denied is not None and language not in done.languages:
            for leg in ("dense", "whole"):
                would = done.denied.figures(leg, language)
                table.add_row(
                    language, f"{_NAMES[leg]}, if it voted", str(would.questions), "", "", "", *_three(would), ""
                )
    out.print(table)


def _three(figures: LegFigures) -> tuple[str, str, str]:
    return f"{figures.recall_1:.3f}", f"{figures.recall_5:.3f}", f"{figures.mrr:.3f}"
