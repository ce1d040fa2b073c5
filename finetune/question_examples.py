"""Pairs -> examples for a model that writes questions: the prompt of `pairs make --model`, and the questions that people asked. Pure.

The other half of the craft: a passage and the sentence that answers stand in the prompt, the question is the target. Sentences of one passage
stand together, so that a run reads it once (finetune/sharing.py).
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

from finetune.examples import Example, Group, Sample
from serving.passages import Passage
from serving.prompts import Asked, render_questions

# Questions of one sentence that are taught at once, a line each.
MOST = 4


def build_questions(
    samples: Sequence[Sample], passages: dict[str, Passage], most_shared: int, seed: int, *, epoch: int = 0
) -> Iterator[Group]:
    """Groups of examples, one for each sentence that answers a sample, in an order that the seed decides.

    passages:    every chunk that a sample names, by id; a sample whose sentence its passage does not hold word for word is left out.
    most_shared: sentences that share one prompt's passage.
    """
    draw = random.Random(f"{seed}/{epoch}")  # noqa: S311 - no secret
    asked: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    groups: dict[str, str] = {}
    for sample in samples:
        if not sample.gold or not sample.sentence:
            continue
        passage = passages[sample.gold[0]]
        if _flat(sample.sentence) in _flat(passage.text):
            asked[passage.chunk_id][sample.sentence].append(sample.question)
            groups[passage.chunk_id] = sample.group
    order = sorted(asked)
    draw.shuffle(order)
    for chunk in order:
        # How many are asked for stands before the passage: only prompts that ask for as many begin alike.
        by_count: dict[int, list[Example]] = defaultdict(list)
        for sentence, questions in asked[chunk].items():
            lines = draw.sample(sorted(set(questions)), min(MOST, len(set(questions))))
            by_count[len(lines)].append(_example(passages[chunk], sentence, lines))
        for _, examples in sorted(by_count.items()):
            draw.shuffle(examples)
            for first in range(0, len(examples), most_shared):
                yield Group(examples[first : first + most_shared], groups[chunk])


def _example(passage: Passage, sentence: str, questions: Sequence[str]) -> Example:
    where = " > ".join(dict.fromkeys(part for part in (passage.title, *passage.heading_path) if part))
    prompt = render_questions(Asked(where, passage.text, sentence), count=len(questions))
    return Example(tuple(prompt), "\n".join(" ".join(each.split()) for each in questions), "sentence", True)


def _flat(text: str) -> str:
    return " ".join(text.split())
