"""A model as a GGUF file: read back by transformers it is the same model, and its tokenizer splits alike."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader

from serving.errors import CannotQuantize
from serving.gguf_file import FILE, check_gguf, write_gguf
from serving.loading import Loaded
from tests.tiny_llama import TEMPLATE, tiny_llama, tiny_tokenizer


def loaded(**changes: Any) -> Loaded:
    tokenizer = tiny_tokenizer()
    return Loaded(tiny_llama(len(tokenizer), **changes), tokenizer)


def read(folder: Path) -> Loaded:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with contextlib.redirect_stderr(io.StringIO()):
        model = AutoModelForCausalLM.from_pretrained(folder, gguf_file=FILE, dtype=torch.float32).eval()
        return Loaded(model, AutoTokenizer.from_pretrained(folder, gguf_file=FILE))


@pytest.mark.parametrize(
    ("kind", "least", "tied"),
    [("f16", 0.99999, True), ("bf16", 0.9999, True), ("q8_0", 0.999, True), ("q4_0", 0.9, True), ("f16", 0.99999, False)],
)  # fmt: skip
def test_what_is_written_is_read_again(tmp_path: Path, kind: str, least: float, tied: bool) -> None:
    whole = loaded(tie_word_embeddings=tied)
    write_gguf(whole, tmp_path / FILE, kind, "tiny")
    found = read(tmp_path)
    text = "<|im_start|>user\nHow long is the motor guaranteed, 10 or 25 years?<|im_end|>\n"
    ids = whole.tokenizer(text, return_tensors="pt")["input_ids"]
    assert torch.equal(found.tokenizer(text, return_tensors="pt")["input_ids"], ids)
    with torch.inference_mode():
        mine, theirs = (each.model(input_ids=ids).logits.flatten() for each in (whole, found))
    assert float(torch.cosine_similarity(mine, theirs, dim=0)) > least


def test_it_holds_the_template_and_names_the_splitting_that_was_trained_with(tmp_path: Path) -> None:
    write_gguf(loaded(), tmp_path / FILE, "q8_0", "tiny")
    fields = GGUFReader(tmp_path / FILE).fields
    assert fields["tokenizer.chat_template"].contents() == TEMPLATE
    # Not the published base's "smollm", which cuts numbers into digits: this tokenizer does not.
    assert fields["tokenizer.ggml.pre"].contents() == "gpt-2"
    assert (fields["tokenizer.ggml.eos_token_id"].contents(), fields["general.architecture"].contents()) == (2, "llama")


def test_other_models_and_tokenizers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(CannotQuantize, match="without biases"):
        write_gguf(loaded(attention_bias=True), tmp_path / FILE, "f16", "tiny")
    other = loaded()
    from tokenizers import pre_tokenizers

    other.tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    with pytest.raises(CannotQuantize, match="splits text"):
        write_gguf(other, tmp_path / "other.gguf", "f16", "tiny")


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\x80\x04pickle", "no GGUF file"), (b"", "no GGUF file"), (b"GGUF\x09\0\0\0", "version 9"), (b"GGUF\x03\0\0\0", "")],
)  # fmt: skip
def test_what_only_has_the_name_is_noticed(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "x.gguf").write_bytes(content)
    assert words in check_gguf(tmp_path / "x.gguf")
    assert bool(check_gguf(tmp_path / "x.gguf")) is bool(words)
