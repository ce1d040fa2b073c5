"""Recipes: what is wrong stops the run and says which line."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.errors import RecipeError
from finetune.recipe import read_recipe

LEAST = "name: demo\ndata:\n  kb: default\n"


def recipe(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_least_that_a_recipe_says(tmp_path: Path) -> None:
    found = read_recipe(recipe(tmp_path, LEAST))
    assert (found.base, found.method, found.release) == ("packaged", "lora", None)
    assert (found.examples.domain, found.adapter.targets) == (0.3, "all-linear")


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    found = read_recipe(recipe(tmp_path, "name: demo\ndata:\n  datasets: [one, /two]\n  general: chat.jsonl\n"))
    assert found.data.datasets == (tmp_path / "one", Path("/two"))
    assert found.data.general == tmp_path / "chat.jsonl"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name: demo\n", "data: Field required"),
        ("name: demo\ndata: {}\n", "name a knowledge base (kb) or dataset folders"),
        ("name: Demo!\ndata: {kb: x}\n", "name: String should match"),
        (LEAST + "train:\n  learning_rat: 1\n", "train.learning_rat: Extra inputs"),
        (LEAST + "train:\n  learning_rate: 7\n", "train.learning_rate: Input should be less than 1"),
        (LEAST + "method: magic\n", "method: Input should be 'lora'"),
        (LEAST + "examples:\n  passages: [4, 2]\n", "passages: [fewest, most]"),
        (LEAST + "base: ' '\n", "name a base model"),
        ("- a list\n", "must be a mapping"),
        ("name: [\n", "is no YAML"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RecipeError) as raised:
        read_recipe(recipe(tmp_path, text))
    assert said in str(raised.value)
    assert "recipe.yaml" in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="cannot be read"):
        read_recipe(tmp_path / "none.yaml")


def test_the_digest_follows_what_is_said_not_how(tmp_path: Path) -> None:
    one = read_recipe(recipe(tmp_path, LEAST))
    other = read_recipe(recipe(tmp_path, "# a comment\ndata: {kb: default}\nname: demo\n"))
    changed = read_recipe(recipe(tmp_path, LEAST + "train: {seed: 8}\n"))
    assert one.digest == other.digest != changed.digest


RECIPES = Path(__file__).parents[3] / "finetune" / "recipes"


@pytest.mark.parametrize("name", ["demo", "support", "qlora-7b", "several-gpus"])
def test_the_shipped_recipes_can_be_read(name: str) -> None:
    found = read_recipe(RECIPES / f"{name}.yaml")
    # Few refusals: with many of them a small model refuses what it could answer.
    assert 0.15 <= found.examples.absent <= 0.3
    assert found.train.max_length >= found.examples.budget
