"""`releases quantize` wired: the parent by name, and for the calibrated methods the texts that a knowledge base's pairs give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from app.training import live_release, store_of
from app.training_material import material_of
from app.workspace import Settings
from finetune.examples import Example, build
from finetune.recipe import Data, Recipe
from ingest.stages import Progress
from serving.compressor import compress, find_compressor
from serving.conversion import CALIBRATED, Converter, Packer, Wanted, calibration_said, refuse
from serving.errors import CannotQuantize
from serving.loading import read_tokenizer
from serving.machine import this_machine
from serving.releases import LIVE, Release

SEED = 0
# Fewer say too little about what the model reads.
FEWEST = 16


def quantize(
    settings: Settings,
    release: str,
    wanted: Wanted,
    report: Progress,
    *,
    calibrate: str = "",
    texts: int = 256,
    cpu: bool = False,
) -> Release:
    """Make the release that is wanted of another one.

    calibrate: knowledge base whose pairs are read by the calibrated methods; texts: how many at most.
    cpu:       without a GPU, too.

    Raises:
        CannotQuantize: it cannot be done with this release, or not here.
        FrontdeskError: the knowledge base cannot be read.
    """
    store = store_of(settings)
    parent = store.get(live_release(settings, store) if release == LIVE else release)
    # Before the pairs are read, which may take minutes.
    refuse(parent, wanted)
    packer: Packer | None = None
    if wanted.method in CALIBRATED:
        python = find_compressor(this_machine(), wanted.method, settings.serving.compressor_python, cpu=cpu)
        if not calibrate:
            raise CannotQuantize(
                f"--to {wanted.method} looks at what the model reads: name a knowledge base with pairs (--calibrate KB)"
            )
        read = calibration(settings, parent, calibrate, texts, report)
        packer = partial(_packed, python, wanted.method, read, calibrate)
    models = settings.ingest.models_folder

    def told(stage: str, done: int, total: int) -> None:
        report(parent.label, stage, done, total)

    return Converter(store, models, told, packer).convert(parent, wanted)


def _packed(
    python: Path, method: str, texts: list[str], kb: str, weights: Path, target: Path, told: Callable[[int, int], None]
) -> Mapping[str, Any]:
    return {**compress(python, method, texts, weights, target, told), **calibration_said(texts, kb)}


def calibration(settings: Settings, parent: Release, kb: str, most: int, report: Progress) -> list[str]:
    """Texts as the model reads and writes them, in its own chat template: prompts of the training side's pairs with their answers.

    parent: whose weights will read them; of another family than the packaged model it has marks of its own.

    Raises:
        DamagedRelease: its tokenizer cannot be read.
        CannotQuantize: there are too few pairs, or it has no chat template.
    """
    recipe = Recipe(name="calibration", data=Data(kb=kb))
    material = material_of(recipe, settings, report)
    tokenizer = read_tokenizer(settings.ingest.models_folder, parent)
    if not tokenizer.chat_template:
        raise CannotQuantize(f"the tokenizer of {parent.label} has no chat template, so nobody knows how it is asked")

    def count(text: str) -> int:
        return len(tokenizer(text, add_special_tokens=False)["input_ids"])

    groups = build(material.samples, material.passages, recipe.examples, count, SEED)
    texts = [_text(tokenizer, example) for example in islice((e for group in groups for e in group.examples), most)]
    if len(texts) < FEWEST:
        raise CannotQuantize(
            f"{kb} has {len(texts)} pairs to calibrate on, and {FEWEST} are needed: frontdesk pairs make --kb {kb}, then pairs split"
        )
    return texts


def _text(tokenizer: Any, example: Example) -> str:
    chat = [{"role": message.role, "content": message.content} for message in example.prompt]
    return str(tokenizer.apply_chat_template([*chat, {"role": "assistant", "content": example.target}], tokenize=False))
