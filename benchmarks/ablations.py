"""What moves the tuned model: short trainings from the base, each one line of the recipe away from the first, in one table.

    python benchmarks/ablations.py DATASETS TEST [--variants raft plain ...] [--steps 150] [--limit 40] [--keep FOLDER]

DATASETS: a folder of dataset folders to learn from, as `python -m finetune.support_data DATA DATASETS` makes them.
TEST:     a dataset folder that was not learnt from (benchmarks/tuned.py --keep writes `squad2`).
Every variant gets as many updates from the same questions; what it reads in them differs, and stands in the table. Then it
answers in the style ``short``: with its passage given, with three passages that retrieval found, and the general questions.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from tuned import Alone, quiet, refusing_figures
from tuned_sets import Shown, neighbours

from app.training import carry_out, open_model, store_of, tokens_of
from app.training_material import Material, keep, kept, rows_of
from app.workspace import Settings
from finetune.answer_dataset import AnswerQuestion, read_answer_questions
from finetune.answer_metrics import scores
from finetune.evaluate import read_rows
from finetune.metrics import mean, roc_auc
from finetune.recipe import Recipe
from finetune.sft import ADAPTER
from serving.batches import PackagedBatchWriter
from serving.packaged import PackagedModel
from serving.passages import Passage
from serving.prompts import NOT_FOUND, render_alone
from serving.releases import Release

LEARNT = ("squad2", "xquad_en", "clapnq", "dstc11_track5")
# What each changes of the recipe of the first; dotted keys.
VARIANTS: dict[str, dict[str, Any]] = {
    "raft": {},
    "plain": {"examples.passages": [1, 1], "examples.absent": 0.0},
    "no refusals": {"examples.absent": 0.0},
    "half refusals": {"examples.absent": 0.5},
    "rank 4": {"adapter.rank": 4, "adapter.alpha": 8},
    "rank 48": {"adapter.rank": 48, "adapter.alpha": 96},
    "a third of the data": {"learnt": ("squad2",)},
    "general mixed in": {"examples.domain": 0.7},
}
HEAD = (
    "| variant | tokens read | trained MB | held-out loss | given: F1 | kept | found: F1 | kept | refusal P / R | AUC | general | s |\n"
    "|---|---|---|---|---|---|---|---|---|---|---|---|"
)


def recipe_of(name: str, steps: int, datasets: Path, general: Path) -> Recipe:
    """The recipe of a variant."""
    said: dict[str, Any] = {
        "name": name.replace(" ", "-"),
        "adapter": {"rank": 12, "alpha": 24},
        "examples": {"passages": [1, 4], "absent": 0.25, "short": 0.6, "domain": 1.0, "most_shared": 16},
        "train": {
            "steps": steps,
            "accumulate": 1,
            "learning_rate": 5e-4,
            "max_length": 1400,
            "held_out": 0.02,
            "evaluate_every": steps,
            "save_every": steps,
        },
    }
    changed = dict(VARIANTS[name])
    learnt = changed.pop("learnt", LEARNT)
    said["data"] = {"datasets": [str(datasets / each / "train") for each in learnt], "general": str(general)}
    for key, value in changed.items():
        part, _, field = key.partition(".")
        said[part][field] = value
    return Recipe.model_validate(said)


def material(recipe: Recipe, settings: Settings, folder: Path) -> Material:
    """The recipe's samples, retrieved for once."""
    rows = []
    for dataset in recipe.data.datasets:
        file = folder / f"{dataset.parent.name}.jsonl"
        if not file.exists():
            one = recipe.model_copy(update={"data": recipe.data.model_copy(update={"datasets": (dataset,)})})
            keep(rows_of(one, settings, quiet), file)
        rows.append(file)
    return Material.of(row for file in rows for row in kept(file))


