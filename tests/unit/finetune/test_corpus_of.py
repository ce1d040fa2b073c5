"""From samples to sequences: what is held out, what is counted, what is mixed in."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from finetune.corpus import corpus_of, digest, held_out_of
from finetune.errors import TrainingError
from finetune.examples import Sample
from finetune.recipe import Recipe
from finetune.sharing import IGNORED, Encoded
from serving.passages import Passage
from serving.prompts import Message

PASSAGES = {
    f"p{n}": Passage(1, f"p{n}", f"{n}.txt", "", "v", f"Fact number {n} is of value {n * 7}.") for n in range(20)
}
SAMPLES = [
    Sample(
        f"What is the value of fact {n}?",
        (f"p{n}",),
        str(n * 7),
        f"Fact {n} is {n * 7}.",
        (f"p{(n + 1) % 20}",),
        f"doc{n}",
    )
    for n in range(20)
]
END = 0


def encode(prompt: Sequence[Message], target: str) -> Encoded:
    def ids(text: str) -> tuple[int, ...]:
        return tuple(sum(map(ord, word)) for word in text.split())

    return Encoded(ids(" ".join(m.content for m in prompt)), (*ids(target), END))


def recipe(**said: object) -> Recipe:
    return Recipe.model_validate({"name": "x", "data": {"kb": "k"}, "examples": {"domain": 1.0}, **said})


def test_whole_documents_are_held_out() -> None:
    said = recipe(train={"held_out": 0.25}, examples={"domain": 1.0, "absent": 0})
    corpus = corpus_of(said, SAMPLES, PASSAGES, encode, lambda text: len(text.split()))
    held = held_out_of(SAMPLES, 0.25, 7)
    assert len(held) == 5
    assert sum(max(sequence.segments) for sequence in corpus.held_out) == 5
    assert corpus.counts["short answered"] + corpus.counts["sentence answered"] == 15


def test_only_answers_and_their_ends_are_trained() -> None:
    corpus = corpus_of(recipe(train={"held_out": 0}), SAMPLES, PASSAGES, encode, lambda text: len(text.split()))
    for sequence in corpus.sequences:
        ends = [i for i, token in enumerate(sequence.input_ids) if token == END]
        assert len(ends) == max(sequence.segments)
        assert all(sequence.labels[i] == END for i in ends)
        # A run of labels is one answer; before it stands a prompt.
        trained = [i for i, label in enumerate(sequence.labels) if label != IGNORED]
        assert trained
        assert sequence.labels[0] == IGNORED
        assert all(sequence.labels[i] == sequence.input_ids[i] for i in trained)


def test_each_epoch_teaches_each_answer_once_more() -> None:
    counts = lambda text: len(text.split())  # noqa: E731 - as short as it is used
    once = corpus_of(recipe(train={"held_out": 0, "epochs": 1}), SAMPLES, PASSAGES, encode, counts)
    more = corpus_of(recipe(train={"held_out": 0, "epochs": 2.5}), SAMPLES, PASSAGES, encode, counts)
    answered = [sum(n for name, n in c.counts.items() if name.endswith("answered")) for c in (once, more)]
    assert answered[0] == 20
    # Half an epoch is half of its groups, and they are not equally large.
    assert answered[1] == pytest.approx(50, abs=5)


def test_general_data_is_mixed_at_the_share_asked_for(tmp_path: Path) -> None:
    rows = [
        {"messages": [{"role": "user", "content": f"Say {n}."}, {"role": "assistant", "content": str(n)}]}
        for n in range(100)
    ]
    path = tmp_path / "general.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    said = {
        "data": {"kb": "k", "general": str(path)},
        "examples": {"domain": 0.5, "absent": 0},
        "train": {"held_out": 0},
    }
    corpus = corpus_of(recipe(**said), SAMPLES, PASSAGES, encode, lambda text: len(text.split()))
    assert sum(corpus.counts.values()) == 40
    assert sum(1 for s in corpus.sequences if len(s.input_ids) < 6) == 20


def test_what_is_too_long_is_left_out_and_counted() -> None:
    corpus = corpus_of(
        recipe(train={"held_out": 0, "max_length": 64}), SAMPLES, PASSAGES, encode, lambda text: len(text.split())
    )
    assert corpus.left_out > 0
    assert all(len(s.input_ids) <= 64 for s in corpus.sequences)


def test_nothing_to_learn_from_is_said() -> None:
    with pytest.raises(TrainingError, match="nothing to learn from"):
        corpus_of(recipe(), [], {}, encode, len)


def test_the_digest_does_not_follow_the_order() -> None:
    assert digest(SAMPLES, PASSAGES) == digest(SAMPLES[::-1], dict(reversed(PASSAGES.items())))
    assert digest(SAMPLES, PASSAGES) != digest(SAMPLES[1:], PASSAGES)


def test_tokens_alone_are_those_of_each_example_by_itself() -> None:
    one = [Sample(f"What is fact {n} worth?", ("p3",), "21", "Fact 3 is 21.", ("p4",), "doc") for n in range(6)]
    shared, apart = (
        corpus_of(recipe(train={"held_out": 0, "share": share}), one, PASSAGES, encode, lambda text: len(text.split()))
        for share in (True, False)
    )
    assert shared.tokens < apart.tokens == apart.tokens_alone == shared.tokens_alone
