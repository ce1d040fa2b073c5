"""A release in another form: merged, in int8, as a GGUF file, or packed by llm-compressor. What comes out is a release of its own.

It has its parent's prompt, limits and what the parent learnt from, names the parent and the method in ``about``, and is as
far from customers as any new release: it must pass its gate, beside its parent.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from serving.compressed import described, quantization_of, write_int8
from serving.errors import CannotQuantize
from serving.gguf_file import FILE, TYPES, write_gguf
from serving.loading import Loaded, load
from serving.release_store import ReleaseStore
from serving.releases import GGUF, MERGED, Release

BF16, INT8, W8A8, AWQ, GPTQ = "bf16", "int8", "w8a8", "awq", "gptq"
METHODS = (BF16, INT8, GGUF, W8A8, AWQ, GPTQ)
# Those that look at what the model reads, and need llm-compressor.
CALIBRATED = (W8A8, AWQ, GPTQ)
# Fields of a manifest that are the parent's.
_INHERITED = (
    "prompt", "prompt_version", "small", "context", "languages", "embedder", "reranker", "verifier", "thresholds", "learnt_from",
)  # fmt: skip
# (stage, done, total)
Told = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be made.

    method: one of METHODS.
    name:   of the new release; the parent's with the method when not given.
    kind:   of the numbers in a GGUF file, one of ``gguf_file.TYPES``.
    """

    method: str
    name: str | None = None
    kind: str = "q8_0"

    @property
    def said(self) -> str:
        """The method as ``about`` names it."""
        return f"{self.method} {self.kind}" if self.method == GGUF else self.method


# Packs the weights of a folder into another one: (weights, target, told). What it was made with is returned, for ``about``.
Packer = Callable[[Path, Path, Callable[[int, int], None]], Mapping[str, Any]]


@dataclass(slots=True)
class Converter:
    """Makes releases of releases.

    models: folder of converted weights.
    packer: of the calibrated methods; None where they cannot be had.
    """

    store: ReleaseStore
    models: Path
    told: Told = field(default=lambda stage, done, total: None)
    packer: Packer | None = None

    def convert(self, parent: Release, wanted: Wanted) -> Release:
        """The release in the form that is wanted; one with the same content is there once.

        Raises:
            CannotQuantize: it cannot be made of this release, or not here.
            DamagedRelease: the parent's files cannot be used.
            ReleaseError: the name cannot be used, or nothing can be written.
        """
        refuse(parent, wanted)
        self.told("loading", 0, 1)
        # In float32: of what is rounded twice, more is lost.
        loaded = load(self.models, "float32", parent if parent.folder else None)
        # Beside the releases, where there is room for a release; not in the system's temporary folder, which may be memory.
        self.store.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.store.folder, prefix=".converting-") as work:
            target = Path(work) / "release"
            made = self._written(loaded, wanted, target, Path(work))
            loaded.tokenizer.save_pretrained(target)
            about = {"parent": parent.label, "parent_id": parent.id, "method": wanted.said, **made}
            inherited = asdict(parent.manifest)
            said = {name: inherited[name] for name in _INHERITED} | {"about": about}
            self.told("hashing", 0, 1)
            return self.store.add(target, wanted.name or f"{parent.name}-{wanted.method}"[:60], said)

    def _written(self, loaded: Loaded, wanted: Wanted, target: Path, work: Path) -> Mapping[str, Any]:
        import torch

        if wanted.method == INT8:
            self.told("rounding", 0, 1)
            write_int8(loaded.model, target)
            return {}
        if wanted.method == GGUF:
            target.mkdir()
            write_gguf(
                loaded,
                target / FILE,
                wanted.kind,
                wanted.name or "frontdesk",
                lambda n, total: self.told("writing", n, total),
            )
            return {}
        self.told("writing", 0, 1)
        whole = target if wanted.method == BF16 else work / "whole"
        loaded.model.to(torch.bfloat16).save_pretrained(whole)
        if wanted.method == BF16:
            return {}
        if self.packer is None:
            raise CannotQuantize(
                f"{wanted.method} needs llm-compressor: frontdesk releases quantize --to {wanted.method}"
            )
        loaded.tokenizer.save_pretrained(whole)
        made = self.packer(whole, target, lambda n, total: self.told("calibrating", n, total))
        for left in target.iterdir():
            # Its own notes; a release has the files that a model is read from.
            if left.suffix not in (".safetensors", ".json", ".jinja", ".txt") and left.is_file():
                left.unlink()
            elif left.is_dir():
                shutil.rmtree(left)
        return made


def refuse(parent: Release, wanted: Wanted) -> None:
    """See that it can be made of this release.

    Raises:
        CannotQuantize: it cannot; the message says of which one it can.
    """
    if wanted.method not in METHODS:
        raise CannotQuantize(f"--to {wanted.method}: one of {', '.join(METHODS)}")
    if wanted.method == GGUF and wanted.kind not in TYPES:
        raise CannotQuantize(f"--type {wanted.kind}: one of {', '.join(TYPES)}")
    if packing := _packing(parent):
        raise CannotQuantize(
            f"release {parent.label} was made smaller already ({packing}), and what is rounded twice loses twice: "
            f"convert {parent.parent or 'the model that it was made from'}"
        )


def _packing(parent: Release) -> str:
    """How a release was made smaller, as it says itself or as its weights do, wherever they were made; "" where it was not."""
    if parent.packed and parent.packed != BF16:
        return parent.packed
    if parent.folder is None or parent.manifest.kind != MERGED:
        return ""
    try:
        return described(quantization_of(parent.folder))
    except (OSError, ValueError):
        # Loading says what is wrong with it.
        return ""


def calibration_said(texts: Sequence[str], source: str) -> dict[str, Any]:
    """What ``about`` says of the texts that a method looked at."""
    return {"calibrated_on": source, "calibration_texts": len(texts)}
