"""A release as a folder that any model server can serve: weights and tokenizer, an adapter merged in or beside them."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from serving.errors import CannotServe, DamagedRelease
from serving.loading import convert, load, packaged_base
from serving.releases import ADAPTER, GGUF, MERGED, Release

_KEPT = 16


@dataclass(frozen=True, slots=True)
class Served:
    """What a model server is given.

    weights: folder of the model.
    adapter: folder of a LoRA adapter that is attached beside; None where it is merged, or there is none.
    """

    weights: Path
    adapter: Path | None = None


def export(release: Release, models: Path, folder: Path, *, attached: bool = False) -> Served:
    """The folders that a release is served from; made once, found again by the release's id.

    models:   where the converted packaged model lies.
    folder:   where merged weights are kept.
    attached: an adapter is left beside the weights.

    Raises:
        CannotServe: vLLM does not serve weights of its kind.
        DamagedRelease: its files are not those that it was made of, or it was made on another model.
        OSError, ValueError, ImportError: the packaged model cannot be read, or nothing can be written.
    """
    if release.folder is None:
        return Served(convert(models))
    if why := why_not_served(release):
        raise CannotServe(why)
    # What is served is what was gated: nothing changed, nothing put beside.
    release.verify()
    if release.manifest.kind == MERGED:
        return Served(release.folder)
    if attached and release.manifest.kind == ADAPTER:
        if release.manifest.base != packaged_base():
            raise DamagedRelease(
                f"release {release.label} was made on {release.manifest.base.name}, which is not the packaged model here"
            )
        return Served(convert(models), release.folder)
    target = folder / release.id[:_KEPT]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "export.lock"):
        if not (target / "config.json").is_file():
            _write(release, models, target)
    return Served(target)


def why_not_served(release: Release) -> str:
    """Why vLLM cannot serve a release, and what to serve instead; "" where it can."""
    if release.manifest.kind != GGUF:
        return ""
    instead = (
        f"serve the release that it was made from ({release.parent})" if release.parent else "serve one in safetensors"
    )
    return (
        f"release {release.label} is a GGUF file, which vLLM does not serve: {instead}, or give the file to llama.cpp"
    )


def _write(release: Release, models: Path, target: Path) -> None:
    loaded = load(models, "bfloat16", release)
    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    loaded.model.save_pretrained(part)
    loaded.tokenizer.save_pretrained(part)
    part.rename(target)
