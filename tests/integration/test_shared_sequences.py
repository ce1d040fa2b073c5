"""Examples that share their passages in one sequence: the model sees each as if it stood alone."""

from __future__ import annotations

from typing import Any

import pytest

from finetune.examples import Example, Group
from finetune.sharing import IGNORED, Collator, Encoded, Packed, sequences
from serving.prompts import Message

torch = pytest.importorskip("torch")

SHARED = tuple(range(5, 25))
# Prompts that begin alike, answers of several lengths; 3 ends an answer.
ENCODED = {
    "a": Encoded((*SHARED, 30, 31, 32), (40, 41, 3)),
    "b": Encoded((*SHARED, 30, 33), (42, 3)),
    "c": Encoded((*SHARED, 34, 35, 36, 37), (43, 44, 45, 46, 3)),
    # The same question twice: nothing is left of its own but what is kept for it.
    "d": Encoded((*SHARED, 30, 33), (47, 3)),
}


def encode(prompt: Any, _target: str) -> Encoded:
    return ENCODED[prompt[0].content]


def group(names: str) -> Group:
    return Group([Example((Message("user", name),), "x", "short", True) for name in names])


@pytest.fixture(scope="module")
def model() -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=64,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        attn_implementation="sdpa",
    )
    return LlamaForCausalLM(config).eval()


def answers(model: Any, rows: list[Packed]) -> list[tuple[tuple[int, ...], Any]]:
    """(trained tokens, log-probability of each) of every example, in order."""
    batch = Collator(0)([{f: getattr(row, f) for f in row.__slots__} for row in rows])
    labels = batch.pop("labels")
    with torch.no_grad():
        logits = model(**batch).logits.log_softmax(-1)
    found = []
    for row, said, given in zip(rows, logits, labels, strict=True):
        for number in range(1, max(row.segments) + 1):
            places = [i for i, s in enumerate(row.segments) if s == number and given[i] != IGNORED]
            tokens = tuple(int(given[i]) for i in places)
            # A token is said by the one before it.
            found.append((tokens, torch.stack([said[i - 1, int(given[i])] for i in places])))
    return found


@pytest.mark.parametrize("names", ["abc", "bd", "ca", "abcd"])
def test_what_is_said_in_a_shared_sequence_is_what_is_said_alone(model: Any, names: str) -> None:
    shared = sequences(group(names), encode, 100)
    alone = sequences(group(names), encode, 100, share=False)
    assert (len(shared), len(alone)) == (1, len(names))
    together, apart = answers(model, shared), answers(model, alone)
    assert [tokens for tokens, _ in together] == [tokens for tokens, _ in apart] == [ENCODED[n].target for n in names]
    for (_, one), (_, other) in zip(together, apart, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-5)


def test_padding_changes_nothing(model: Any) -> None:
    long, short = sequences(group("abc"), encode, 100), sequences(group("b"), encode, 100)
    together, alone = answers(model, [*long, *short]), answers(model, short)
    torch.testing.assert_close(together[-1][1], alone[0][1], atol=1e-5, rtol=1e-5)


def test_a_question_that_saw_its_neighbour_would_be_noticed(model: Any) -> None:
    (row,) = sequences(group("abc"), encode, 100)
    blind = Packed(row.input_ids, row.labels, row.positions, [min(s, 1) for s in row.segments])
    (_, seen), (_, whole) = answers(model, [row])[1], answers(model, [row])[2]
    batch = Collator(0)([{f: getattr(blind, f) for f in blind.__slots__}])
    labels = batch.pop("labels")[0]
    with torch.no_grad():
        logits = model(**batch).logits.log_softmax(-1)[0]
    places = [i for i, s in enumerate(row.segments) if s == 2 and labels[i] != IGNORED]
    mixed = torch.stack([logits[i - 1, int(labels[i])] for i in places])
    assert not torch.allclose(mixed, seen, atol=1e-3)
    assert whole.shape == (5,)
