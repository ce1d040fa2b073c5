"""What a recipe learns from, as rows and back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from app.training_material import Material, keep, kept
from finetune.errors import TrainingError
from finetune.examples import Sample
from serving.releases import Learnt


def passage(chunk: str) -> dict[str, Any]:
    place = {"document": "a.md", "title": "A", "version": "v", "heading_path": ["H"], "pages": [2], "sheet": None}
    return {"passage": {"chunk_id": chunk, "text": f"text of {chunk}", "language": "en", **place}}


def pair(question: str, *gold: str, text_hash: str = "h") -> dict[str, Any]:
    said = {"short": "s", "sentence": "S.", "gold": list(gold), "found": ["c1", "c2"], "group": "g"}
    return {"pair": {"question": question, "learnt": [["a.md", text_hash]], **said}}


ROWS = [
    passage("c1"),
    passage("c2"),
    pair("One?", "c1"),
    pair("Two?", "c1"),
    {"end": {"kb": "shop", "kb_id": "7", "pairs": 2, "left": 3}},
    pair("Three?", text_hash="other"),
    {"end": {"dataset": "data/set", "kb_id": "", "left": 1}},
]


def test_rows_become_material_source_after_source() -> None:
    found = Material.of(ROWS)
    assert found.samples[0] == Sample("One?", ("c1",), "s", "S.", ("c1", "c2"), "g")
    assert (found.passages["c2"].text, found.passages["c2"].heading_path) == ("text of c2", ("H",))
    assert (found.data.keys(), found.left) == ({"kb/shop", "data/set"}, 4)
    # A passage is learnt from once, however many questions it answers.
    assert found.learnt[:1] == [Learnt("7", "a.md", "h")]
    assert len([each for each in found.learnt if each.kb == "7"]) == 1


def test_what_is_kept_is_what_is_read(tmp_path: Path) -> None:
    keep(ROWS, tmp_path / "rows.jsonl")
    assert list(kept(tmp_path / "rows.jsonl")) == ROWS


def test_half_of_a_source_is_not_trained_on(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="half of them"):
        Material.of(ROWS[:-1])
    with pytest.raises(TrainingError, match="half of them"):
        keep(ROWS[:3], tmp_path / "rows.jsonl")
    assert not (tmp_path / "rows.jsonl").exists()
