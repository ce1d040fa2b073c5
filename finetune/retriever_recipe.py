"""The recipe of an embedder that is tuned on a knowledge base's pairs: a file with ``kind: retriever``."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from finetune.recipe import PACKAGED, checked, said_in

RETRIEVER = "retriever"


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class RetrieverData(_Part):
    """What is learnt from.

    kb:        the knowledge base whose pairs (training side) are taken, with passages of its live index.
    reviewed:  only pairs that a person approved or edited.
    sentences: sentences of a passage that are asked as if they were questions, at most, in languages that the base does not
               know: a new vocabulary needs more text than a company has pairs. 0: none.
    """

    kb: Annotated[str, Field(min_length=1)]
    reviewed: bool = False
    sentences: int = Field(default=0, ge=0, le=20)


class Negatives(_Part):
    """Passages that retrieval finds for a question and that do not answer it.

    candidates: kept for each question, the nearest ones.
    each:       drawn of them for each question, anew in every epoch.
    """

    candidates: int = Field(default=8, ge=0, le=50)
    each: int = Field(default=2, ge=0, le=8)


class RetrieverTrain(_Part):
    """The run itself.

    minutes:       the learning rates fall to nothing over the epochs or these minutes, whichever end first.
    batch:         questions of a step; each is told apart from all passages of the others.
    scale:         cosines are multiplied by it: the inverse of the temperature.
    learning_rate: of the layers; ``new_rows``: of the vectors of characters that were put into the vocabulary.
    held_out:      share of the sections whose pairs are not learnt from: the loss is evaluated on them, and they say whether
                   a new language is to be searched by vectors.
    """

    epochs: float = Field(default=4.0, gt=0)
    minutes: float | None = Field(default=None, gt=0)
    steps: int | None = Field(default=None, ge=1)
    learning_rate: float = Field(default=3e-5, gt=0, lt=1)
    new_rows: float = Field(default=1e-3, gt=0, lt=1)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    batch: int = Field(default=16, ge=2)
    scale: float = Field(default=20.0, gt=0)
    max_length: int | None = Field(default=None, ge=16)
    seed: int = 7
    evaluate_every: int = Field(default=25, ge=1)
    held_out: float = Field(default=0.15, ge=0, lt=0.5)


class RetrieverRecipe(_Part):
    """A run from an embedder to a tuned one.

    base:       ``packaged``, a sentence-transformers folder, or a model of a hub by name.
    vocabulary: ``chinese`` puts the Chinese characters of the knowledge base into a WordPiece vocabulary that lacks them.
    """

    kind: Literal["retriever"]
    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,60}$")]
    base: str = PACKAGED
    vocabulary: Literal["as_it_is", "chinese"] = "as_it_is"
    data: RetrieverData
    negatives: Negatives = Negatives()
    train: RetrieverTrain = RetrieverTrain()

    @field_validator("base")
    @classmethod
    def _base(cls, value: str) -> str:
        if not value.strip():
            raise ValueError("name an embedder, or leave the line out for the packaged one")
        return value

    @property
    def digest(self) -> str:
        """Hash of all that the recipe says, 12 hex digits."""
        said = json.dumps(self.model_dump(mode="json"), sort_keys=True, ensure_ascii=False)
        return hashlib.sha256(said.encode()).hexdigest()[:12]


def is_retriever(path: Path) -> bool:
    """Whether a recipe is of an embedder.

    Raises:
        RecipeError: it cannot be read.
    """
    return said_in(path).get("kind") == RETRIEVER


def read_retriever_recipe(path: Path) -> RetrieverRecipe:
    """A recipe from its file; a base that begins with a dot is a folder beside the file.

    Raises:
        RecipeError: it cannot be read, or a line of it is wrong; the message names the line's key.
    """
    recipe = checked(RetrieverRecipe, said_in(path), path)
    if recipe.base.startswith("."):
        return recipe.model_copy(update={"base": str((path.parent / recipe.base).resolve())})
    return recipe
