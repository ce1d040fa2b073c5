"""Parity of trainer and server: do the weights that are served write what the weights that were trained write?

Serving adds a release's adapter into the weights and computes in the machine's precision; training kept it beside them. Of a
release that was made smaller the question is another: does it write what the one writes that it was made from?
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.loading import convert, load, read_model, with_adapter
from serving.prompts import Message
from serving.releases import ADAPTER, Release

if TYPE_CHECKING:
    from serving.loading import Loaded

TOKENS = 32


def parity(
    models: Path, dtype: str, release: Release, prompts: Sequence[Sequence[Message]], parent: Release | None = None
) -> float:
    """Share of prompts whose greedy answers are the same; 1.0 of a release without an adapter or a parent, whose weights are one.

    models: folder of converted weights; dtype: as the server has it, while the adapter is asked in float32.
    parent: what the release was converted from, asked as the server would ask it.

    Raises:
        DamagedRelease: the release cannot be loaded.
    """
    if not prompts or release.folder is None or (parent is None and release.manifest.kind != ADAPTER):
        return 1.0
    import torch

    served = load(models, dtype, release)
    if parent is not None:
        trained = load(models, dtype, parent).model
    else:
        trained = with_adapter(read_model(convert(models), torch.float32), release.folder)
    same = 0
    for prompt in prompts:
        ids = _ids(served, prompt)
        same += _written(served.model, served.tokenizer, ids) == _written(trained, served.tokenizer, ids)
    return same / len(prompts)


def _ids(loaded: Loaded, prompt: Sequence[Message]) -> list[int]:
    chat = [{"role": m.role, "content": m.content} for m in prompt]
    return list(loaded.tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"])


def _written(model: Any, tokenizer: Any, ids: list[int]) -> list[int]:
    import torch

    inputs = torch.tensor([ids])
    pad = tokenizer.eos_token_id
    with torch.inference_mode():
        out = model.generate(
            input_ids=inputs,
            attention_mask=torch.ones_like(inputs),
            max_new_tokens=TOKENS,
            do_sample=False,
            pad_token_id=pad,
        )
    return [int(token) for token in out[0, len(ids) :]]
