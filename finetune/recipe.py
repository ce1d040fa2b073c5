"""Recipes: what is trained, on what, how. A YAML file; a wrong line stops the run before anything is loaded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from finetune.errors import RecipeError

Method = Literal["lora", "qlora", "full", "prompt", "p_tuning"]
PACKAGED = "packaged"
Said = TypeVar("Said", bound=BaseModel)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Adapter(_Part):
    """LoRA and its like. ``alpha``: scale, twice the rank is usual. ``virtual_tokens``: of prompt and P-tuning."""

    rank: int = Field(default=16, ge=1, le=512)
    alpha: int = Field(default=32, ge=1)
    dropout: float = Field(default=0.0, ge=0, lt=1)
    targets: tuple[str, ...] | Literal["all-linear"] = "all-linear"
    virtual_tokens: int = Field(default=20, ge=1, le=500)


class Examples(_Part):
    """How pairs become examples (RAFT, arXiv:2403.10131).

    passages:    passages of a prompt, fewest and most; the gold one is at any place among them.
    absent:      share of the examples whose passages do not hold the answer: the target is the refusal.
    short:       share of prompts in the style ``short``, where the answers have one; the rest are in ``sentence``.
    budget:      tokens of a prompt, as the engine that will serve the model counts them.
    domain:      share of the examples that are the company's; the rest is general data. 1 for machine use.
    most_shared: questions that share one prompt's passages.
    """

    passages: tuple[int, int] = (1, 4)
    absent: float = Field(default=0.2, ge=0, le=0.9)
    short: float = Field(default=0.4, ge=0, le=1)
    budget: int = Field(default=800, ge=100)
    domain: float = Field(default=0.3, gt=0, le=1)
    most_shared: int = Field(default=12, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Examples:
        if not 1 <= self.passages[0] <= self.passages[1] <= 20:
            raise ValueError("passages: [fewest, most], from 1 to 20")
        return self


class Data(_Part):
    """Where questions and answers come from; at least one of the two.

    kb:       a knowledge base whose reviewed or unreviewed pairs (train side) are taken, with passages of its live index.
    datasets: folders with documents.jsonl and questions.jsonl.
    languages: of the pairs that are taken from ``kb``; empty: all.
    general:  a JSONL file of {"messages": [{role, content}...]}, for what the model must not forget.
    """

    kb: str | None = None
    reviewed: bool = False
    languages: tuple[str, ...] = ()
    datasets: tuple[Path, ...] = ()
    general: Path | None = None

    @model_validator(mode="after")
    def _something(self) -> Data:
        if not self.kb and not self.datasets:
            raise ValueError("name a knowledge base (kb) or dataset folders (datasets)")
        return self


class Train(_Part):
    """The run itself.

    batch:      sequences a step of the device; times ``accumulate`` is what one update sees.
    share:      questions about the same passages are one sequence that reads the passages once. ``off``: a sequence each.
    minutes:    the learning rate falls to nothing over the epochs or these minutes, whichever end first.
    patience:   evaluations without a better loss before it stops; 0: never.
    held_out:   share of the examples that the loss is evaluated on.
    """

    epochs: float = Field(default=1.0, gt=0)
    minutes: float | None = Field(default=None, gt=0)
    steps: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=4e-4, gt=0, lt=1)
    warmup: float = Field(default=0.05, ge=0, lt=1)
    batch: int = Field(default=1, ge=1)
    accumulate: int = Field(default=4, ge=1)
    max_length: int = Field(default=2048, ge=64)
    share: bool = True
    checkpointing: bool = False
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    seed: int = 7
    evaluate_every: int = Field(default=50, ge=1)
    save_every: int = Field(default=50, ge=1)
    patience: int = Field(default=0, ge=0)
    held_out: float = Field(default=0.03, ge=0, lt=0.5)


class Recipe(_Part):
    """A run from base to release.

    teaches: ``answers`` from passages, as customers get them; ``questions`` that a sentence of a passage answers, for `pairs make`.
    base:    ``packaged``, a model of a hub by name, or a folder.
    release: a release whose adapter is trained further; ``live`` for the one that serves. None: a new adapter.
    """

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,60}$")]
    teaches: Literal["answers", "questions"] = "answers"
    base: str = PACKAGED
    release: str | None = None
    method: Method = "lora"
    adapter: Adapter = Adapter()
    data: Data
    examples: Examples = Examples()
    train: Train = Train()

    @field_validator("base")
    @classmethod
    def _base(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("name a base model, or leave the line out for the packaged one")
        return value

    @property
    def digest(self) -> str:
        """Hash of all that the recipe says, 12 hex digits."""
        said = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(said.encode()).hexdigest()[:12]


def read_recipe(path: Path) -> Recipe:
    """A recipe from its file; relative paths in it are relative to the file.

    Raises:
        RecipeError: it cannot be read, or a line of it is wrong; the message names the line's key.
    """
    return parse_recipe(_text_of(path), str(path), path.parent)


def parse_recipe(text: str, name: str, folder: Path) -> Recipe:
    """A recipe from its text, YAML or JSON.

    name:   what errors call it.
    folder: what relative paths in it are relative to.

    Raises:
        RecipeError: a line of it is wrong; the message names the line's key.
    """
    recipe = checked(Recipe, _said(text, name), name)
    data = recipe.data.model_copy(
        update={
            "datasets": tuple(folder / each for each in recipe.data.datasets),
            "general": folder / recipe.data.general if recipe.data.general else None,
        }
    )
    return recipe.model_copy(update={"data": data})


def said_in(path: Path) -> dict[str, Any]:
    """What a recipe's file says, whatever kind of recipe it is.

    Raises:
        RecipeError: it cannot be read.
    """
    return _said(_text_of(path), str(path))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as exc:
        raise RecipeError(f"{path} cannot be read ({exc.strerror})") from exc
    except UnicodeDecodeError as exc:
        raise RecipeError(f"{path} is no YAML: {str(exc).splitlines()[0]}") from exc


def _said(text: str, name: str) -> dict[str, Any]:
    try:
        said = yaml.safe_load(text)
    except yaml.YAMLError as exc:
        raise RecipeError(f"{name} is no YAML: {str(exc).splitlines()[0]}") from exc
    if not isinstance(said, dict):
        raise RecipeError(f"{name} is no recipe: it must be a mapping with name and data")
    return said


def checked(kind: type[Said], said: dict[str, Any], name: str | Path) -> Said:
    """What a recipe says, as a recipe of a kind; ``name`` is what errors call it.

    Raises:
        RecipeError: a line of it is wrong; the message names the line's key.
    """
    try:
        return kind.model_validate(said)
    except ValidationError as exc:
        first = exc.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the recipe"
        raise RecipeError(f"{name}: {where}: {first['msg'].removeprefix('Value error, ')}") from exc
