"""Examples that begin alike as one sequence: the passages are read once, each question sees them and itself only.

A prompt is instruction, passages, question; of a group of examples all but the question is the same. One sequence holds what
they share, then each example's rest. A token may look at what is shared and at its own example before it, and its
position is the one that it has in the example alone: logits agree with those of the examples one by one (a test holds that).
With a dozen questions about some passages a run reads a sixth of the tokens.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetune.examples import Group
from serving.prompts import Message

if TYPE_CHECKING:
    import torch

IGNORED = -100
# Segment of the tokens that all examples share.
SHARED = 0


@dataclass(frozen=True, slots=True)
class Encoded:
    """An example as tokens: its prompt, then its target with the token that ends an answer."""

    prompt: tuple[int, ...]
    target: tuple[int, ...]

    @property
    def ids(self) -> tuple[int, ...]:
        """All of it."""
        return (*self.prompt, *self.target)


@dataclass(frozen=True, slots=True)
class Packed:
    """One sequence of a batch; all lists have its length.

    labels:   the token itself where it is trained, -100 where it is not. As models want them: not shifted.
    segments: 0 for what is shared, from 1 on an example each.
    """

    input_ids: list[int]
    labels: list[int]
    positions: list[int]
    segments: list[int]

    @property
    def trained(self) -> int:
        """Tokens that the loss is taken on."""
        return sum(label != IGNORED for label in self.labels)

    @property
    def alone(self) -> int:
        """Tokens of its examples one by one."""
        shared = self.segments.count(SHARED)
        return len(self.segments) - shared + shared * max(self.segments)


Encode = Callable[[Sequence[Message], str], Encoded]


def encoder_of(tokenizer: Any) -> Encode:
    """Renders prompts with the tokenizer's chat template, as serving does."""

    def encode(prompt: Sequence[Message], target: str) -> Encoded:
        chat = [{"role": m.role, "content": m.content} for m in prompt]
        asked = tokenizer.apply_chat_template(chat, add_generation_prompt=True, return_dict=True)["input_ids"]
        said = tokenizer(target, add_special_tokens=False)["input_ids"]
        return Encoded(tuple(asked), (*said, tokenizer.eos_token_id))

    return encode


def sequences(group: Group, encode: Encode, max_length: int, *, share: bool = True) -> list[Packed]:
    """A group as sequences of at most ``max_length`` tokens; an example that alone is longer is left out."""
    encoded = [e for e in (encode(each.prompt, each.target) for each in group.examples) if len(e.ids) <= max_length]
    if not share:
        return [_joined([each]) for each in encoded]
    made: list[Packed] = []
    waiting: list[Encoded] = []
    for each in encoded:
        if waiting and len(_joined([*waiting, each]).input_ids) > max_length:
            made.append(_joined(waiting))
            waiting = []
        waiting.append(each)
    return [*made, *([_joined(waiting)] if waiting else [])]


def _joined(examples: Sequence[Encoded]) -> Packed:
    # What tokens they share, not what letters: a tokenizer may join the end of the passages with the question.
    first = examples[0].prompt
    # Each has a token of its own before its target: what comes first in it is said after its own prompt, not after the
    # end of another's answer.
    shared = min(len(each.prompt) for each in examples) - 1
    for each in examples[1:]:
        shared = next((i for i in range(shared) if each.prompt[i] != first[i]), shared)
    ids, labels = list(first[:shared]), [IGNORED] * shared
    positions, segments = list(range(shared)), [SHARED] * shared
    for number, each in enumerate(examples, start=1):
        rest = each.prompt[shared:]
        ids += [*rest, *each.target]
        labels += [*[IGNORED] * len(rest), *each.target]
        positions += range(shared, shared + len(rest) + len(each.target))
        segments += [number] * (len(rest) + len(each.target))
    return Packed(ids, labels, positions, segments)


@dataclass(frozen=True, slots=True)
class Collator:
    """Sequences to a padded batch for a causal model that takes a mask of shape (batch, 1, length, length).

    pad:   id of the padding token.
    plain: a sequence is one example: the mask is (batch, length), as methods need that put tokens of their own before it.
    """

    pad: int
    plain: bool = False

    def __call__(self, rows: Sequence[dict[str, list[int]]]) -> dict[str, torch.Tensor]:
        """input_ids, labels, position_ids of shape (batch, length), attention_mask (batch, 1, length, length), boolean."""
        import torch

        length = max(len(row["input_ids"]) for row in rows)

        def padded(name: str, fill: int) -> torch.Tensor:
            return torch.tensor([row[name] + [fill] * (length - len(row[name])) for row in rows])

        segments = padded("segments", -1)
        if self.plain:
            ids, labels = padded("input_ids", self.pad), padded("labels", IGNORED)
            return {"input_ids": ids, "labels": labels, "attention_mask": (segments >= 0).long()}
        mine, other = segments[:, :, None], segments[:, None, :]
        sees = ((other == SHARED) | (mine == other)).tril()
        # A row that sees nothing at all makes NaN of everything: padding looks at itself.
        sees |= torch.eye(length, dtype=torch.bool)
        return {
            "input_ids": padded("input_ids", self.pad),
            "labels": padded("labels", IGNORED),
            "position_ids": padded("positions", 0),
            "attention_mask": sees[:, None],
        }
