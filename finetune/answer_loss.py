"""The loss of answers where every position's scores would cost more than they are worth: on a CPU.

Of a prompt with its answers a tenth of the positions is trained, and scores over the vocabulary are a quarter of the work of a small
model. TRL leaves the others out on GPUs alone: elsewhere changing shapes would make compilers start anew, which nobody uses here.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from finetune.sharing import IGNORED


def can_choose(model: Any) -> bool:
    """Whether a model computes the scores of chosen positions only."""
    return "logits_to_keep" in inspect.signature(model.forward).parameters


def answer_loss(model: Any, inputs: Mapping[str, Any], items: Any = None) -> Any:
    """Cross-entropy over the trained tokens of a batch; the same as over all positions.

    inputs: of a causal model, with ``labels`` of shape (batch, length), -100 where nothing is trained.
    items:  what the sum is divided by: trained tokens of a whole update; those of this batch where it is not given.
    """
    import torch

    wanted = inputs["labels"][:, 1:]
    # Scores at a position are those of the token after it.
    places = (wanted != IGNORED).any(dim=0).nonzero().squeeze(-1)
    rest = {name: value for name, value in inputs.items() if name != "labels"}
    scores = model(**rest, use_cache=False, logits_to_keep=places).logits
    chosen = wanted[:, places]
    loss = torch.nn.functional.cross_entropy(
        scores.float().flatten(0, 1), chosen.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    return loss / (items if items is not None else (chosen != IGNORED).sum().clamp(min=1))
