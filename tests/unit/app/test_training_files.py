"""What a run leaves, read while it goes on; recipes that can be started."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from app.training_files import losses_of, progress_of, recipe_files


def write(folder: Path, told: dict[str, Any], *rows: dict[str, Any], half: str = "") -> None:
    (folder / "progress.json").write_text(json.dumps(told))
    (folder / "losses.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows) + half)


def loss(step: int, value: float, seconds: float, tokens: int = 0) -> dict[str, Any]:
    return {"step": step, "loss": value, "seconds": seconds, "tokens": tokens}


def test_nothing_is_known_before_the_first_word(tmp_path: Path) -> None:
    assert progress_of(tmp_path / "no folder", running=False) == {"steps": 0}
    assert losses_of(tmp_path, 10) == ([], [])


def test_how_far_a_run_is(tmp_path: Path) -> None:
    rows = (loss(1, 3.0, 10, 100), {"step": 2, "eval_loss": 2.5, "seconds": 19}, loss(2, 2.0, 20, 300))
    write(tmp_path, {"stage": "training", "done": 2, "total": 8, "steps": 8}, *rows, half='{"step": 3, "lo')
    found = progress_of(tmp_path, running=True)
    assert (found["stage"], found["step"], found["steps"]) == ("training", 2, 8)
    assert (found["loss"], found["held_out_loss"], found["tokens_per_second"]) == (2.0, 2.5, 15.0)
    # Ten seconds a step, six steps to go.
    assert found["eta_s"] == 60.0
    ended = progress_of(tmp_path, running=False)
    assert ended.keys() & {"stage", "eta_s"} == set()
    assert ended["step"] == 2


def test_the_minutes_end_a_run_before_its_steps(tmp_path: Path) -> None:
    told = {"stage": "training", "done": 2, "total": 8, "steps": 8, "minutes": 0.5}
    write(tmp_path, told, loss(2, 2.0, 20, 300))
    assert progress_of(tmp_path, running=True)["eta_s"] == 10.0


@pytest.mark.parametrize(("count", "most", "steps"), [(5, 10, [1, 2, 3, 4, 5]), (10, 4, [1, 4, 7, 10]), (9, 2, [4, 9])])
def test_long_losses_are_thinned_out_to_the_last_one(tmp_path: Path, count: int, most: int, steps: list[int]) -> None:
    rows = [loss(n, float(n), n) for n in range(1, count + 1)]
    write(tmp_path, {}, *rows, {"step": count, "eval_loss": 0.5, "seconds": 1})
    trained, held_out = losses_of(tmp_path, most)
    assert [step for step, _ in trained] == steps
    assert held_out == [(count, 0.5)]


def test_recipes_of_the_folder_go_before_the_shipped_ones(tmp_path: Path) -> None:
    (tmp_path / "demo.yaml").write_text("# Ours.\n#   frontdesk train demo.yaml\n# Quick.\nname: demo\ndata: {kb: x}\n")
    (tmp_path / "notes.yaml").write_text("remember: milk\n")
    (tmp_path / "embedder.yaml").write_text("kind: retriever\nname: x\ndata: {kb: x}\n")
    (tmp_path / "half.yml").write_text("name: [\n")
    (tmp_path / "-rf.yaml").write_text("name: x\ndata: {kb: x}\n")
    found = {each.name: each for each in recipe_files(tmp_path)}
    assert (found["demo.yaml"].about, found["demo.yaml"].path) == ("Ours. Quick.", tmp_path / "demo.yaml")
    assert {"demo.yaml", "half.yml", "support.yaml"} <= found.keys()
    # Settings of accelerate lie beside the shipped recipes.
    assert not {"notes.yaml", "embedder.yaml", "-rf.yaml", "fsdp.yaml"} & found.keys()
    assert "shipped release" in found["support.yaml"].about
