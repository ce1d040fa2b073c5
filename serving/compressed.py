"""Weights as compressed-tensors lays them out in safetensors: what llm-compressor and vLLM read and write.

Two layouts are read here, so that such a release can be gated and can answer in-process: ``int-quantized`` (int8 weights, a scale
a row) and ``pack-quantized`` (4-bit weights, eight to a word, a scale a group). The first is written here, too.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

INT8, INT4 = "int-quantized", "pack-quantized"
METHOD = "compressed-tensors"
# Left as they are: the embeddings, which compressed-tensors does not pack, are the output's weights, too.
IGNORED = "lm_head"
_NIBBLES = 8


def quantization_of(folder: Path) -> dict[str, Any]:
    """The ``quantization_config`` of a model's folder; empty where its weights are not packed.

    Raises:
        OSError, ValueError: its config.json cannot be read.
    """
    said = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("quantization_config") or {}
    if not isinstance(said, dict):
        raise ValueError("the quantization_config of its config.json is no JSON object")
    # The packaged weights, converted by an earlier version, still say that they are packed, and are not.
    return {} if said.get("quant_method") == "gguf" else said


def packing_of(folder: Path) -> str:
    """The layout of a model's folder; "" where its weights are not packed.

    Raises:
        OSError, ValueError: its config.json cannot be read, or it is packed in a way that is not read here.
    """
    said = quantization_of(folder)
    if not said:
        return ""
    layout = str(said.get("format", ""))
    if said.get("quant_method") != METHOD or layout not in (INT8, INT4):
        raise ValueError(
            f"its weights are packed by {said.get('quant_method')} ({layout or 'no format'}), which the in-process model does not read"
        )
    return layout


def int8_config() -> dict[str, Any]:
    """The ``quantization_config`` of int8 weights with a scale a row, inputs rounded while computing with a scale a token."""
    eight = {"num_bits": 8, "type": "int", "symmetric": True, "group_size": None, "block_structure": None}
    group = {
        "targets": ["Linear"],
        "format": INT8,
        "weights": {**eight, "strategy": "channel", "dynamic": False, "observer": "minmax", "actorder": None},
        "input_activations": {**eight, "strategy": "token", "dynamic": True, "observer": None, "actorder": None},
        "output_activations": None,
    }
    return {
        "quant_method": METHOD,
        "format": INT8,
        "quantization_status": "compressed",
        "global_compression_ratio": None,
        "kv_cache_scheme": None,
        "ignore": [IGNORED],
        "config_groups": {"group_0": group},
    }


def write_int8(model: Any, folder: Path) -> None:
    """Write a model with int8 weights; what is no linear layer stays in bfloat16."""
    import torch
    from safetensors.torch import save_file

    from serving.int8 import rounded

    tensors: dict[str, Any] = {}
    linear = {
        name
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and name.rpartition(".")[2] != IGNORED
    }
    tied = bool(getattr(model.config, "tie_word_embeddings", False))
    for name, value in model.state_dict().items():
        layer, _, part = name.rpartition(".")
        if tied and layer == IGNORED:
            continue
        if layer in linear and part == "weight":
            tensors[name], scale = rounded(value)
            tensors[f"{name}_scale"] = scale.contiguous()
        else:
            tensors[name] = value.to(torch.bfloat16).contiguous()
    folder.mkdir(parents=True)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    model.generation_config.save_pretrained(folder)
    config = {**model.config.to_dict(), "dtype": "bfloat16", "quantization_config": int8_config()}
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True), encoding="utf-8")


def read_compressed(folder: Path, dtype: Any) -> Any:
    """A packed model, ready to write: int8 layers stay int8, 4-bit ones are multiplied out.

    dtype: of everything else.

    Raises:
        OSError, ValueError, KeyError, RuntimeError: its files cannot be read, or do not fit its config.
    """
    import torch
    from safetensors import safe_open
    from transformers import AutoConfig, AutoModelForCausalLM, GenerationConfig
    from transformers.initialization import no_init_weights

    from serving.int8 import packed_linears

    layout = packing_of(folder)
    options = {"local_files_only": True, "trust_remote_code": False}
    config = AutoConfig.from_pretrained(folder, **options)
    del config.quantization_config
    tensors: dict[str, torch.Tensor] = {}
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            tensors |= {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no dict
    layers: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}
    if layout == INT8:
        for name in [each.removesuffix("_scale") for each in tensors if each.endswith(".weight_scale")]:
            layers[name.removesuffix(".weight")] = (tensors.pop(name), tensors.pop(f"{name}_scale"))
    else:
        for name in [each.removesuffix("_packed") for each in tensors if each.endswith(".weight_packed")]:
            tensors[name] = _multiplied_out(tensors, name)
    with no_init_weights():
        model = AutoModelForCausalLM.from_config(config, dtype=dtype)
    packed_linears(model, layers, dtype)
    found = model.load_state_dict({name: value.to(dtype) for name, value in tensors.items()}, strict=False, assign=True)
    model.tie_weights()
    tied = {f"{IGNORED}.weight"} if config.tie_word_embeddings else set()
    if missing := sorted(set(found.missing_keys) - tied) + found.unexpected_keys:
        raise ValueError(f"its weights do not fit its config.json: {missing[0]}")
    if (folder / "generation_config.json").exists():
        model.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
    return model.eval()


def _multiplied_out(tensors: dict[str, Any], name: str) -> Any:
    """Weights of 4 bits in float32; what they were packed of is taken out of ``tensors``."""
    import torch

    packed, scale = tensors.pop(f"{name}_packed"), tensors.pop(f"{name}_scale").float()
    rows, columns = (int(each) for each in tensors.pop(f"{name}_shape"))
    # In the order of their columns, unless GPTQ sorted them.
    groups = tensors.pop(f"{name}_g_idx", None)
    if groups is None or bool((groups < 0).any()):
        groups = torch.arange(columns) // (columns // scale.shape[1])
    values = unpacked(packed, columns).float()
    zero = tensors.pop(f"{name}_zero_point", None)
    if zero is not None:
        zeros = unpacked(zero.t(), rows).t().float() if zero.dtype == torch.int32 else zero.float()
        values -= zeros[:, groups.long()]
    return values * scale[:, groups.long()]


def unpacked(words: Any, columns: int) -> Any:
    """Numbers from -8 to 7 of int32 words, eight in a word, the lowest bits first."""
    import torch

    parts = [(words >> (4 * place)) & 0xF for place in range(_NIBBLES)]
    return (torch.stack(parts, dim=-1).reshape(words.shape[0], -1)[:, :columns] - 8).to(torch.int8)


def described(config: Mapping[str, Any]) -> str:
    """What a quantization_config says, in a few words; "" for none."""
    named = f"{config.get('quant_method', '')} {config.get('format', '')}".strip()
    return named or ("quantization_config" if config else "")
