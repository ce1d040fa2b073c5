"""A tiny LoRA adapter with random weights on the packaged model."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

from tests import packaged_model


def tiny_adapter(folder: Path, seed: int = 3, scale: float = 0.02) -> Path:
    """Rank 2 on two layers' worth of projections; ``scale`` is how far it moves the model."""
    import torch
    from peft import LoraConfig, get_peft_model

    from serving.loading import convert, read_model

    model = read_model(convert(Path(os.environ[packaged_model.VARIABLE])), torch.float32)
    torch.manual_seed(seed)
    config = LoraConfig(r=2, lora_alpha=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM")
    with warnings.catch_warnings():
        # A name of transformers that peft still uses.
        warnings.filterwarnings("ignore", message="`is_gradient_checkpointing`", category=FutureWarning)
        tuned = get_peft_model(model, config)
    for name, weights in tuned.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weights, std=scale)
    tuned.save_pretrained(folder)
    return folder
