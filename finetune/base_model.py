"""The model that is trained: a base from the package, a folder or a hub, and what of it a recipe's method trains."""

from __future__ import annotations

import os
import warnings
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.errors import TrainingError
from finetune.recipe import Recipe
from ingest.hub import only_here
from serving.loading import choose_dtype

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Methods that train tokens before the prompt, not weights.
VIRTUAL = ("prompt", "p_tuning")


def load_base(name: str, packaged: Path, dtype: str, *, four_bits: bool = False) -> tuple[PreTrainedModel, Any]:
    """The base model and its tokenizer; safetensors only, no code from a model folder.

    name:     "packaged", a folder, or a model of a hub.
    packaged: folder of the converted packaged model.
    four_bits: weights in four bits (QLoRA); needs CUDA and bitsandbytes.

    Raises:
        TrainingError: it cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging as logging_of_transformers

    logging_of_transformers.disable_progress_bar()
    source = str(packaged) if name == "packaged" else name
    chosen = _dtype(dtype)
    small = {"quantization_config": _in_four_bits(chosen)} if four_bits else {}
    options = {"trust_remote_code": False, "local_files_only": only_here(source)}
    try:
        model = AutoModelForCausalLM.from_pretrained(
            source, dtype=chosen, attn_implementation="sdpa", use_safetensors=True, **options, **small
        )
        tokenizer = AutoTokenizer.from_pretrained(source, **options)
    except (OSError, ValueError) as exc:
        raise TrainingError(
            f"base model {name!r} cannot be loaded ({str(exc).splitlines()[0]}): name a folder with safetensors, or set "
            "HF_ENDPOINT to a hub that can be reached"
        ) from exc
    # Among several GPUs accelerate lays the model out.
    if torch.cuda.is_available() and not small and "WORLD_SIZE" not in os.environ:
        moved: Any = model
        model = moved.to("cuda")
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return model, tokenizer


def _in_four_bits(dtype: Any) -> Any:
    import torch
    from transformers import BitsAndBytesConfig

    if not torch.cuda.is_available() or find_spec("bitsandbytes") is None:
        raise TrainingError(
            "method qlora needs a CUDA device and the package bitsandbytes (pip install bitsandbytes); use lora without them"
        )
    return BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True, bnb_4bit_compute_dtype=dtype
    )


def _dtype(name: str) -> Any:
    import torch

    if name != "auto":
        return getattr(torch, name)
    if torch.cuda.is_available():
        return torch.bfloat16 if torch.cuda.is_bf16_supported() else torch.float16
    return getattr(torch, choose_dtype(name))


def with_adapter(model: Any, recipe: Recipe, adapter: Path | None = None) -> Any:
    """The model with what the method trains: an adapter, new or a release's, or all of its weights.

    Raises:
        TrainingError: the method cannot be used here.
    """
    if recipe.method == "full":
        return model
    from peft import LoraConfig, PeftModel, PromptEncoderConfig, PromptTuningConfig, get_peft_model
    from peft.utils import TaskType

    if recipe.method in VIRTUAL and recipe.train.share:
        raise TrainingError(
            f"method {recipe.method} puts tokens of its own before each prompt: set train.share to false, or use lora"
        )
    warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
    if adapter is not None:
        return PeftModel.from_pretrained(model, str(adapter), is_trainable=True)
    causal = TaskType.CAUSAL_LM
    said = recipe.adapter
    if recipe.method == "prompt":
        return get_peft_model(model, PromptTuningConfig(task_type=causal, num_virtual_tokens=said.virtual_tokens))
    if recipe.method == "p_tuning":
        return get_peft_model(model, PromptEncoderConfig(task_type=causal, num_virtual_tokens=said.virtual_tokens))
    targets = said.targets if isinstance(said.targets, str) else list(said.targets)
    config = LoraConfig(
        task_type=causal, r=said.rank, lora_alpha=said.alpha, lora_dropout=said.dropout, target_modules=targets
    )
    return get_peft_model(model, config)
