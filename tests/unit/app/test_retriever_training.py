"""What a recipe's base knows decides which languages have to earn their vote."""

from __future__ import annotations

from pathlib import Path

from app.retriever_training import known_languages
from finetune.retriever_recipe import RetrieverRecipe
from ingest.embed import write_languages


def test_the_packaged_base_knows_english_alone() -> None:
    # Taken for a model of all languages, Chinese voted without earning it (docs/experiments.md).
    assert known_languages(RetrieverRecipe.model_validate({"kind": "retriever", "name": "x", "data": {"kb": "k"}})) == (
        "en",
    )


def test_another_base_knows_what_its_folder_says(tmp_path: Path) -> None:
    write_languages(tmp_path, ["en", "de"])
    said = {"kind": "retriever", "name": "x", "base": str(tmp_path), "data": {"kb": "k"}}
    assert known_languages(RetrieverRecipe.model_validate(said)) == ("de", "en")
