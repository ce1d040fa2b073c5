"""What a training run leaves on disk, read while it goes on; and the recipes that can be started. Imports nothing that trains."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import yaml

PROGRESS, LOSSES, CURVE = "progress.json", "losses.jsonl", "curve.png"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.ya?ml")
# A comment, but not a command in one, which stands further in.
_SAID = re.compile(r"# ?(?! )(.+)")
# Bytes of the last lines of the losses.
_TAIL = 4096


@dataclass(frozen=True, slots=True)
class RecipeFile:
    """A recipe that can be started by its file's name; ``about`` is the comment that it begins with."""

    name: str
    about: str
    path: Path


def recipe_files(own: Path) -> list[RecipeFile]:
    """Recipes by name; those in the folder ``own`` go before the shipped ones."""
    found: dict[str, RecipeFile] = {}
    for folder in (own, _shipped()):
        for path in sorted(folder.glob("*.y*ml")) if folder.is_dir() else ():
            if _NAME.fullmatch(path.name) and _is_recipe(path):
                found.setdefault(path.name, RecipeFile(path.name, _about(path), path))
    return sorted(found.values(), key=lambda each: each.name)


def losses_of(folder: Path, most: int) -> tuple[list[tuple[int, float]], list[tuple[int, float]]]:
    """(step, loss) of training, thinned out evenly to so many, and of what is held out."""
    trained: list[tuple[int, float]] = []
    held_out: list[tuple[int, float]] = []
    for row in _rows(_read(folder / LOSSES)):
        if "loss" in row:
            trained.append((int(row["step"]), float(row["loss"])))
        elif "eval_loss" in row:
            held_out.append((int(row["step"]), float(row["eval_loss"])))
    every = -(-len(trained) // most) or 1
    # The last one is shown, whatever the stride.
    return trained[::-1][::every][::-1], held_out


def progress_of(folder: Path, *, running: bool) -> dict[str, Any]:
    """How far a run is, from what it leaves while it goes on."""
    told = next(_rows(_read(folder / PROGRESS)), {})
    found: dict[str, Any] = {"steps": int(told.get("steps") or 0)}
    if running:
        found |= {
            "stage": str(told.get("stage") or ""),
            "done": int(told.get("done") or 0),
            "total": int(told.get("total") or 0),
        }
    for row in _rows(_tail(folder / LOSSES)):
        if "eval_loss" in row:
            found["held_out_loss"] = float(row["eval_loss"])
        elif "loss" in row:
            found |= {"step": int(row["step"]), "loss": float(row["loss"])}
            seconds = float(row["seconds"])
            if seconds > 0:
                found["tokens_per_second"] = round(row.get("tokens", 0) / seconds, 1) or None
            if running and found["step"]:
                left = seconds / found["step"] * max(0, found["steps"] - found["step"])
                limit = told.get("minutes")
                found["eta_s"] = round(min(left, max(0.0, 60 * limit - seconds)) if limit else left, 1)
    return found


def _rows(text: str) -> Iterator[dict[str, Any]]:
    """The whole lines of a file of JSON Lines: first and last may be halves."""
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            yield row


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""


def _is_recipe(path: Path) -> bool:
    """The folder has settings of `accelerate`, too, and recipes of a kind that the trainer does not carry out."""
    try:
        said = yaml.safe_load(_read(path))
    except yaml.YAMLError:
        # Somebody is writing it: the trainer says what is wrong.
        return True
    return isinstance(said, dict) and {"name", "data"} <= said.keys() and "kind" not in said


def _about(path: Path) -> str:
    lines = []
    for line in _read(path).splitlines():
        if not line.startswith("#"):
            break
        if said := _SAID.fullmatch(line):
            lines.append(said[1].strip())
    return " ".join(lines)[:500]


def _shipped() -> Path:
    """Folder of the recipes that come with frontdesk; found without importing what trains."""
    spec = find_spec("finetune")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the package finetune is not installed")
    return Path(next(iter(spec.submodule_search_locations))) / "recipes"
