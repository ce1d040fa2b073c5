"""What a run would take: a few steps of it, measured on this machine; nothing is kept of them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from finetune.answer_loss import answer_loss, can_choose
from finetune.sft import peak_mib
from finetune.sharing import Collator, Packed

# Sequences that are timed, of the middling ones; the first is not counted: it sets everything up.
TIMED = 4


@dataclass(frozen=True, slots=True)
class Probe:
    """What was measured: tokens a second of forward and backward, and MiB of memory with the longest sequence."""

    tokens_per_second: float
    peak_mib: float


def probe(model: Any, tokenizer: Any, sequences: Sequence[Packed], batch: int) -> Probe:
    """Run forward and backward on the longest batch, then on middling ones."""
    import torch

    collate = Collator(tokenizer.pad_token_id)
    by_length = sorted(sequences, key=lambda each: len(each.input_ids))
    middle = len(by_length) // 2
    longest, timed = by_length[-batch:], by_length[max(0, middle - TIMED) : middle + 1] or by_length[-1:]
    model.train()
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    chosen = model.device.type == "cpu" and can_choose(base)

    def step(rows: Sequence[Packed]) -> None:
        moved = {name: value.to(model.device) for name, value in collate([asdict(row) for row in rows]).items()}
        loss = answer_loss(model, moved) if chosen else model(**moved).loss
        loss.backward()
        model.zero_grad(set_to_none=True)

    step(longest)
    clock = time.perf_counter()
    for row in timed:
        step([row])
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    seconds = time.perf_counter() - clock
    return Probe(round(sum(len(row.input_ids) for row in timed) / seconds, 1), peak_mib())
