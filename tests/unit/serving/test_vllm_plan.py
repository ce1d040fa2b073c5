"""Settings of vLLM: what follows from machine and release, what can be changed, what cannot work."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ingest.errors import SettingsError
from serving.machine import GIB, Gpu, Machine, read_gpus
from serving.vllm_plan import ModelShape, Plan, arguments, choose, environment, kv_gib, overridden, shape_of, shown

TINY = ModelShape(30, 3, 64, 8192, 269 << 20)
LARGE = ModelShape(32, 8, 128, 131072, 15 * GIB)
LAPTOP = Machine(2, 24, 20, bfloat16=True)
H200 = Gpu("NVIDIA H200", 140.0, (9, 0))
T4 = Gpu("Tesla T4", 15.0, (7, 5))


def cards(*gpus: Gpu) -> Machine:
    return Machine(16, 128, 100, bfloat16=True, gpus=gpus)


def chosen(machine: Machine = LAPTOP, shape: ModelShape = TINY, *, adapter: bool = True, small: bool = True) -> Plan:
    return choose(machine, shape, adapter=adapter, small=small)


def test_a_small_release_on_two_cores_is_merged_and_not_compiled() -> None:
    plan = chosen()
    assert (plan.device, plan.settings.adapter, plan.settings.eager) == ("cpu", "merged", True)
    assert (plan.settings.dtype, plan.settings.max_model_len) == ("bfloat16", 2048)
    # 64 answers of 2,048 tokens at 23,040 bytes each.
    assert (plan.settings.max_num_seqs, plan.settings.kv_cache_gib) == (64, 3.0)
    assert environment(plan.settings, "cpu")["VLLM_CPU_KVCACHE_SPACE"] == "3"


def test_a_processor_without_bfloat16_computes_float32() -> None:
    assert chosen(Machine(2, 24, 20, bfloat16=False)).settings.dtype == "float32"


def test_little_memory_means_fewer_answers_at_once() -> None:
    settings = chosen(Machine(2, 4, 2, bfloat16=True)).settings
    assert settings.max_num_seqs < 64
    assert settings.kv_cache_gib == 1.0
    with pytest.raises(SettingsError, match="quantise the release"):
        chosen(Machine(2, 4, 2, bfloat16=True), LARGE)


def test_on_a_card_adapters_are_attached() -> None:
    settings = chosen(cards(H200), LARGE, small=False).settings
    assert (settings.adapter, settings.dtype, settings.max_model_len) == ("attached", "bfloat16", 8192)
    assert (settings.tensor_parallel, settings.data_parallel, settings.eager) == (1, 1, False)
    assert chosen(cards(H200), LARGE, adapter=False).settings.adapter == "merged"


def test_cards_are_shared_out_between_layers_and_copies() -> None:
    small_cards = chosen(cards(T4, T4, T4, T4), LARGE, small=False).settings
    assert (small_cards.tensor_parallel, small_cards.data_parallel, small_cards.dtype) == (2, 2, "float16")
    many = chosen(cards(*[H200] * 8), LARGE).settings
    assert (many.tensor_parallel, many.data_parallel, many.cards) == (1, 8, 8)
    with pytest.raises(SettingsError, match="do not fit 1 x Tesla T4"):
        chosen(cards(T4), LARGE)


def test_the_cache_of_a_copy_is_what_it_is_told_or_what_its_cards_leave() -> None:
    assert TINY.kv_bytes("bfloat16") == 23_040
    assert kv_gib(chosen().settings, TINY, LAPTOP) == 3.0
    eight = cards(*[H200] * 8)
    assert kv_gib(chosen(eight, LARGE).settings, LARGE, eight) == pytest.approx(140 * 0.9 - 15)
    four = cards(T4, T4, T4, T4)
    assert kv_gib(chosen(four, LARGE).settings, LARGE, four) == pytest.approx(2 * 15 * 0.9 - 15)


def test_every_setting_can_be_changed_and_says_so() -> None:
    plan = overridden(chosen(), ["max-model-len=1024", "eager=off", "kv_cache_gib=1.5", "dtype=float32"])
    settings = plan.settings
    assert (settings.max_model_len, settings.eager, settings.kv_cache_gib, settings.dtype) == (
        1024,
        False,
        1.5,
        "float32",
    )
    rows = {name: (value, why) for name, value, why in shown(plan)}
    assert rows["max_model_len"] == ("1024", "you said so")
    assert rows["eager"] == ("off", "you said so")


@pytest.mark.parametrize(
    "said",
    [
        "nothing",
        "speed=9",
        "eager=perhaps",
        "max_model_len=many",
        "max_model_len=0",
        "adapter=glued",
        "dtype=int3",
        "gpu_memory=2",
    ],
)
def test_a_change_that_cannot_be_made_is_refused(said: str) -> None:
    with pytest.raises(SettingsError, match=r"--set"):
        overridden(chosen(), [said])


def test_what_vllm_is_told() -> None:
    said = arguments(chosen().settings, "cpu")
    assert said[said.index("--max-num-seqs") + 1] == "64"
    assert {"--enable-prefix-caching", "--enable-chunked-prefill", "--enforce-eager"} <= set(said)
    assert "--gpu-memory-utilization" not in said
    off = overridden(chosen(cards(H200, H200), LARGE), ["prefix_caching=off", "quantization=awq", "data_parallel=2"])
    said = arguments(off.settings, "gpu")
    assert {"--no-enable-prefix-caching", "--quantization", "--gpu-memory-utilization", "--data-parallel-size"} <= set(
        said
    )
    assert "--tensor-parallel-size" not in said
    assert "VLLM_CPU_KVCACHE_SPACE" not in environment(off.settings, "gpu")


def test_the_shape_is_read_from_the_models_folder(tmp_path: Path) -> None:
    config: dict[str, Any] = {
        "num_attention_heads": 9,
        "num_hidden_layers": 30,
        "num_key_value_heads": 3,
        "hidden_size": 576,
    }
    (tmp_path / "config.json").write_text(json.dumps(config | {"max_position_embeddings": 8192}))
    (tmp_path / "model.safetensors").write_bytes(b"x" * 100)
    assert shape_of(tmp_path) == ModelShape(30, 3, 64, 8192, 100)
    assert shape_of(tmp_path).kv_bytes("bfloat16") == 23_040
    with pytest.raises(SettingsError, match="holds no model"):
        shape_of(tmp_path / "nothing")


def test_cards_are_read_as_their_tool_names_them() -> None:
    said = "NVIDIA H200, 143771, 9.0\nTesla T4, 15360, 7.5\n[N/A], [N/A], [N/A]\n"
    assert read_gpus(said) == (Gpu("NVIDIA H200", 143771 / 1024, (9, 0)), T4)
    assert read_gpus("") == ()
