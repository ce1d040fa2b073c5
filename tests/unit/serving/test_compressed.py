"""Packed weights: what is written is read again, and what was rounded writes nearly what was not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from serving.compressed import INT4, packing_of, read_compressed, unpacked, write_int8
from serving.int8 import Int8Linear, rounded
from tests.tiny_llama import tiny_llama

IDS = torch.tensor([[5, 9, 33, 120, 7]])


def near(model: object, other: object) -> float:
    with torch.inference_mode():
        mine, theirs = (each(input_ids=IDS).logits.flatten() for each in (model, other))  # type: ignore[operator]  # models
    return float(torch.cosine_similarity(mine, theirs, dim=0))


def tiny_qwen() -> Any:
    """A model whose attention has biases, as published."""
    from transformers import Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(1)
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4}
    marks = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 2}
    return Qwen2ForCausalLM(Qwen2Config(vocab_size=320, num_key_value_heads=2, **sizes, **marks)).eval()


def loud(model: Any) -> None:
    """Biases that say something; new ones are zeros."""
    for each in model.modules():
        if isinstance(each, torch.nn.Linear) and each.bias is not None:
            each.bias.data.normal_()


def test_int8_weights_write_nearly_what_the_whole_ones_do(tmp_path: Path) -> None:
    model = tiny_llama(320)
    write_int8(model, tmp_path / "int8")
    assert packing_of(tmp_path / "int8") == "int-quantized"
    read = read_compressed(tmp_path / "int8", torch.float32)
    assert isinstance(read.model.layers[0].mlp.up_proj, Int8Linear)
    assert 0.999 < near(model, read) < 1.0
    # The output is the embeddings still, in memory as on disk.
    assert read.lm_head.weight is read.model.embed_tokens.weight
    assert "lm_head.weight" not in load_file(tmp_path / "int8" / "model.safetensors")


@pytest.mark.parametrize("kernels", [True, False])
def test_biases_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernels: bool) -> None:
    if not kernels:
        monkeypatch.setattr("serving.int8.has_kernels", lambda: False)
    for name, model in {"llama": tiny_llama(320, attention_bias=True, mlp_bias=True), "qwen": tiny_qwen()}.items():
        loud(model)
        write_int8(model, tmp_path / name)
        read = read_compressed(tmp_path / name, torch.float32)
        layer = read.model.layers[0].self_attn.q_proj
        assert isinstance(layer, Int8Linear)
        assert torch.allclose(layer.bias, model.model.layers[0].self_attn.q_proj.bias, atol=0.02)
        assert near(model, read) > 0.999
        # They are what makes the answer.
        for each in model.modules():
            if isinstance(each, torch.nn.Linear) and each.bias is not None:
                each.bias.data.zero_()
        assert near(model, read) < 0.99


def test_a_bias_that_is_missing_or_too_much_does_not_fit(tmp_path: Path) -> None:
    bias = "model.layers.0.self_attn.q_proj.bias"
    with_biases, without = tmp_path / "with", tmp_path / "without"
    write_int8(tiny_llama(320, attention_bias=True), with_biases)
    write_int8(tiny_llama(320), without)
    file = "model.safetensors"
    mine, theirs = load_file(with_biases / file), load_file(without / file)
    theirs[bias] = mine.pop(bias)
    for folder, tensors in ((with_biases, mine), (without, theirs)):
        save_file(tensors, folder / file)
        with pytest.raises(ValueError, match=r"q_proj\.bias"):
            read_compressed(folder, torch.float32)


def test_a_token_is_not_drowned_by_loud_neighbours() -> None:
    torch.manual_seed(0)
    weight, scale = rounded(torch.randn(16, 32))
    layer = Int8Linear(weight, scale, torch.randn(16), torch.float32)
    alone = torch.randn(1, 32)
    loud = torch.cat([alone, 1000 * torch.randn(3, 32)])
    exact = alone @ (weight.float() * scale).t() + layer.bias
    # With one scale for all of them, it would be rounded to nothing.
    assert torch.allclose(layer(loud)[0], exact[0], atol=0.2)
    assert torch.allclose(layer(alone)[0], exact[0], atol=0.2)


@pytest.mark.parametrize("weight", [torch.zeros(2, 4), torch.tensor([[1e-20, 0.0], [3.0, -300.0]])])
def test_rounding_divides_by_no_zero_and_leaves_no_range(weight: torch.Tensor) -> None:
    packed, scale = rounded(weight)
    assert packed.abs().max() <= 127
    assert torch.allclose(packed.float() * scale, weight, atol=float(weight.abs().max()) / 100)


def test_a_processor_without_the_kernels_multiplies_out(monkeypatch: pytest.MonkeyPatch) -> None:
    weight, scale = rounded(torch.randn(8, 8))
    monkeypatch.setattr("serving.int8.has_kernels", lambda: False)
    layer, inputs = Int8Linear(weight, scale, None, torch.float32), torch.randn(3, 8)
    assert torch.allclose(layer(inputs), inputs @ (weight.float() * scale).t(), atol=1e-5)


def packed_words(values: torch.Tensor) -> torch.Tensor:
    """Numbers from -8 to 7 as compressed-tensors packs them, written down from its description."""
    words = torch.zeros(values.shape[0], values.shape[1] // 8, dtype=torch.int64)
    for column in range(values.shape[1]):
        words[:, column // 8] |= (values[:, column].long() + 8) << (4 * (column % 8))
    return torch.where(words >= 2**31, words - 2**32, words).to(torch.int32)


@pytest.mark.parametrize("symmetric", [True, False])
def test_four_bits_are_multiplied_out(tmp_path: Path, symmetric: bool) -> None:
    model = tiny_llama(320, attention_bias=True)
    loud(model)
    group, folder = 32, tmp_path / "int4"
    folder.mkdir()
    tensors = {n: v.contiguous() for n, v in model.state_dict().items() if n != "lm_head.weight"}
    expected = {}
    for name in [n for n in tensors if n.endswith("_proj.weight")]:
        value = tensors.pop(name)
        groups = value.reshape(value.shape[0], -1, group)
        low, high = groups.amin(-1), groups.amax(-1)
        scale = groups.abs().amax(-1) / 7 if symmetric else (high - low) / 15
        zero = torch.zeros_like(scale) if symmetric else torch.round(-8 - low / scale).clamp(-8, 7)
        whole = torch.round(groups / scale[..., None] + zero[..., None]).clamp(-8, 7)
        expected[name] = ((whole - zero[..., None]) * scale[..., None]).reshape(value.shape)
        tensors[f"{name}_packed"] = packed_words(whole.reshape(value.shape))
        tensors[f"{name}_scale"], tensors[f"{name}_shape"] = scale, torch.tensor(value.shape)
        if not symmetric:
            tensors[f"{name}_zero_point"] = packed_words(zero.t().contiguous()).t().contiguous()
    save_file(tensors, folder / "model.safetensors")
    said = {"quant_method": "compressed-tensors", "format": INT4}
    (folder / "config.json").write_text(json.dumps({**model.config.to_dict(), "quantization_config": said}))
    read = read_compressed(folder, torch.float32)
    for name, value in expected.items():
        assert torch.allclose(read.state_dict()[name], value, atol=1e-6)
    biases = {name: value for name, value in model.state_dict().items() if name.endswith(".bias")}
    assert biases
    assert all(torch.equal(read.state_dict()[name], value) for name, value in biases.items())


def test_words_hold_eight_numbers_the_lowest_bits_first() -> None:
    values = torch.tensor([[-8, -1, 0, 1, 7, 3, -4, 2]])
    assert torch.equal(unpacked(packed_words(values), 8), values.to(torch.int8))


@pytest.mark.parametrize(
    "said", [{"quant_method": "bitsandbytes"}, {"quant_method": "compressed-tensors", "format": "nvfp4"}]
)
def test_other_packings_are_named_not_guessed(tmp_path: Path, said: dict[str, str]) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"quantization_config": said}))
    with pytest.raises(ValueError, match="packed by"):
        packing_of(tmp_path)


def test_weights_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    write_int8(tiny_llama(320), tmp_path / "a")
    tensors = load_file(tmp_path / "a" / "model.safetensors")
    del tensors["model.norm.weight"]
    save_file(tensors, tmp_path / "a" / "model.safetensors")
    with pytest.raises(ValueError, match=r"model\.norm\.weight"):
        read_compressed(tmp_path / "a", torch.float32)
