"""Retrieval before and after a knowledge base's embedder is tuned on its own pairs: the test side, English and Chinese.

    python benchmarks/retriever.py [FILES] [--recipe finetune/recipes/retriever.yaml] [--set train.minutes=3] [--json]

FILES, the example company's when not given, are ingested into a temporary data folder; pairs are made by rules, filtered and
split as `frontdesk pairs make` and `pairs split` do. The recipe's knowledge base is that one, whatever it names. Every passage is
embedded in float32 before and after, so that the two differ in nothing but the weights.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from app.commands.common import print_json
from app.commands.train_retriever import say_done
from app.pairs import pairs_of
from app.retriever_training import tune
from app.uploads import collect
from app.workspace import Settings, open_workspace
from finetune.retriever_recipe import RetrieverRecipe

ROOT = Path(__file__).parents[1]
KB = "tuned"


def quiet(_document: str, _stage: str, _done: int, _total: int) -> None:
    """Progress that nobody looks at."""


def told(what: str, stage: str, done: int, total: int) -> None:
    """Steps as they are done, for those who watch."""
    if stage == "training":
        sys.stderr.write(f"{time.strftime('%H:%M:%S')} step {done} of {total}, {what}\n")


def prepared(settings: Settings, files: Path) -> None:
    """The files with their pairs, on two sides."""
    started = time.perf_counter()
    with open_workspace(settings) as workspace:
        kb = workspace.catalog.create_knowledge_base(KB)
        results = list(workspace.pipeline.ingest(kb, collect([files]).uploads))
        workspace.index.optimize(kb.id)
        kb = workspace.catalog.knowledge_base(KB)
        pairs = pairs_of(workspace)
        made = pairs.make(kb, quiet)
        split = pairs.split(kb, quiet)
    sys.stderr.write(
        f"{len(results)} files, {sum(r.chunks for r in results)} passages, {made.kept} pairs, {split['pairs']}, "
        f"{split['leaks']} leaks, {time.perf_counter() - started:.0f} s\n"
    )


def recipe_of(path: Path, changes: list[str]) -> RetrieverRecipe:
    """The recipe with some lines changed: ``train.epochs=2``."""
    said: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    said.setdefault("data", {})["kb"] = KB
    for change in changes:
        name, _, value = change.partition("=")
        *parents, last = name.split(".")
        place = said
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = yaml.safe_load(value)
    return RetrieverRecipe.model_validate(said)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("files", nargs="?", type=Path, default=ROOT / "examples" / "files")
    parser.add_argument("--recipe", type=Path, default=ROOT / "finetune" / "recipes" / "retriever.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="LINE=VALUE")
    parser.add_argument("--home", type=Path, help="keep the data folder here, and use it again")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    recipe = recipe_of(arguments.recipe, arguments.set)
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings.load()
        home = arguments.home or Path(temporary)
        own = {"home": home, "database_url": None, "vector_engine": "edge", "embedding_precision": "float32"}
        settings = replace(settings, ingest=settings.ingest.model_copy(update=own))
        if not (home / "frontdesk.db").exists():
            prepared(settings, arguments.files)
        done = tune(recipe, settings, told)
    if arguments.json:
        print_json(done.as_json())
    else:
        say_done(done)
    return 0


if __name__ == "__main__":
    sys.exit(main())