def remembered(datasets: Path, settings: Settings, file: Path, count: int) -> None:
    """Conversations for what must not be forgotten: questions without passages, with what the base itself answers."""
    if file.exists():
        return
    model = PackagedModel(settings.ingest.models_folder, settings.serving.packaged_dtype)
    asked = [
        str(row["question"])
        for name in ("clapnq", "squad2")
        for row in islice(read_rows(datasets / name / "train" / "questions.jsonl", ("question",)), count // 2)
    ]
    found = PackagedBatchWriter(model).write([render_alone(each) for each in asked], 60, quiet)
    with file.open("w", encoding="utf-8") as lines:
        for question, (text, _) in zip(asked, found, strict=True):
            turns = [m._asdict() for m in render_alone(question)] + [{"role": "assistant", "content": text}]
            lines.write(json.dumps({"messages": turns}, ensure_ascii=False) + "\n")


def given(dataset: Path, limit: int) -> Iterator[tuple[AnswerQuestion, tuple[Passage, ...]]]:
    """Answerable questions with the passage that answers each."""
    texts = {row["doc_id"]: row for row in read_rows(dataset / "documents.jsonl", ("doc_id", "title", "text"))}
    asked = [q for q in read_answer_questions(dataset) if not q.impossible]
    for question in asked[:: max(1, len(asked) // limit)][:limit]:
        row = texts[question.documents[0]]
        yield question, (Passage(1, "c", row["doc_id"], row["title"], 1, row["text"], (), "en"),)


def measured(release: Release, asked: Sequence[Shown], alone: Sequence[Shown], settings: Settings) -> Mapping[str, str]:
    """The figures of a release."""
    model = Alone(release, settings)

    def f1(shown: Sequence[Shown], texts: Sequence[str]) -> float:
        return mean(
            [
                0.0 if NOT_FOUND in text else scores(text, each.asked.answers)["f1"]
                for each, text in zip(shown, texts, strict=True)
                if each.answered
            ]
        )

    single = model.written(alone, "short")
    texts = model.written(asked, "short")
    kept_alone, _ = refusing_figures(alone, [NOT_FOUND in text for text in single])
    kept_found, said = refusing_figures(asked, [NOT_FOUND in text for text in texts])
    auc = roc_auc(model.refusing(asked, "short"), [not each.answered for each in asked])
    share, _ = model.general()
    return {
        "given": f"{f1(alone, single):.3f} | {kept_alone}",
        "found": f"{f1(asked, texts):.3f} | {kept_found} | {said} | {auc:.3f}",
        "general": f"{share:.3f}",
    }


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("datasets", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--variants", nargs="+", choices=list(VARIANTS), default=list(VARIANTS))
    parser.add_argument("--steps", type=int, default=150, help="updates of each")
    parser.add_argument("--limit", type=int, default=40, help="questions of each measurement")
    parser.add_argument("--keep", type=Path, help="a folder for what was prepared and trained, used again")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        loaded = Settings.load()
        settings = Settings(loaded.ingest.model_copy(update={"home": folder / "home"}), loaded.serving, loaded.app)
        general = folder / "general.jsonl"
        if any("examples.domain" in VARIANTS[name] for name in arguments.variants):
            remembered(arguments.datasets, settings, general, 300)
        asked = neighbours(arguments.test, arguments.limit)
        alone = [Shown(question, passages, True) for question, passages in given(arguments.test, arguments.limit)]
        print(HEAD, flush=True)
        for name in arguments.variants:
            began = time.monotonic()
            recipe = recipe_of(name, arguments.steps, arguments.datasets, general)
            learnt = material(recipe, settings, folder)
            opened = open_model(recipe, settings, live="base")
            corpus = tokens_of(recipe, learnt, opened.tokenizer)
            place = folder / "runs" / recipe.name
            report = carry_out(recipe, opened, learnt, corpus, place, quiet, lambda: False)
            release = store_of(settings).add(place / ADAPTER)
            size = sum(file.stat().st_size for file in (place / ADAPTER).glob("*.safetensors")) / 1e6
            figures = measured(release, asked, alone, settings)
            row = (name, report.tokens, f"{size:.1f}", f"{report.eval_loss:.3f}", *figures.values())
            print(f"| {' | '.join(map(str, row))} | {time.monotonic() - began:.0f} |", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
