"""The verifier as torch trains it: the packaged MiniLM's first layers, reading question and sentence together.

Two heads: one number for "does the sentence answer the question", and, while training only, where the answer stands
(Devlin et al. 2019, section 4.3: no answer points at the first token). The second costs nothing at run time and teaches far
more per pair than yes and no do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from finetune.verifier_pairs import Pair
from ingest.embed import packaged_model_folder

# The fifth and sixth layer cost a third of the time and of the answer's delay; see docs/experiments.md.
LAYERS = 4
# Tokens of question and sentence; 99 % of the pairs have at most 133, nine in ten 82.
MAX_TOKENS = 128


class VerifierModel(nn.Module):
    """Logits of pairs, shape (pairs,), and of the answer's first and last token, shape (pairs, tokens, 2)."""

    def __init__(self, encoder: nn.Module, size: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.pool = nn.Linear(size, size)
        self.score = nn.Linear(size, 1)
        self.span = nn.Linear(size, 2)

    def forward(self, input_ids: Tensor, attention_mask: Tensor, token_type_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Judge pairs of token ids, each of shape (pairs, tokens)."""
        hidden = self.encoder(
            input_ids=input_ids, attention_mask=attention_mask, token_type_ids=token_type_ids
        ).last_hidden_state
        score: Tensor = self.score(torch.tanh(self.pool(hidden[:, 0]))).squeeze(-1)
        span: Tensor = self.span(hidden)
        return score, span


def new_model() -> VerifierModel:
    """The packaged MiniLM with fresh heads; its word vectors stay as they are."""
    from transformers import AutoModel

    # Attention written out: the exporter's graph is then one that ONNX Runtime can fuse.
    encoder: Any = AutoModel.from_pretrained(
        str(packaged_model_folder()), add_pooling_layer=False, attn_implementation="eager", num_hidden_layers=LAYERS
    )
    encoder.embeddings.word_embeddings.requires_grad_(False)
    encoder.embeddings.position_embeddings.requires_grad_(False)
    return VerifierModel(encoder, int(encoder.config.hidden_size))


def tokenizer() -> Any:
    """The packaged tokenizer; of a pair that is too long, the sentence is cut."""
    from tokenizers import Tokenizer

    found = Tokenizer.from_file(str(Path(packaged_model_folder()) / "tokenizer.json"))
    found.enable_truncation(MAX_TOKENS, strategy="only_second")
    found.no_padding()
    return found


@dataclass(frozen=True, slots=True)
class Encoded:
    """A pair as ids; first and last: tokens of its answer, 0 (the first token of all) where there is none."""

    ids: list[int]
    types: list[int]
    label: float
    first: int = 0
    last: int = 0


def encode(tok: Any, pair: Pair) -> Encoded:
    """A pair as the model reads it."""
    found = tok.encode(_short(pair.question), pair.text)
    first, last = 0, 0
    start = pair.text.casefold().find(pair.answer.casefold()) if pair.answer else -1
    if start >= 0 and len(pair.text.casefold()) == len(pair.text):
        end = start + len(pair.answer)
        held = [
            i
            for i, (kind, (a, b)) in enumerate(zip(found.type_ids, found.offsets, strict=True))
            if kind == 1 and a < end and b > start
        ]
        first, last = (held[0], held[-1]) if held else (0, 0)
    return Encoded(found.ids, found.type_ids, float(pair.label), first, last)


def _short(question: str) -> str:
    # A question that is as long as the model's reach would leave nothing of the sentence.
    return question[:240]


def batch_of(encoded: Sequence[Encoded]) -> tuple[dict[str, Tensor], Tensor, Tensor, Tensor]:
    """Padded inputs, labels (pairs,), first and last answer tokens (pairs,)."""
    longest = max(len(e.ids) for e in encoded)

    def padded(rows: Sequence[list[int]]) -> Tensor:
        return torch.tensor([row + [0] * (longest - len(row)) for row in rows])

    inputs = {
        "input_ids": padded([e.ids for e in encoded]),
        "attention_mask": padded([[1] * len(e.ids) for e in encoded]),
        "token_type_ids": padded([e.types for e in encoded]),
    }
    labels = torch.tensor([e.label for e in encoded])
    return inputs, labels, torch.tensor([e.first for e in encoded]), torch.tensor([e.last for e in encoded])
