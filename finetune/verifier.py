"""Train the verifier: `python -m finetune.verifier DATA OUT [--minutes 25] [--epochs 3]`.

DATA holds squad2, xquad_en_zh and dstc11_track5 as published. OUT gets checkpoint.pt while it runs (a second call goes on
from there), and at the end the exported model (finetune/verifier_export.py). The learning rate falls to nothing over the
epochs or the minutes, whichever end first; minutes are the processor's, so that a busy machine makes it later, not worse.
"""

from __future__ import annotations

import argparse
import json
import logging
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from finetune.verifier_export import export
from finetune.verifier_model import Encoded, VerifierModel, batch_of, encode, new_model, tokenizer
from finetune.verifier_pairs import Pair, read, training_pairs
from ingest.errors import FrontdeskError

BATCH, LEARNING_RATE, WARM_UP = 16, 1.5e-4, 60
# What finding the answer's place counts beside yes and no.
SPAN_SHARE = 0.5
PAIRS, CHECKPOINT, EVERY = "pairs.jsonl", "checkpoint.pt", 20
log = logging.getLogger(__name__)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=25.0, help="of the processor")
    parser.add_argument("--epochs", type=int, default=3)
    given = parser.parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    try:
        tok = tokenizer()
        encoded = [encode(tok, pair) for pair in _pairs(given.data, given.out)]
    except FrontdeskError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    export(train(encoded, given.out, epochs=given.epochs, minutes=given.minutes), given.out)
    return 0


def _pairs(data: Path, out: Path) -> list[Pair]:
    """The training pairs; written beside the checkpoint, which is of no use with others."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / PAIRS
    if not path.is_file():
        rows = [json.dumps(asdict(pair), ensure_ascii=False) + "\n" for pair in training_pairs(data)]
        path.write_text("".join(rows), encoding="utf-8")
    return [Pair(**row) for row in read(path)]


def train(encoded: Sequence[Encoded], out: Path, *, epochs: int, minutes: float) -> VerifierModel:
    """Train on pairs, and leave checkpoint.pt in ``out``.

    minutes: of the processor, those before an interruption included.
    """
    torch.manual_seed(7)
    model = new_model()
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimizer = torch.optim.AdamW(parameters, lr=LEARNING_RATE, weight_decay=0.01)
    begun, spent = _resume(out, model, optimizer)
    total = epochs * -(-len(encoded) // BATCH)
    clock, losses = time.process_time(), []
    step = begun
    for step, batch in enumerate(_batches(encoded, epochs), start=1):
        if step <= begun:
            continue
        used = (spent + time.process_time() - clock) / (60 * minutes)
        left = 1 - max(step / total, used)
        if left <= 0:
            break
        for group in optimizer.param_groups:
            group["lr"] = LEARNING_RATE * left * min(1.0, step / WARM_UP)
        loss = _loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        losses.append(float(loss.detach()))
        if step % EVERY == 0:
            log.info("step %d of %d, loss %.3f, %.0f %% left", step, total, sum(losses) / len(losses), 100 * left)
            losses.clear()
            _keep(out, model, optimizer, step, spent + time.process_time() - clock)
    _keep(out, model, optimizer, step, spent + time.process_time() - clock)
    return model.eval()


def _batches(encoded: Sequence[Encoded], epochs: int) -> Iterator[list[Encoded]]:
    """Batches of pairs of like length, in a new order each epoch."""
    for epoch in range(epochs):
        chance = random.Random(epoch)  # noqa: S311 - an order, no secret
        order = sorted(encoded, key=lambda e: len(e.ids) + chance.random() * 12)
        batches = [order[i : i + BATCH] for i in range(0, len(order), BATCH)]
        chance.shuffle(batches)
        yield from batches


def _loss(model: VerifierModel, batch: Sequence[Encoded]) -> torch.Tensor:
    inputs, labels, first, last = batch_of(batch)
    score, span = model(**inputs)
    span = span.masked_fill(inputs["attention_mask"].unsqueeze(-1) == 0, -1e4)
    # A dialogue's answer has no place in its entry: nothing is to be learnt from where it points.
    known = (labels == 0) | (first > 0)
    yes_or_no = torch.nn.functional.binary_cross_entropy_with_logits(score, labels)
    if not known.any():
        return yes_or_no
    places = torch.nn.functional.cross_entropy(span[known, :, 0], first[known])
    ends = torch.nn.functional.cross_entropy(span[known, :, 1], last[known])
    return yes_or_no + SPAN_SHARE * (places + ends) / 2


def _keep(out: Path, model: VerifierModel, optimizer: Any, step: int, seconds: float) -> None:
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "step": step, "seconds": seconds}
    part = out / f"{CHECKPOINT}.part"
    torch.save(state, part)
    part.rename(out / CHECKPOINT)


def _resume(out: Path, model: VerifierModel, optimizer: Any) -> tuple[int, float]:
    if not (out / CHECKPOINT).is_file():
        return 0, 0.0
    state = torch.load(out / CHECKPOINT, weights_only=True)
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"]), float(state["seconds"])


if __name__ == "__main__":
    sys.exit(main())
