"""frontdesk train: a recipe becomes a release that waits for its gate."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.commands.common import JsonOption, err, out, print_json, progress_bar, reported

if TYPE_CHECKING:
    from app.training import Opened
    from finetune.corpus import Corpus
    from finetune.recipe import Recipe


@reported
def train(
    recipe_file: Annotated[Path, typer.Argument(metavar="RECIPE.yaml", help="What to train, on what, how.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count tokens, measure a few steps, say time and memory; train nothing.")
    ] = False,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew where a run of this recipe was interrupted.")
    ] = False,
    add: Annotated[bool, typer.Option(help="Add what was trained as a release.")] = True,
    as_json: JsonOption = False,
) -> None:
    """Train by a recipe; the result is a release that must pass its gate before anybody is answered by it.

    A recipe of `kind: retriever` tunes the embedder of a knowledge base instead; it says what
    retrieval gained and how to switch.

    A run that was interrupted goes on from its last checkpoint when the command is given again.
    Ctrl-C ends it after the step it is in, with a checkpoint. Losses, curve and run.json are in
    FRONTDESK_HOME/runs/training. Where a server owns the data folder, pairs are asked of it.
    """
    import shutil

    from app.training import carry_out, live_release, open_model, run_folder, store_of, tokens_of
    from app.training_material import material_of
    from app.workspace import Settings
    from finetune.recipe import read_recipe
    from finetune.retriever_recipe import is_retriever
    from finetune.sft import ADAPTER
    from serving.releases import checked_name

    if is_retriever(recipe_file):
        from app.commands.train_retriever import train_retriever

        train_retriever(recipe_file, dry_run=dry_run, as_json=as_json, interruptible=_interruptible)
        return
    recipe = read_recipe(recipe_file)
    if add:
        # Before the work begins: a name that no release may have should not cost an hour.
        checked_name(recipe.name)
    settings = Settings.load()
    store = store_of(settings)
    opened = open_model(recipe, settings, live=live_release(settings, store))
    with progress_bar("reading") as report:
        material = material_of(recipe, settings, report)
    corpus = tokens_of(recipe, material, opened.tokenizer)
    if dry_run:
        _say_plan(recipe, corpus, opened, material.left, as_json=as_json)
        return
    folder = run_folder(recipe, settings)
    if fresh:
        shutil.rmtree(folder, ignore_errors=True)
    with _interruptible() as cancelled, progress_bar("training") as report:
        done = carry_out(
            recipe,
            opened,
            material,
            corpus,
            folder,
            told=lambda step, steps, loss: report(f"loss {loss:.3f}", "training", step, steps),
            cancelled=cancelled,
        )
    label = ""
    if done.state == "done" and add:
        label = store.add(folder / ADAPTER, recipe.name).label
    if as_json:
        print_json({**asdict(done), "folder": str(folder), "release": label, "counts": corpus.counts})
    else:
        _say_done(recipe_file, asdict(done), folder, label)
    if done.state != "done":
        raise typer.Exit(1)


def _say_plan(recipe: Recipe, corpus: Corpus, opened: Opened, left: int, *, as_json: bool) -> None:
    from finetune.errors import TrainingError
    from finetune.probe import probe

    if not corpus.sequences:
        raise TrainingError("no example fits: raise train.max_length or lower examples.budget")
    measured = probe(opened.model, opened.tokenizer, corpus.sequences, recipe.train.batch)
    per_update = recipe.train.batch * recipe.train.accumulate
    steps = max(1, round(len(corpus.sequences) / per_update))
    steps = min(steps, recipe.train.steps) if recipe.train.steps else steps
    seconds = corpus.tokens * min(1.0, steps * per_update / len(corpus.sequences)) / measured.tokens_per_second
    minutes = min(seconds / 60, recipe.train.minutes or seconds / 60)
    plan = {
        "examples": corpus.examples,
        "counts": corpus.counts,
        "sequences": len(corpus.sequences),
        "held_out": len(corpus.held_out),
        "left": left + corpus.left_out,
        "tokens": corpus.tokens,
        "tokens_alone": corpus.tokens_alone,
        "trained_parameters": sum(p.numel() for p in opened.model.parameters() if p.requires_grad),
        "steps": steps,
        "tokens_per_second": measured.tokens_per_second,
        "minutes": round(minutes, 1),
        "peak_mib": measured.peak_mib,
    }
    if as_json:
        print_json(plan)
        return
    counted = ", ".join(f"{count} {name}" for name, count in sorted(corpus.counts.items()))
    out.print(f"{plan['examples']} examples ({counted}); {plan['left']} questions cannot be used", markup=False)
    out.print(
        f"{plan['tokens']:,} tokens in {plan['sequences']} sequences, {plan['tokens_alone']:,} if each example stood alone"
    )
    out.print(
        f"{plan['steps']} steps at {measured.tokens_per_second:,.0f} tokens/s: about {minutes:.0f} minutes, "
        f"{measured.peak_mib:,.0f} MiB"
    )


def _say_done(recipe_file: Path, done: dict[str, Any], folder: Path, label: str) -> None:
    if done["state"] != "done":
        out.print(f"Stopped after step {done['steps']}. Go on with: frontdesk train {recipe_file}", markup=False)
        return
    held = f", held out {done['eval_loss']:.3f}" if done["eval_loss"] is not None else ""
    out.print(
        f"Trained in {done['seconds'] / 60:.1f} minutes: {done['steps']} steps, loss {done['loss']:.3f}{held}, "
        f"{done['tokens_per_second']:,.0f} tokens/s, {done['peak_mib']:,.0f} MiB. {folder}",
        markup=False,
    )
    if label:
        out.print(f"Release {label}. Next: frontdesk releases gate {label} GATE.yaml", markup=False)


@contextmanager
def _interruptible() -> Iterator[Callable[[], bool]]:
    """The first Ctrl-C asks the run to end after its step; the second one ends it at once."""
    asked = threading.Event()

    def stop(_number: int, _frame: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()
        err.print("Stopping after this step; once more to stop at once.")

    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
