"""Training wired to the real product: what a recipe learns from becomes sequences, the base is opened, a run a release."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.training_material import Material
from app.workspace import Settings
from finetune.corpus import Corpus, corpus_of
from finetune.recipe import PACKAGED, Recipe
from finetune.sharing import encoder_of

if TYPE_CHECKING:
    from finetune.sft import RunReport
    from serving.release_store import ReleaseStore
    from serving.releases import Release

RUNS = "runs/training"
Told = Callable[[int, int, float], None]


def tokens_of(recipe: Recipe, material: Material, tokenizer: Any) -> Corpus:
    """The sequences of a run."""

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    return corpus_of(recipe, material.samples, material.passages, encoder_of(tokenizer), count)


@dataclass(slots=True)
class Opened:
    """A base with what will be trained of it."""

    model: Any
    tokenizer: Any
    parent: Release | None


def open_model(recipe: Recipe, settings: Settings, *, live: str) -> Opened:
    """The recipe's base with a new adapter, or with that of the release that is trained further.

    live: id or name of the release that answers customers.

    Raises:
        TrainingError: the base cannot be loaded, or the release has no adapter to go on with.
        NoSuchRelease: there is no such release.
    """
    from finetune.base_model import load_base, with_adapter
    from serving.loading import convert

    packaged = convert(settings.ingest.models_folder) if recipe.base == PACKAGED else Path()
    model, tokenizer = load_base(recipe.base, packaged, recipe.train.dtype, four_bits=recipe.method == "qlora")
    parent = parent_of(recipe, settings, live)
    if parent is not None:
        parent.verify()
    model = with_adapter(model, recipe, parent.folder if parent else None)
    return Opened(model, tokenizer, parent)


def parent_of(recipe: Recipe, settings: Settings, live: str) -> Release | None:
    """The release whose adapter is trained further; None for a new one, which the packaged model itself gets, too.

    Raises:
        TrainingError: the release has no adapter to go on with.
        NoSuchRelease: there is no such release.
    """
    from finetune.errors import TrainingError
    from serving.releases import ADAPTER

    if not recipe.release:
        return None
    parent = store_of(settings).get(live if recipe.release == "live" else recipe.release)
    if parent.manifest.kind == ADAPTER:
        return parent
    if parent.folder is not None:
        raise TrainingError(f"release {parent.label} has merged weights; name one with an adapter, or none")
    return None


def store_of(settings: Settings) -> ReleaseStore:
    """The releases of the data folder."""
    from serving.loading import packaged_base
    from serving.release_store import ReleaseStore

    return ReleaseStore(settings.ingest.releases_folder, packaged_base)


def live_release(settings: Settings, store: ReleaseStore) -> str:
    """Id or name of the release that answers customers."""
    from ingest.database import open_database
    from serving.live import LiveReleases

    engine = open_database(settings.ingest.sqlalchemy_url)
    try:
        return LiveReleases(engine).roles().live or str(store.default)
    finally:
        engine.dispose()


def carry_out(
    recipe: Recipe,
    opened: Opened,
    material: Material,
    corpus: Corpus,
    folder: Path,
    told: Told,
    cancelled: Callable[[], bool],
) -> RunReport:
    """Train, or go on where a run in this folder was interrupted; one that is done has a draft of its release.

    Raises:
        TrainingError: there is nothing to train on.
    """
    from finetune.sft import ADAPTER, train

    done = train(
        recipe,
        opened.model,
        opened.tokenizer,
        corpus.sequences,
        corpus.held_out,
        folder,
        examples=corpus.examples,
        tokens_alone=corpus.tokens_alone,
        data=material.data,
        report=told,
        cancelled=cancelled,
    )
    if done.state == "done":
        write_draft(folder / ADAPTER, recipe, material, opened.parent, asdict(done))
    return done


def write_draft(adapter: Path, recipe: Recipe, material: Material, parent: Release | None, run: dict[str, Any]) -> None:
    """What a release of the adapter says of itself; `releases add` reads it."""
    from serving.release_store import DRAFT

    about = {
        "recipe": recipe.digest,
        "data": material.data,
        "parent": parent.id if parent else "",
        "steps": run["steps"],
        "eval_loss": run["eval_loss"],
    }
    inherited = [asdict(each) for each in parent.manifest.learnt_from] if parent else []
    learnt = [*inherited, *(asdict(each) for each in material.learnt)]
    draft = {"name": recipe.name, "prompt": "full", "small": True, "learnt_from": learnt, "about": about}
    (adapter / DRAFT).write_text(json.dumps(draft, ensure_ascii=False, indent=1), encoding="utf-8")


def run_folder(recipe: Recipe, settings: Settings) -> Path:
    """Where a run of this recipe keeps what it makes; the same for the same recipe, so that it is gone on with."""
    return Path(settings.ingest.home) / RUNS / f"{recipe.name}-{recipe.digest}"
