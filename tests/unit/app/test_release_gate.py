"""What a gate compares a release with: its parent is what it was converted from, not what it was trained on top of."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.answer_evaluation import Evaluation
from app.release_gate import parent_of, run_gate
from app.training import write_draft
from app.training_material import Material
from app.workspace import Settings
from finetune.answer_runs import AnswerRun
from finetune.gate import Checked, Gate, GateEvaluation, GateLine
from finetune.recipe import Data, Recipe
from serving.errors import EngineAway, NoSuchRelease
from serving.prompts import Message
from serving.release_store import SHIPPED, ReleaseStore
from serving.releases import Base, Learnt, Release, read_release

ALONE = {"metric": "f1", "at_least": 0.1}
BESIDE = {"metric": "f1", "at_least": -0.1, "over": "parent"}
PARITY = {"metric": "parity", "at_least": 1.0}
Gated = Callable[..., tuple[list[Checked], dict[str, Any]]]


@pytest.fixture
def store() -> ReleaseStore:
    return ReleaseStore(Settings.load().ingest.releases_folder, lambda: Base("model", "0" * 64))


def adapter(folder: Path, weights: bytes) -> Path:
    folder.mkdir()
    (folder / "adapter_model.safetensors").write_bytes(weights)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA"}))
    return folder


@pytest.fixture
def first(store: ReleaseStore, tmp_path: Path) -> Release:
    return store.add(adapter(tmp_path / "first", b"first"), "first", learnt=[Learnt("kb", "a.md", "h")])


@pytest.fixture
def trained(store: ReleaseStore, first: Release, tmp_path: Path) -> Release:
    """As the trainer leaves it, on top of another one."""
    made = adapter(tmp_path / "further", b"further")
    recipe = Recipe(name="further", release="live", data=Data(kb="default"))
    write_draft(made, recipe, Material(), first, {"steps": 3, "eval_loss": 0.5})
    return store.add(made)


@pytest.fixture
def gated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gated:
    """A gate whose evaluations find the same figures for every release."""
    dataset = tmp_path / "dataset"
    dataset.mkdir()
    (dataset / "documents.jsonl").write_text(json.dumps({"doc_id": "d", "title": "D", "text": "It costs 5 pounds."}))
    asked = {"qid": "1", "question": "What does it cost?", "doc_id": "d", "answers": ["5 pounds"]}
    (dataset / "questions.jsonl").write_text(json.dumps(asked))

    def figures(evaluation: Evaluation, _report: object) -> AnswerRun:
        return AnswerRun(evaluation.about, {"f1": 0.5, "intervals": {}}, [])

    def measure(*_: object) -> None:
        raise EngineAway("nothing is measured here")

    monkeypatch.setattr(Evaluation, "run", figures)
    monkeypatch.setattr("app.release_gate.measure", measure)
    # Of weights that can be loaded; who is compared is asked here.
    monkeypatch.setattr("app.release_gate.parity", lambda *given: float(given[-1] is None))
    monkeypatch.setattr("app.release_gate.GateRuns._prompts", lambda *_: [[Message("user", "What does it cost?")]])

    def gate(release: Release, *lines: dict[str, Any], against: str = "") -> tuple[list[Checked], dict[str, Any]]:
        read = [GateLine.model_validate(line) for line in lines]
        made = Gate(evaluations={"given": GateEvaluation(dataset=dataset)}, lines=read)
        return run_gate(made, release, Settings.load(), lambda *_: None, against=against)

    return gate


def test_a_release_that_was_trained_further_is_gated_by_itself(
    store: ReleaseStore, first: Release, trained: Release, gated: Gated
) -> None:
    assert trained.manifest.about["parent"] == first.id
    assert (trained.parent, trained.packed) == ("", "")
    # What the first one learnt, it knows as well.
    assert trained.manifest.learnt_from == first.manifest.learnt_from
    assert parent_of(trained, store) is None
    checked, said = gated(trained, ALONE, PARITY)
    assert [each.passed for each in checked] == [True, True]
    assert "beside" not in said
    assert store.why_not(trained) == ""


def test_what_it_was_trained_on_is_compared_with_where_it_is_named(
    store: ReleaseStore, first: Release, trained: Release, gated: Gated
) -> None:
    checked, said = gated(trained, ALONE, BESIDE)
    assert [each.passed for each in checked] == [True, False]
    assert "--against" in checked[1].reason
    assert not said["passed"]
    checked, said = gated(trained, ALONE, BESIDE, PARITY, against=first.id)
    # Its parity is still that of its own weights.
    assert [each.passed for each in checked] == [True, True, True]
    assert said["beside"]["parent"] == first.label


def test_a_release_that_was_converted_has_its_parent(
    store: ReleaseStore, first: Release, tmp_path: Path, gated: Gated
) -> None:
    about = {"parent": first.label, "parent_id": first.id, "method": "int8"}
    made = store.add(adapter(tmp_path / "a", b"made"), "made", {"about": about})
    assert (made.parent, made.packed) == (first.label, "int8")
    checked, said = gated(made, ALONE, BESIDE, PARITY)
    # Parity is with the parent.
    assert [each.passed for each in checked] == [True, True, False]
    assert said["beside"]["method"] == "int8"
    other = store.add(adapter(tmp_path / "b", b"other"), "other", {"about": {**about, "parent_id": "f" * 64}})
    with pytest.raises(NoSuchRelease, match="made from another"):
        parent_of(other, store)


def test_the_shipped_release_was_trained_not_converted() -> None:
    assert read_release(SHIPPED, shipped=True).parent == ""
