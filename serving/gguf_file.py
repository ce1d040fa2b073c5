"""A model as one GGUF file, for llama.cpp and what is built on it (Ollama, LM Studio); the layout is ggml's docs/gguf.md.

Architecture ``llama`` with a byte-level BPE tokenizer, which is what the packaged model is. The file names the tokenizer's rule of
splitting that the release was trained with, not the one that its base was published with: llama.cpp would otherwise split
numbers in another way than the training did, and answers with numbers would suffer.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.errors import CannotQuantize

if TYPE_CHECKING:
    import numpy as np

    from serving.loading import Loaded

FILE = "model.gguf"
TYPES = ("bf16", "f16", "q8_0", "q4_0")
_MAGIC, _VERSIONS = b"GGUF", (2, 3)
# ggml's kinds of tokens: what text is made of, and what only the program writes.
_NORMAL, _CONTROL = 1, 3
Told = Callable[[int, int], None]
# Our names of a layer's parts to ggml's.
_PARTS = {
    "input_layernorm": "attn_norm",
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "post_attention_layernorm": "ffn_norm",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_WHOLE = {
    "model.embed_tokens.weight": "token_embd.weight",
    "model.norm.weight": "output_norm.weight",
    "lm_head.weight": "output.weight",
}


def check_gguf(file: Path) -> str:
    """Why a file is no GGUF file that can be read; "" when it is one. Nothing in it is run, here or by its readers."""
    with file.open("rb") as opened:
        head = opened.read(8)
    if head[:4] != _MAGIC:
        return f"{file.name} is no GGUF file"
    version = int.from_bytes(head[4:], "little")
    return "" if version in _VERSIONS else f"{file.name} is a GGUF file of version {version}; 2 and 3 are read"


def write_gguf(loaded: Loaded, file: Path, kind: str, name: str, told: Told = lambda done, total: None) -> None:
    """Write weights in float32, with their tokenizer, as one file.

    kind: one of ``TYPES``; norms stay in float32, as llama.cpp wants them.

    Raises:
        CannotQuantize: the model's architecture or tokenizer is not one that is written here.
    """
    import gguf

    config, tokenizer = loaded.model.config, loaded.tokenizer
    if config.model_type != "llama" or getattr(config, "attention_bias", False) or getattr(config, "mlp_bias", False):
        raise CannotQuantize(
            f"GGUF files are written of Llama's architecture without biases, and this is {config.model_type}: convert it with "
            "llama.cpp's own convert_hf_to_gguf.py"
        )
    plain = {"bf16": "BF16", "f16": "F16", "q8_0": "Q8_0", "q4_0": "Q4_0"}[kind]
    wanted = gguf.GGMLQuantizationType[plain]
    writer = gguf.GGUFWriter(file, "llama")
    writer.add_name(name)
    writer.add_file_type(gguf.LlamaFileType[f"MOSTLY_{plain}"])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    _say_shape(writer, config)
    _say_tokenizer(writer, tokenizer, config)
    weights = list(_weights(loaded.model))
    for done, (named, values) in enumerate(weights):
        told(done, len(weights))
        fits = values.ndim > 1 and values.shape[-1] % gguf.GGML_QUANT_SIZES[wanted][0] == 0
        kept = wanted if fits else gguf.GGMLQuantizationType.F32
        writer.add_tensor(named, gguf.quants.quantize(values, kept), raw_dtype=kept)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    told(len(weights), len(weights))


def _say_shape(writer: Any, config: Any) -> None:
    heads = config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // heads
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") != "default":
        raise CannotQuantize(f"its positions are scaled ({rope['rope_type']}), which is not written into GGUF here")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_rope_dimension_count(size)
    writer.add_rope_freq_base(float(rope.get("rope_theta", 10000.0)))
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_vocab_size(config.vocab_size)


def _say_tokenizer(writer: Any, tokenizer: Any, config: Any) -> None:
    said = json.loads(tokenizer.backend_tokenizer.to_str())
    model = said["model"]
    if model["type"] != "BPE" or said.get("normalizer"):
        raise CannotQuantize("GGUF files are written with byte-level BPE tokenizers only, and this is another one")
    tokens = dict(model["vocab"])
    special = {each["content"] for each in said["added_tokens"] if each["special"]}
    tokens |= {each["content"]: each["id"] for each in said["added_tokens"]}
    by_id = {place: token for token, place in tokens.items()}
    # Rows of the embeddings that no token has are named, so that every row has a name.
    names = [by_id.get(place, f"[PAD{place}]") for place in range(config.vocab_size)]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_splitting(said.get("pre_tokenizer")))
    writer.add_token_list(names)
    writer.add_token_types([_CONTROL if each in special or each not in tokens else _NORMAL for each in names])
    writer.add_token_merges([each if isinstance(each, str) else " ".join(each) for each in model["merges"]])
    writer.add_add_bos_token(False)
    writer.add_add_space_prefix(False)
    for place, add in (
        (config.bos_token_id, writer.add_bos_token_id),
        (config.eos_token_id, writer.add_eos_token_id),
        (tokenizer.unk_token_id, writer.add_unk_token_id),
        (tokenizer.pad_token_id, writer.add_pad_token_id),
    ):
        if isinstance(place, int):
            add(place)
    if isinstance(tokenizer.chat_template, str):
        writer.add_chat_template(tokenizer.chat_template)


def _splitting(rule: Any) -> str:
    """llama.cpp's name of how text is split before merging."""
    parts = rule.get("pretokenizers", [rule]) if isinstance(rule, dict) else []
    kinds = [(each.get("type"), each.get("individual_digits"), each.get("use_regex")) for each in parts]
    if kinds == [("ByteLevel", None, True)]:
        return "gpt-2"
    if kinds == [("Digits", True, None), ("ByteLevel", None, True)]:
        return "smollm"
    raise CannotQuantize("its tokenizer splits text in a way that has no name in llama.cpp known here")


def _weights(model: Any) -> Iterator[tuple[str, np.ndarray[Any, Any]]]:
    """(ggml's name, values) of each tensor."""
    config = model.config
    for name, value in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        values = value.detach().float().cpu().numpy()
        if name in _WHOLE:
            yield _WHOLE[name], values
            continue
        _, _, rest = name.partition("model.layers.")
        block, _, part = rest.removesuffix(".weight").partition(".")
        if part not in _PARTS:
            raise CannotQuantize(f"there is no place in a GGUF file for {name}")
        heads = {"self_attn.q_proj": config.num_attention_heads, "self_attn.k_proj": config.num_key_value_heads}
        yield f"blk.{block}.{_PARTS[part]}.weight", _turned(values, heads[part]) if part in heads else values


def _turned(values: np.ndarray[Any, Any], heads: int) -> np.ndarray[Any, Any]:
    """Rows as ggml rotates them, pairs side by side; transformers has the halves of a head one after the other."""
    half = values.shape[0] // heads // 2
    return values.reshape(heads, 2, half, values.shape[1]).swapaxes(1, 2).reshape(values.shape)
