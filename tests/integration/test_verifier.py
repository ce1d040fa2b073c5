"""A verifier from training to verdict on real parts, but for its size: a tiny encoder with random weights."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from transformers import BertConfig, BertModel

from finetune.verifier import train
from finetune.verifier_export import NAME, export
from finetune.verifier_model import VerifierModel, batch_of, encode, tokenizer
from finetune.verifier_pairs import Pair
from serving.reranker import load_reranker
from serving.verifier import ABOUT, MODEL, PACKAGED, load_verifier, logit

pytestmark = pytest.mark.integration
PAIRS = [
    Pair(
        "How long is the motor guaranteed?", "Warranty: The motor is guaranteed for 10 years.", True, "gold", "10 years"
    ),
    Pair("How long is the motor guaranteed?", "Shops: The shop in Leeds opens at 9:00. " * 20, False, "beside"),
]


@pytest.fixture
def model() -> VerifierModel:
    torch.manual_seed(1)
    config = BertConfig(
        hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, attn_implementation="eager"
    )
    return VerifierModel(BertModel(config, add_pooling_layer=False), 32).eval()


def test_an_exported_verifier_scores_as_the_model_and_can_rerank(model: VerifierModel, tmp_path: Path) -> None:
    export(model, tmp_path)
    verifier = load_verifier(tmp_path)
    assert verifier is not None
    assert (verifier.name, verifier.knows("en"), verifier.knows("zh")) == (NAME, True, False)
    inputs, *_ = batch_of([encode(tokenizer(), pair) for pair in PAIRS])
    with torch.no_grad():
        wanted = model(**inputs)[0].tolist()
    texts = [pair.text for pair in PAIRS]
    found = verifier.score(PAIRS[0].question, texts)
    # Of weights drawn at random, 32 to a layer, int8 leaves less than of trained ones.
    assert [logit(score) for score in found] == pytest.approx(wanted, abs=0.4)
    assert load_reranker(str(tmp_path)).score(PAIRS[0].question, texts) == pytest.approx(found)


def test_the_packaged_verifier_tells_an_answer_from_what_is_beside_it() -> None:
    verifier = load_verifier(PACKAGED)
    assert verifier is not None
    assert verifier.knows("en")
    answers, beside = verifier.score(PAIRS[0].question, [pair.text for pair in PAIRS])
    assert answers > 0.8
    assert beside < 0.2


def test_a_pair_is_marked_where_its_answer_stands() -> None:
    tok = tokenizer()
    encoded = encode(tok, PAIRS[0])
    assert tok.decode(encoded.ids[encoded.first : encoded.last + 1]) == "10 years"
    assert (encode(tok, PAIRS[1]).first, len(encode(tok, PAIRS[1]).ids)) == (0, 128)


@pytest.mark.parametrize("damage", ["missing", "empty"])
def test_without_its_files_there_is_no_verifier(damage: str, tmp_path: Path) -> None:
    if damage == "empty":
        (tmp_path / MODEL).write_bytes(b"")
        (tmp_path / ABOUT).write_text("{}", encoding="utf-8")
    assert load_verifier(tmp_path) is None


def test_training_goes_on_from_its_checkpoint(
    model: VerifierModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finetune.verifier.new_model", lambda: model)
    encoded = [encode(tokenizer(), pair) for pair in PAIRS]
    train(encoded, tmp_path, epochs=2, minutes=5)
    first = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    train(encoded, tmp_path, epochs=3, minutes=5)
    again = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert (first["step"], again["step"]) == (2, 3)
    assert again["seconds"] > first["seconds"]
