"""What can be made of a release, and what is refused with the way out."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from serving.compressor import compress, find_compressor, group_size
from serving.conversion import Wanted, refuse
from serving.errors import CannotQuantize, CannotServe, UnsafeRelease
from serving.export import export, why_not_served
from serving.machine import Gpu, Machine
from serving.release_store import ReleaseStore
from serving.releases import Base, Manifest, Release

BASE = Base("model", "0" * 64)
CPU = Machine(2, 16.0, 8.0, True)
CARD = replace(CPU, gpus=(Gpu("card", 24.0, (9, 0)),))


def release(method: str = "", kind: str = "merged") -> Release:
    about = {"parent": "tuned@0123", "parent_id": "0", "method": method} if method else {}
    return Release(Manifest("made", kind, BASE, about=about), Path("nowhere"))  # type: ignore[arg-type]  # of a table


@pytest.mark.parametrize(
    ("parent", "wanted", "words"),
    [
        (release(), Wanted("int3"), "one of bf16, int8, gguf"),
        (release(), Wanted("gguf", kind="q2_k"), "--type q2_k: one of bf16, f16, q8_0, q4_0"),
        (release("int8"), Wanted("gguf"), "convert tuned@0123"),
        (release("gguf q8_0", "gguf"), Wanted("bf16"), "rounded twice"),
    ],
)
def test_what_cannot_be_made_says_what_can(parent: Release, wanted: Wanted, words: str) -> None:
    with pytest.raises(CannotQuantize, match=words):
        refuse(parent, wanted)


def test_merged_weights_lose_nothing_so_they_may_be_made_smaller() -> None:
    refuse(release("bf16"), Wanted("int8"))


@pytest.mark.parametrize("method", ["compressed-tensors", "awq"])
def test_packed_weights_are_not_packed_again_whoever_made_them(tmp_path: Path, method: str) -> None:
    added = replace(release(), folder=tmp_path)
    (tmp_path / "config.json").write_text("{}")
    refuse(added, Wanted("int8"))
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": method}}))
    with pytest.raises(CannotQuantize, match=f"\\({method}\\).*convert the model that it was made from"):
        refuse(added, Wanted("int8"))
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": {"quant_method": "gguf"}}))
    refuse(added, Wanted("int8"))


def test_a_release_that_was_made_on_another_machine_is_not_converted_again_here(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "config.json").write_text("{}")
    about = {"parent": "tuned@0123", "parent_id": "0" * 64, "method": "awq"}
    there = ReleaseStore(tmp_path / "there", lambda: BASE, tmp_path / "none").add(made, "packed", {"about": about})
    assert there.folder is not None
    brought = ReleaseStore(tmp_path / "here", lambda: BASE, tmp_path / "none").add(there.folder)
    with pytest.raises(CannotQuantize, match="convert tuned@0123"):
        refuse(brought, Wanted("int8"))


def test_a_gguf_release_is_not_served_by_vllm_and_its_parent_is_named(tmp_path: Path) -> None:
    packed = release("gguf q8_0", "gguf")
    assert "serve the release that it was made from (tuned@0123)" in why_not_served(packed)
    with pytest.raises(CannotServe, match=r"llama\.cpp"):
        export(packed, tmp_path, tmp_path)
    assert [why_not_served(release(method)) for method in ("bf16", "int8", "w8a8", "awq", "gptq")] == [""] * 5


@pytest.mark.parametrize(
    ("machine", "cpu", "words"),
    [(CPU, False, "needs a GPU"), (CPU, True, "pip install llmcompressor"), (CARD, False, "pip install llmcompressor")],
)
def test_without_a_card_or_the_package_it_is_said_what_to_do(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, machine: Machine, cpu: bool, words: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("serving.compressor.ENVIRONMENT", ".no-such-environment")
    with pytest.raises(CannotQuantize, match=words):
        find_compressor(machine, "awq", cpu=cpu)
    with pytest.raises(CannotQuantize, match="FRONTDESK_COMPRESSOR_PYTHON"):
        find_compressor(CARD, "awq", str(tmp_path / "python"))
    assert find_compressor(CARD, "awq", sys.executable) == Path(sys.executable)


@pytest.mark.parametrize(("widths", "size"), [((4096, 11008), 128), ((576, 1536), 64), ((96, 224), 32)])
def test_groups_divide_every_layer(tmp_path: Path, widths: tuple[int, int], size: int) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"hidden_size": widths[0], "intermediate_size": widths[1]}))
    assert group_size(tmp_path) == size


def test_what_llm_compressor_says_last_is_the_reason(tmp_path: Path) -> None:
    # This interpreter has no llm-compressor, so the script ends with its ImportError.
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(CannotQuantize, match="llm-compressor failed"):
        compress(Path(sys.executable), "w8a8", ["a"], tmp_path, tmp_path / "made", lambda *_: None)


def test_a_gguf_file_may_be_a_release_and_a_renamed_pickle_may_not(tmp_path: Path) -> None:
    store = ReleaseStore(tmp_path / "releases", lambda: BASE, tmp_path / "none")
    source = tmp_path / "made"
    source.mkdir()
    (source / "model.gguf").write_bytes(b"GGUF\x03\0\0\0 and so on")
    added = store.add(source, "made")
    assert (added.manifest.kind, added.size) == ("gguf", (source / "model.gguf").stat().st_size)
    added.verify()
    (source / "model.gguf").write_bytes(b"\x80\x04 a pickle")
    with pytest.raises(UnsafeRelease, match="no GGUF file"):
        store.add(source, "other")
