"""Recipes of embedders: told from those of releases, and a wrong line is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from finetune.errors import RecipeError
from finetune.retriever_recipe import is_retriever, read_retriever_recipe

LEAST = "kind: retriever\nname: demo\ndata:\n  kb: default\n"
RECIPES = Path(__file__).parents[3] / "finetune" / "recipes"


def recipe(folder: Path, text: str) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_least_that_a_recipe_says(tmp_path: Path) -> None:
    found = read_retriever_recipe(recipe(tmp_path, LEAST))
    assert (found.base, found.vocabulary, found.data.sentences) == ("packaged", "as_it_is", 0)
    assert 0 < found.train.held_out < 0.5


def test_kinds_are_told_apart(tmp_path: Path) -> None:
    assert is_retriever(recipe(tmp_path, LEAST))
    assert is_retriever(RECIPES / "retriever.yaml")
    assert not is_retriever(RECIPES / "demo.yaml")


def test_the_shipped_recipe_can_be_read() -> None:
    assert read_retriever_recipe(RECIPES / "retriever.yaml").data.kb == "default"


def test_a_base_beside_the_file_and_a_name_of_a_hub(tmp_path: Path) -> None:
    beside = read_retriever_recipe(recipe(tmp_path, f"{LEAST}base: ./mine\n"))
    assert beside.base == str(tmp_path / "mine")
    assert read_retriever_recipe(recipe(tmp_path, f"{LEAST}base: BAAI/bge-m3\n")).base == "BAAI/bge-m3"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("kind: retriever\nname: demo\n", "data: Field required"),
        ("kind: retriever\nname: demo\ndata: {kb: ''}\n", "data.kb: String should have at least 1"),
        ("kind: retriever\nname: Demo!\ndata: {kb: x}\n", "name: String should match"),
        (f"{LEAST}vocabulary: klingon\n", "vocabulary: Input should be 'as_it_is' or 'chinese'"),
        (f"{LEAST}negatives: {{each: 9}}\n", "negatives.each: Input should be less than or equal to 8"),
        (f"{LEAST}train: {{batch: 1}}\n", "train.batch: Input should be greater than or equal to 2"),
        (f"{LEAST}train: {{held_out: 0.5}}\n", "train.held_out"),
        (f"{LEAST}method: lora\n", "method: Extra inputs"),
        (f"{LEAST}base: ' '\n", "name an embedder"),
        ("- a list\n", "must be a mapping"),
    ],
)
def test_a_wrong_line_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(RecipeError) as raised:
        read_retriever_recipe(recipe(tmp_path, text))
    assert said in str(raised.value)
    assert "recipe.yaml" in str(raised.value)


def test_the_digest_follows_what_is_said(tmp_path: Path) -> None:
    one = read_retriever_recipe(recipe(tmp_path, LEAST)).digest
    same = read_retriever_recipe(recipe(tmp_path, f"# a comment\n{LEAST}")).digest
    other = read_retriever_recipe(recipe(tmp_path, f"{LEAST}train: {{seed: 8}}\n")).digest
    assert one == same != other
