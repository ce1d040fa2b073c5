"""Samples -> the sequences of a run, with what is held out of it, counted. No model, but a tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from finetune.errors import TrainingError
from finetune.evaluate import read_rows
from finetune.examples import CountTokens, Example, Group, Sample, build
from finetune.question_examples import build_questions
from finetune.recipe import Recipe
from finetune.sharing import Encode, Packed, sequences
from serving.passages import Passage
from serving.prompts import Message

GENERAL = "general"


@dataclass(slots=True)
class Corpus:
    """What a run is trained on.

    counts:       examples by style and by whether they are answered; ``general`` among them.
    tokens_alone: tokens of the examples one by one.
    """

    sequences: list[Packed] = field(default_factory=list)
    held_out: list[Packed] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)
    tokens_alone: int = 0
    left_out: int = 0

    @property
    def tokens(self) -> int:
        """Tokens of the sequences that are trained on."""
        return sum(len(each.input_ids) for each in self.sequences)

    @property
    def examples(self) -> int:
        """Examples of the sequences that are trained on."""
        return sum(self.counts.values())


def corpus_of(
    recipe: Recipe,
    samples: Sequence[Sample],
    passages: dict[str, Passage],
    encode: Encode,
    count_tokens: CountTokens,
) -> Corpus:
    """The sequences of all epochs of a recipe, each epoch with other passages around the same answers.

    Raises:
        TrainingError: there is nothing to learn from.
        DatasetError: the general data cannot be read.
    """
    if not samples:
        raise TrainingError("there is nothing to learn from: no pair or question can be used")
    corpus = Corpus()
    said = recipe.train
    held = held_out_of(samples, said.held_out, said.seed)
    learnt = [sample for sample in samples if sample.group not in held]
    whole, rest = int(said.epochs), said.epochs - int(said.epochs)
    for epoch in range(whole + (rest > 0)):
        groups = list(_built(learnt, passages, recipe, count_tokens, epoch))
        if epoch == whole:
            groups = groups[: max(1, round(rest * len(groups)))]
        for group in groups:
            _add(corpus, group, recipe, encode)
    if recipe.data.general and recipe.examples.domain < 1:
        for group in _general(recipe.data.general, corpus.examples, recipe.examples.domain):
            _add(corpus, group, recipe, encode)
    kept = [sample for sample in samples if sample.group in held]
    for group in _built(kept, passages, recipe, count_tokens):
        corpus.held_out += sequences(group, encode, said.max_length, share=said.share)
    return corpus


def _built(
    samples: Sequence[Sample], passages: dict[str, Passage], recipe: Recipe, count_tokens: CountTokens, epoch: int = 0
) -> Iterator[Group]:
    said, seed = recipe.examples, recipe.train.seed
    if recipe.teaches == "questions":
        return build_questions(samples, passages, said.most_shared, seed, epoch=epoch)
    return build(samples, passages, said, count_tokens, seed, epoch=epoch)


def held_out_of(samples: Sequence[Sample], share: float, seed: int) -> frozenset[str]:
    """Groups that the loss is evaluated on: whole documents, the same ones for the same seed."""
    names = sorted({sample.group for sample in samples}, key=lambda name: _hash(f"{seed}/{name}"))
    return frozenset(names[: round(share * len(names))])


def _add(corpus: Corpus, group: Group, recipe: Recipe, encode: Encode) -> None:
    made = sequences(group, encode, recipe.train.max_length, share=recipe.train.share)
    kept = sum(max(each.segments) for each in made)
    corpus.left_out += len(group.examples) - kept
    corpus.sequences += made
    corpus.tokens_alone += sum(each.alone for each in made)
    for example in group.examples:
        name = GENERAL if group.name == GENERAL else _kind(example)
        corpus.counts[name] = corpus.counts.get(name, 0) + 1


def _kind(example: Example) -> str:
    return f"{example.style} {'answered' if example.answerable else 'refused'}"


def _general(path: Path, domain: int, share: float) -> list[Group]:
    """General conversations, as many as make the domain's examples their share; from the beginning of the file on."""
    wanted = round(domain * (1 - share) / share)
    groups = []
    for number, row in enumerate(read_rows(path, ("messages",))):
        if number >= wanted:
            break
        turns = [Message(str(m["role"]), str(m["content"])) for m in row["messages"]]
        if len(turns) < 2 or turns[-1].role != "assistant":
            continue
        groups.append(Group([Example(tuple(turns[:-1]), turns[-1].content, "sentence", True)], GENERAL))
    return groups


def digest(samples: Sequence[Sample], passages: dict[str, Passage]) -> str:
    """Hash of what is learnt from, 16 hex digits; the same for the same samples in any order."""
    rows = sorted(json.dumps([s.question, s.gold, s.short, s.sentence, s.found], ensure_ascii=False) for s in samples)
    texts = sorted(f"{key}:{_hash(passage.text)}" for key, passage in passages.items())
    return _hash("\n".join((*rows, *texts)))[:16]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
