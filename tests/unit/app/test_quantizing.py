"""Texts that a calibrated method reads: in the chat template of the model that will read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from app.quantizing import FEWEST, calibration
from app.training_material import Material
from app.workspace import Settings
from finetune.examples import Sample
from serving.errors import CannotQuantize, DamagedRelease
from serving.passages import Passage
from serving.releases import Base, Kind, Manifest, Release
from tests.tiny_llama import tiny_tokenizer

OTHER = "{% for m in messages %}[{{ m.role }}]{{ m.content }}[/{{ m.role }}]{% endfor %}"


@pytest.fixture(autouse=True)
def _pairs_and_packaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pairs enough, and a packaged model that is its tokenizer only."""
    names = [f"c{n}" for n in range(FEWEST + 4)]
    material = Material(
        [Sample(f"What is {n}?", (n,), n, f"It is {n}.", (n,), n) for n in names],
        {n: Passage(1, n, f"{n}.md", n, "v", f"It is {n}.") for n in names},
    )
    monkeypatch.setattr("app.quantizing.material_of", lambda *_: material)
    tiny_tokenizer().save_pretrained(tmp_path / "packaged")
    monkeypatch.setattr("serving.loading.convert", lambda _models: tmp_path / "packaged")


def texts(folder: Path | None, kind: Kind = "merged") -> list[str]:
    parent = Release(Manifest("made", kind, Base("model", "0" * 64)), folder)
    return calibration(Settings.load(), parent, "default", 20, lambda *_: None)


def own(folder: Path, template: str = OTHER) -> Path:
    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = template
    tokenizer.save_pretrained(folder)
    return folder


def test_weights_of_another_family_read_their_own_marks(tmp_path: Path) -> None:
    made = texts(own(tmp_path / "made"))
    assert len(made) == 20
    assert all(text.startswith("[system]") and text.endswith("[/assistant]") for text in made)
    assert not any("<|im_start|>" in text for text in made)


@pytest.mark.parametrize("kind", ["base", "adapter", "merged"])
def test_what_has_no_tokenizer_of_its_own_reads_the_packaged_model_s(tmp_path: Path, kind: Kind) -> None:
    (tmp_path / "made").mkdir()
    made = texts(None if kind == "base" else tmp_path / "made", kind)
    assert all(text.startswith("<|im_start|>system") for text in made)


def test_an_adapter_is_answered_with_in_the_packaged_model_s_words_so_it_is_read_in_them(tmp_path: Path) -> None:
    assert all(text.startswith("<|im_start|>") for text in texts(own(tmp_path / "made"), "adapter"))


def test_a_tokenizer_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    with pytest.raises(CannotQuantize, match="no chat template"):
        texts(own(tmp_path / "silent", ""))
    (own(tmp_path / "broken") / "tokenizer.json").write_text("{}")
    with pytest.raises(DamagedRelease, match="cannot be loaded"):
        texts(tmp_path / "broken")
