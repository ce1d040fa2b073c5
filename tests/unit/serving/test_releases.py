"""Releases: what they are made of decides their id; what could hold code never becomes one; what was changed is noticed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.errors import DamagedRelease, NoSuchRelease, ReleaseError, UnsafeRelease
from serving.release_store import ReleaseStore
from serving.releases import Base, Learnt, Release

BASE = Base("model", "0" * 64)
Change = Callable[[Path], object]


@pytest.fixture
def store(tmp_path: Path) -> ReleaseStore:
    return ReleaseStore(tmp_path / "releases", lambda: BASE, tmp_path / "shipped")


def adapter(folder: Path, weights: bytes = b"weights", **config: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "adapter_model.safetensors").write_bytes(weights)
    (folder / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", **config}))
    (folder / "README.md").write_text("left out")
    return folder


def test_the_same_content_is_the_same_release(store: ReleaseStore, tmp_path: Path) -> None:
    first = store.add(adapter(tmp_path / "a"), "tuned")
    again = store.add(adapter(tmp_path / "b"), "tuned")
    assert first.id == again.id
    assert sorted(first.manifest.files) == ["adapter_config.json", "adapter_model.safetensors"]
    assert [each.label for each in store.all()] == ["base", f"tuned@{first.id[:12]}"]
    others = [
        store.add(adapter(tmp_path / "c", b"other"), "tuned"),
        store.add(adapter(tmp_path / "a"), "other"),
        store.add(adapter(tmp_path / "a"), "tuned", {"prompt": "brief"}),
        store.add(adapter(tmp_path / "a"), "tuned", learnt=[Learnt("kb", "a.md", "h")]),
    ]
    assert len({first.id, *(each.id for each in others)}) == 5


def test_a_release_is_found_by_name_label_and_the_beginning_of_its_id(store: ReleaseStore, tmp_path: Path) -> None:
    release = store.add(adapter(tmp_path / "a"), "tuned")
    for wanted in ("tuned", release.label, release.id, release.id[:6]):
        assert store.get(wanted).id == release.id
    for wanted in ("tune", release.id[:5], f"other@{release.id[:12]}", "live", "f" * 64):
        with pytest.raises(NoSuchRelease, match="there are base, tuned@"):
            store.get(wanted)
    assert (store.get("base").label, store.default) == ("base", "base")


def test_of_one_name_the_newest_is_meant(store: ReleaseStore, tmp_path: Path) -> None:
    older = store.add(adapter(tmp_path / "a"), "tuned")
    newer = store.add(adapter(tmp_path / "b", b"newer"), "tuned")
    _dated(older, "2026-01-01")
    _dated(newer, "2026-01-02")
    assert store.get("tuned").id == newer.id
    _dated(older, "2026-01-03")
    assert store.get("tuned").id == older.id


def _dated(release: Release, day: str) -> None:
    assert release.folder is not None
    path = release.folder / "release.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "added": day}))


def test_a_shipped_release_is_there_by_name_and_live_by_itself(store: ReleaseStore, tmp_path: Path) -> None:
    made = store.add(adapter(tmp_path / "a"), "tuned")
    assert made.folder is not None
    made.folder.rename(tmp_path / "shipped")
    support = store.get("support")
    assert (support.label, support.reference, support.id, store.default) == ("support", "support", made.id, "support")
    assert [each.label for each in store.all()] == ["base", "support"]
    assert store.why_not(support) == ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "training_args.bin").write_bytes(b"\x80"), "training_args.bin"),
        (lambda f: (f / "optimizer.pt").write_bytes(b""), "optimizer.pt"),
        (lambda f: (f / "modeling.py").write_text("import os"), "modeling.py"),
        (lambda f: (f / "weights.pkl").write_bytes(b""), "weights.pkl"),
        (lambda f: (f / "more").mkdir(), "more"),
        (lambda f: (f / "link.json").symlink_to(f / "adapter_config.json"), "link.json"),
        (lambda f: adapter(f, auto_mapping={"parent_library": "x"}), "auto_mapping"),
        (lambda f: adapter(f, megatron_config={"a": 1}), "megatron_config"),
        (lambda f: adapter(f, peft_type="PROMPT_TUNING"), "PROMPT_TUNING"),
        (lambda f: (f / "config.json").write_text('{"auto_map": {"AutoModel": "m.M"}}'), "auto_map"),
    ],
)
def test_what_could_hold_code_is_refused(store: ReleaseStore, tmp_path: Path, change: Change, words: str) -> None:
    folder = adapter(tmp_path / "a")
    change(folder)
    with pytest.raises(UnsafeRelease, match=words):
        store.add(folder, "tuned")
    assert [each.label for each in store.all()] == ["base"]


@pytest.mark.parametrize("name", ["base", "support", "live", "Tuned", "a/b", "..", "a@b"])
def test_names_that_cannot_be_used(store: ReleaseStore, tmp_path: Path, name: str) -> None:
    with pytest.raises(ReleaseError):
        store.add(adapter(tmp_path / "Folder"), name)


def test_a_folder_without_a_model_is_no_release(store: ReleaseStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReleaseError, match="neither an adapter"):
        store.add(tmp_path / "empty")
    with pytest.raises(ReleaseError, match="no folder"):
        store.add(tmp_path / "gone")


def test_the_trainer_says_what_it_made(store: ReleaseStore, tmp_path: Path) -> None:
    folder = adapter(tmp_path / "a")
    learnt = [{"kb": "default", "document": "a.md", "text_hash": "h"}]
    draft = {"name": "tuned", "prompt": "full", "small": False, "learnt_from": learnt, "about": {"recipe": "x"}}
    (folder / "release-draft.json").write_text(json.dumps(draft))
    manifest = store.add(folder).manifest
    assert (manifest.name, manifest.small, manifest.learnt_from) == ("tuned", False, (Learnt("default", "a.md", "h"),))
    (folder / "release-draft.json").write_text(json.dumps({"name": "tuned", "colour": "red"}))
    with pytest.raises(ReleaseError, match="colour"):
        store.add(folder)


SAID = {
    "prompt": "full", "small": False, "context": 500, "languages": ["en", "zh"],
    "about": {"parent": "tuned@0123", "parent_id": "0" * 64, "method": "int8"},
}  # fmt: skip


def elsewhere(tmp_path: Path, base: Base = BASE) -> Release:
    """A release of another machine, gated there."""
    store = ReleaseStore(tmp_path / "elsewhere", lambda: base, tmp_path / "none")
    made = store.add(adapter(tmp_path / "made"), "brought", SAID, [Learnt("default", "a.md", "h")])
    store.keep_gate(made, {"passed": True, "lines": []})
    return made


def folder_of(release: Release) -> Path:
    assert release.folder is not None
    return release.folder


def test_a_release_that_is_brought_here_stays_what_it_is(store: ReleaseStore, tmp_path: Path) -> None:
    made = elsewhere(tmp_path)
    brought = store.add(folder_of(made))
    assert (brought.id, brought.parent, brought.packed) == (made.id, "tuned@0123", "int8")
    assert brought.manifest == made.manifest
    assert [each.id for each in store.learnt_from("default", ["a.md"])] == [made.id]
    assert store.add(folder_of(made)).id == made.id
    # A gate that was passed elsewhere measured another machine.
    assert "has not been through a gate" in store.why_not(brought)
    brought.verify()


def test_what_is_said_here_goes_before_and_forgets_nothing(store: ReleaseStore, tmp_path: Path) -> None:
    made = elsewhere(tmp_path)
    other = store.add(folder_of(made), "other", {"small": True}, [Learnt("default", "b.md")])
    assert (other.name, other.manifest.small, other.manifest.context) == ("other", True, 500)
    assert other.parent == made.parent
    assert other.manifest.learnt_from == (Learnt("default", "a.md", "h"), Learnt("default", "b.md"))


def in_manifest(old: str, new: str) -> Change:
    return lambda f: (f / "release.json").write_text((f / "release.json").read_text().replace(old, new))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "adapter_model.safetensors").write_bytes(b"x"), "adapter_model.safetensors in .* is not what"),
        (lambda f: (f / "more.safetensors").write_bytes(b"x"), "more.safetensors in .* is not what"),
        (lambda f: (f / "adapter_config.json").write_text('{"peft_type": "LORA", "r": 4}'), "adapter_config.json in"),
        (in_manifest('"a.md"', '"b.md"'), "was changed or cannot be read"),
        (in_manifest("{", ""), "was changed or cannot be read"),
        (in_manifest('"about": {', '"about": 3, "more": {'), "was changed or cannot be read"),
    ],
)
def test_a_release_that_was_changed_on_its_way_is_not_taken_for_another(
    store: ReleaseStore, tmp_path: Path, change: Change, words: str
) -> None:
    folder = folder_of(elsewhere(tmp_path))
    change(folder)
    with pytest.raises(ReleaseError, match=words):
        store.add(folder)
    assert [each.label for each in store.all()] == ["base"]


def test_an_adapter_of_another_model_is_not_brought_here(store: ReleaseStore, tmp_path: Path) -> None:
    made = elsewhere(tmp_path, Base("other model", "1" * 64))
    with pytest.raises(ReleaseError, match="made on other model"):
        store.add(folder_of(made))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda f: (f / "adapter_model.safetensors").write_bytes(b"evil"), "adapter_model.safetensors was changed"),
        (lambda f: (f / "adapter_model.safetensors").unlink(), "adapter_model.safetensors cannot be read"),
        (lambda f: (f / "adapter_model.bin").write_bytes(b""), "adapter_model.bin does not belong to it"),
        (lambda f: (f / "more.safetensors").write_bytes(b""), "more.safetensors does not belong"),
    ],
)
def test_files_that_were_changed_are_noticed(store: ReleaseStore, tmp_path: Path, change: Change, words: str) -> None:
    release = store.add(adapter(tmp_path / "a"), "tuned")
    release.verify()
    assert release.folder is not None
    change(release.folder)
    with pytest.raises(DamagedRelease, match=words):
        store.get("tuned").verify()


def test_a_manifest_that_was_changed_is_no_release(store: ReleaseStore, tmp_path: Path) -> None:
    release = store.add(adapter(tmp_path / "a"), "tuned")
    assert release.folder is not None
    path = release.folder / "release.json"
    path.write_text(path.read_text().replace('"full"', '"brief"'))
    with pytest.raises(DamagedRelease, match="was changed"):
        store.get(release.id)
    assert [each.label for each in store.all()] == ["base"]


def test_a_release_for_other_prompts_must_be_trained_again(store: ReleaseStore, tmp_path: Path) -> None:
    release = store.add(adapter(tmp_path / "a"), "tuned", {"prompt_version": "0"})
    store.keep_gate(release, {"passed": True, "lines": []})
    assert "prompts of version 0" in store.why_not(release)


def test_a_release_is_promotable_once_its_gate_was_passed(store: ReleaseStore, tmp_path: Path) -> None:
    release, other = store.add(adapter(tmp_path / "a"), "tuned"), store.add(adapter(tmp_path / "b", b"x"), "other")
    assert "has not been through a gate" in store.why_not(release)
    store.keep_gate(release, {"passed": False, "lines": [{"passed": False, "reason": "f1 at least 1: found 0"}]})
    assert "f1 at least 1: found 0" in store.why_not(release)
    store.keep_gate(release, {"passed": True, "lines": []})
    assert (store.why_not(release), store.why_not(store.get("base"))) == ("", "")
    # Another release's verdict says nothing.
    assert release.folder is not None
    assert other.folder is not None
    (other.folder / "gate.json").write_text((release.folder / "gate.json").read_text())
    assert "has not been through a gate" in store.why_not(other)
    # And a verdict is no damage.
    release.verify()


def test_releases_that_learnt_from_a_document_are_named(store: ReleaseStore, tmp_path: Path) -> None:
    learnt = [Learnt("default", "a.md", "hash-a"), Learnt("default", "b.md")]
    release = store.add(adapter(tmp_path / "a"), "tuned", learnt=learnt)
    store.add(adapter(tmp_path / "b"), "other")
    assert [each.id for each in store.learnt_from("default", ["a.md"])] == [release.id]
    assert [each.id for each in store.learnt_from("default", ["renamed.md"], ["hash-a"])] == [release.id]
    assert store.learnt_from("other", ["a.md"]) == []
    assert store.learnt_from("default", ["c.md"], [""]) == []
