"""What training reads beside a server is what it reads of the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.training_material import Material, material_of
from app.workspace import Settings
from finetune.recipe import Recipe
from ingest.errors import NotFound
from tests import packaged_model
from tests.integration.cli_rig import Cli, Forks
from tests.integration.http_server import EXAMPLES, serving

pytestmark = pytest.mark.timeout(600)
KEY = "a-key-of-more-than-sixteen-letters"


def test_samples_of_a_server_are_those_of_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, forks = tmp_path / "home", Forks(tmp_path)
    cli = Cli(home, forks)
    try:
        files = (
            EXAMPLES / "en" / "warranty.docx",
            EXAMPLES / "en" / "stores.csv",
            EXAMPLES / "zh" / "warranty-zh.docx",
        )
        assert cli("ingest", *files).code == 0
        assert cli("pairs", "make").code == 0
        assert cli("pairs", "split").code == 0
    finally:
        forks.close()
    for name, value in packaged_model.environment().items():
        if name.startswith("FRONTDESK_"):
            monkeypatch.setenv(name, value)
    monkeypatch.setenv("FRONTDESK_HOME", str(home))
    monkeypatch.setenv("FRONTDESK_API_KEY", KEY)

    def material(**data: Any) -> Material:
        recipe = Recipe.model_validate({"name": "x", "data": {"kb": "default", **data}})
        return material_of(recipe, Settings.load(), lambda *_: None)

    alone = material()
    assert len(alone.samples) > 20
    with serving(home, FRONTDESK_API_KEY=KEY):
        beside = material()
        assert material(reviewed=True).samples == []
        chinese = material(languages=["zh"])
        with pytest.raises(NotFound, match="nowhere"):
            material(kb="nowhere")
    assert beside.samples == alone.samples
    assert chinese.samples == [s for s in alone.samples if any("一" <= letter <= "鿿" for letter in s.question)] != []
    assert beside.passages == alone.passages
    assert (beside.data, beside.left, beside.learnt) == (alone.data, alone.left, alone.learnt)
