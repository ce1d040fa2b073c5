"""How vLLM is started for a release on a machine: every setting chosen for a reason, each overridable. Pure."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, get_type_hints

from ingest.errors import SettingsError
from serving.machine import GIB, Machine

# Of a card's memory, what vLLM may take, and of that what weights may fill: the rest is the cache that holds conversations.
GPU_SHARE, WEIGHTS_SHARE = 0.9, 0.6
# Of a CPU's free memory, what the cache may take: the API, its index and the weights need theirs.
CPU_SHARE = 0.4
# Conversations at once that the cache is made for; more wait.
CPU_AT_ONCE, GPU_AT_ONCE = 64, 256
# Tokens of prompt and answer that customers' questions need (docs/experiments.md); larger models get longer passages.
SMALL_LENGTH, LARGE_LENGTH = 2048, 8192
_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2, "auto": 2}


@dataclass(frozen=True, slots=True)
class ModelShape:
    """What the cache's size follows from.

    parameters: bytes of the weights as they lie on disk.
    positions:  longest sequence that the model was made for.
    quantized:  how its weights are packed, as its config says; "" for not.
    """

    layers: int
    kv_heads: int
    head_size: int
    positions: int
    weights: int
    quantized: str = ""

    def kv_bytes(self, dtype: str) -> int:
        """Bytes of cache that a token takes: a key and a value for each head of each layer."""
        return 2 * self.layers * self.kv_heads * self.head_size * _BYTES.get(dtype, 2)


def shape_of(folder: Path) -> ModelShape:
    """The shape of a model's folder.

    Raises:
        SettingsError: its config.json cannot be read.
    """
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        heads = int(config["num_attention_heads"])
        return ModelShape(
            layers=int(config["num_hidden_layers"]),
            kv_heads=int(config.get("num_key_value_heads") or heads),
            head_size=int(config.get("head_dim") or config["hidden_size"] // heads),
            positions=int(config.get("max_position_embeddings") or SMALL_LENGTH),
            weights=sum(path.stat().st_size for path in folder.glob("*.safetensors")),
            quantized=str((config.get("quantization_config") or {}).get("quant_method", "")),
        )
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise SettingsError(f"{folder} holds no model that can be served (config.json: {exc})") from exc


@dataclass(frozen=True, slots=True)
class ServeSettings:
    """What vLLM is told.

    dtype:            of weights and cache: bfloat16, float16 or float32.
    max_model_len:    tokens of prompt and answer together.
    kv_cache_gib:     memory of the cache, on a CPU; a GPU's cache is what ``gpu_memory`` leaves.
    gpu_memory:       share of each card's memory.
    max_num_seqs:     answers written at once; more wait.
    prefix_caching:   what prompts begin alike with is computed once.
    chunked_prefill:  long prompts are read in pieces between the tokens of others.
    quantization:     "" for what the model's config says.
    tensor_parallel, pipeline_parallel, data_parallel: cards a layer is spread over; cards the layers are; copies of it all.
    adapter:          merged into the weights, or attached beside them.
    eager:            start without compiling.
    """

    dtype: str
    max_model_len: int
    max_num_seqs: int
    kv_cache_gib: float = 0.0
    gpu_memory: float = GPU_SHARE
    prefix_caching: bool = True
    chunked_prefill: bool = True
    quantization: str = ""
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    data_parallel: int = 1
    adapter: str = "merged"
    eager: bool = False

    @property
    def cards(self) -> int:
        """GPUs that it takes."""
        return self.tensor_parallel * self.pipeline_parallel * self.data_parallel


@dataclass(frozen=True, slots=True)
class Plan:
    """Settings with the reason of each.

    why: name of a setting to its reason, in the order in which they are shown.
    """

    device: str
    settings: ServeSettings
    why: Mapping[str, str]


def choose(machine: Machine, shape: ModelShape, *, adapter: bool, small: bool) -> Plan:
    """What fits a release on a machine.

    adapter: it has one, beside the weights of ``shape``.
    small:   it answers short prompts only (``Manifest.small``).

    Raises:
        SettingsError: the weights fit neither one card nor all of them together, or not into the memory.
    """
    length = min(SMALL_LENGTH if small else LARGE_LENGTH, shape.positions)
    why = {
        "max_model_len": f"prompt and answer of {'a small' if small else 'a'} release; the model was made for {shape.positions}"
    }
    settings, more = (_on_gpus if machine.gpus else _on_a_cpu)(machine, shape, length, adapter=adapter)
    return Plan(machine.device, settings, {**more, **why})


def _on_gpus(
    machine: Machine, shape: ModelShape, length: int, *, adapter: bool
) -> tuple[ServeSettings, dict[str, str]]:
    card = min(machine.gpus, key=lambda each: each.memory)
    modern = card.capability >= (8, 0)
    room = card.memory * GPU_SHARE * WEIGHTS_SHARE * GIB
    # Heads are shared out, so their number must be divisible; powers of two are what cards come in.
    needed = 2 ** max(0, math.ceil(math.log2(max(shape.weights, 1) / room)))
    if needed > len(machine.gpus):
        raise SettingsError(
            f"the weights ({shape.weights / GIB:.1f} GiB) do not fit {len(machine.gpus)} x {card.name} ({card.memory:.0f} GiB each): "
            "quantise the release (frontdesk releases quantize), or serve it on larger cards"
        )
    copies = len(machine.gpus) // needed
    settings = ServeSettings(
        dtype="bfloat16" if modern else "float16",
        max_model_len=length,
        max_num_seqs=GPU_AT_ONCE,
        tensor_parallel=needed,
        data_parallel=copies,
        adapter="attached" if adapter else "merged",
    )
    return settings, {
        "dtype": f"{card.name} {'computes' if modern else 'is too old for'} bfloat16 (capability {card.capability[0]}.{card.capability[1]})",
        "tensor_parallel": f"{shape.weights / GIB:.1f} GiB of weights on cards of {card.memory:.0f} GiB",
        "data_parallel": f"{len(machine.gpus)} cards",
        "gpu_memory": "the rest is for what else is on the card",
        "max_num_seqs": "more wait",
        "adapter": "adapters can be swapped while it runs" if adapter else "it has none",
    }


def _on_a_cpu(
    machine: Machine, shape: ModelShape, length: int, *, adapter: bool
) -> tuple[ServeSettings, dict[str, str]]:
    dtype = "bfloat16" if machine.bfloat16 else "float32"
    # On disk they are in 16 bits, or fewer.
    weights = shape.weights * _BYTES[dtype] / 2 / GIB
    if weights > machine.free:
        raise SettingsError(
            f"the weights take {weights:.1f} GiB and {machine.free:.1f} GiB are free: quantise the release "
            "(frontdesk releases quantize), or serve it on a larger machine"
        )
    each = shape.kv_bytes(dtype) * length / GIB
    room = max(0.25, (machine.free - weights) * CPU_SHARE)
    at_once = max(1, min(CPU_AT_ONCE, int(room / each)))
    # vLLM takes whole GiB.
    cache = max(1, math.ceil(at_once * each))
    settings = ServeSettings(
        dtype=dtype, max_model_len=length, max_num_seqs=at_once, kv_cache_gib=float(cache), gpu_memory=0.0, eager=True
    )
    return settings, {
        "dtype": f"this processor {'computes bfloat16' if machine.bfloat16 else 'has no bfloat16 of its own'}",
        "kv_cache_gib": f"{at_once} answers of {length} tokens at {shape.kv_bytes(dtype):,} bytes a token; {machine.free:.1f} GiB are free",
        "max_num_seqs": "more wait",
        "adapter": "merged: attached ones are ten times as slow on a CPU" if adapter else "it has none",
        "eager": "compiling takes minutes here and gains a tenth (docs/experiments.md)",
    }


def kv_gib(settings: ServeSettings, shape: ModelShape, machine: Machine) -> float:
    """GiB of cache that one copy of a model has: what it is told on a CPU, what its cards leave beside the weights on GPUs.

    On GPUs it is a little less in truth: vLLM puts aside what computing takes.
    """
    if not machine.gpus:
        return settings.kv_cache_gib
    # On disk they are in 16 bits, or fewer.
    weights = shape.weights * _BYTES.get(settings.dtype, 2) / 2 / GIB
    cards = settings.tensor_parallel * settings.pipeline_parallel
    return max(0.0, cards * min(card.memory for card in machine.gpus) * settings.gpu_memory - weights)


def overridden(plan: Plan, said: Sequence[str]) -> Plan:
    """A plan with settings of one's own, each ``name=value``.

    Raises:
        SettingsError: there is no such setting, or it cannot have that value.
    """
    kinds: dict[str, Any] = get_type_hints(ServeSettings)
    changes: dict[str, Any] = {}
    for each in said:
        name, equals, value = each.partition("=")
        kind = kinds.get(name.strip().replace("-", "_"))
        if not equals or kind is None:
            raise SettingsError(f"--set {each}: give one of {', '.join(sorted(kinds))} as name=value")
        changes[name.strip().replace("-", "_")] = _value(each, value.strip(), kind)
    settings = replace(plan.settings, **changes)
    _check(settings)
    return replace(plan, settings=settings, why={**plan.why, **dict.fromkeys(changes, "you said so")})


def _value(said: str, value: str, kind: type) -> Any:
    if kind is bool:
        if value.lower() not in ("true", "false", "on", "off", "yes", "no"):
            raise SettingsError(f"--set {said}: on or off")
        return value.lower() in ("true", "on", "yes")
    try:
        return kind(value)
    except ValueError as exc:
        raise SettingsError(f"--set {said}: {value!r} is no {'number' if kind in (int, float) else 'text'}") from exc


def _check(settings: ServeSettings) -> None:
    if settings.adapter not in ("merged", "attached"):
        raise SettingsError(f"--set adapter={settings.adapter}: merged or attached")
    if settings.dtype not in _BYTES:
        raise SettingsError(f"--set dtype={settings.dtype}: one of {', '.join(_BYTES)}")
    counts = ("max_model_len", "max_num_seqs", "tensor_parallel", "pipeline_parallel", "data_parallel")
    for name in counts:
        if getattr(settings, name) < 1:
            raise SettingsError(f"--set {name}={getattr(settings, name)}: at least 1")
    if not 0 <= settings.gpu_memory <= 1 or settings.kv_cache_gib < 0:
        raise SettingsError("--set gpu_memory is a share from 0 to 1, kv_cache_gib is not below 0")


def arguments(settings: ServeSettings, device: str) -> list[str]:
    """vLLM's arguments."""
    said = ["--dtype", settings.dtype, "--max-model-len", str(settings.max_model_len)]
    said += ["--max-num-seqs", str(settings.max_num_seqs)]
    said.append("--enable-prefix-caching" if settings.prefix_caching else "--no-enable-prefix-caching")
    said.append("--enable-chunked-prefill" if settings.chunked_prefill else "--no-enable-chunked-prefill")
    if settings.quantization:
        said += ["--quantization", settings.quantization]
    if settings.eager:
        said.append("--enforce-eager")
    if device == "gpu":
        said += ["--gpu-memory-utilization", f"{settings.gpu_memory:g}"]
    for name, count in (
        ("tensor", settings.tensor_parallel),
        ("pipeline", settings.pipeline_parallel),
        ("data", settings.data_parallel),
    ):
        if count > 1:
            said += [f"--{name}-parallel-size", str(count)]
    return said


def environment(settings: ServeSettings, device: str) -> dict[str, str]:
    """vLLM's variables, beside those that it inherits."""
    cache = {"VLLM_CPU_KVCACHE_SPACE": str(math.ceil(settings.kv_cache_gib))} if device == "cpu" else {}
    return {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1", **cache}


def shown(plan: Plan) -> list[tuple[str, str, str]]:
    """(setting, value, reason) of each, those with a reason of their own first."""
    values = asdict(plan.settings)
    order = [*plan.why, *(name for name in values if name not in plan.why)]
    return [(name, _said(values[name]), plan.why.get(name, "vLLM's usual")) for name in order]


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g}" if isinstance(value, float) else str(value) or "as the model says"
