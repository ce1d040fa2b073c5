"""A run on a tiny model: what is trained, what is kept, that it goes on where it was interrupted."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from finetune.answer_loss import answer_loss
from finetune.base_model import with_adapter
from finetune.curve import CURVE
from finetune.errors import TrainingError
from finetune.recipe import Recipe
from finetune.sft import ADAPTER, LOSSES, RUN, RunReport, train
from finetune.sharing import IGNORED, Collator, Packed

torch = pytest.importorskip("torch")
# peft asks transformers by names that it is about to lose.
pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::UserWarning")
END = 2


def tokenizer() -> Any:
    """As much of one as a trainer asks for."""
    from tokenizers import Tokenizer, models
    from transformers import PreTrainedTokenizerFast

    words = Tokenizer(models.WordLevel({f"t{n}": n for n in range(64)}, unk_token="t3"))
    return PreTrainedTokenizerFast(tokenizer_object=words, pad_token="t0", bos_token="t1", eos_token="t2")


def model() -> Any:
    from transformers import AutoModelForCausalLM, LlamaConfig

    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(
        LlamaConfig(
            vocab_size=64,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            bos_token_id=1,
            eos_token_id=END,
            pad_token_id=0,
        ),
        attn_implementation="sdpa",
    )


def sequences(count: int) -> list[Packed]:
    """Two questions about the same passage each; the answer to one is the token after the one that is asked about."""
    made = []
    for n in range(count):
        shared = [10 + n % 7, 20, 21]
        rest = [[30 + k, 31 + k, END] for k in (n % 5, n % 3 + 10)]
        ids = shared + [token for each in rest for token in each]
        labels = [IGNORED] * len(shared) + [label for each in rest for label in (IGNORED, *each[1:])]
        made.append(Packed(ids, labels, [0, 1, 2, 3, 4, 5, 3, 4, 5], [0, 0, 0, 1, 1, 1, 2, 2, 2]))
    return made


def recipe(**said: Any) -> Recipe:
    given = {"epochs": 1, "accumulate": 2, "save_every": 2, "learning_rate": 0.02, "evaluate_every": 4, **said}
    return Recipe.model_validate({"name": "tiny", "data": {"kb": "k"}, "adapter": {"rank": 4}, "train": given})


def run(folder: Path, cancelled: Any = lambda: False, **said: Any) -> RunReport:
    asked = recipe(**said)
    return train(
        asked,
        with_adapter(model(), asked),
        tokenizer(),
        sequences(24),
        sequences(4),
        folder,
        examples=48,
        tokens_alone=300,
        data={"kb/k": "0123"},
        cancelled=cancelled,
    )


def weights(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(folder / ADAPTER / "adapter_model.safetensors")


def losses(folder: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (folder / LOSSES).read_text().splitlines()]


def test_a_run_learns_and_says_what_it_did(tmp_path: Path) -> None:
    done = run(tmp_path / "run")
    rows = [row["loss"] for row in losses(tmp_path / "run") if "loss" in row]
    assert (done.state, done.steps, len(rows)) == ("done", 12, 12)
    assert sum(rows[-3:]) < sum(rows[:3])
    # 24 sequences of 9 tokens, none of them padding.
    assert done.tokens == 24 * 9
    assert done.eval_loss is not None
    assert any("eval_loss" in row for row in losses(tmp_path / "run"))
    said = json.loads((tmp_path / "run" / RUN).read_text())
    assert said["data"] == {"kb/k": "0123"}
    assert {"torch", "peft", "trl"} <= said["versions"].keys()
    assert said["said"]["train"]["seed"] == 7
    with Image.open(tmp_path / "run" / CURVE) as curve:
        colours = {colour for _, colour in curve.convert("RGB").getcolors(1 << 16) or []}
    assert (0x1D, 0x4E, 0xD8) in colours
    assert (0xC2, 0x41, 0x0C) in colours
    # Weights alone: nothing that could hold code, and no checkpoint is left over.
    assert (tmp_path / "run" / ADAPTER / "adapter_model.safetensors").exists()
    assert not list((tmp_path / "run").rglob("*.bin")) + list((tmp_path / "run").glob("checkpoint-*"))


def test_the_loss_of_answers_is_that_of_all_positions_and_so_are_its_gradients() -> None:
    collate = Collator(0)
    # Of different lengths: padding is no answer.
    rows = [asdict(each) for each in sequences(3)]
    rows[1] = {name: values[:6] for name, values in rows[1].items()}
    found = []
    for loss_of in (lambda m, batch: m(**batch).loss, answer_loss, lambda m, batch: 2 * answer_loss(m, batch, 20)):
        asked = model()
        loss = loss_of(asked, collate(rows))
        loss.backward()
        found.append((float(loss), {name: p.grad for name, p in asked.named_parameters()}))
    trained = sum(label != IGNORED for row in rows for label in row["labels"])
    assert trained == 10
    assert found[1][0] == pytest.approx(found[0][0], rel=1e-5)
    assert found[2][0] == pytest.approx(found[0][0], rel=1e-5)
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(found[1][1][name], gradient, rtol=1e-4, atol=1e-6)


def test_positions_that_are_not_trained_get_no_scores() -> None:
    asked, counted = model(), []
    asked.lm_head.register_forward_hook(lambda _module, _given, scores: counted.append(scores.shape[1]))
    answer_loss(asked, Collator(0)([asdict(each) for each in sequences(1)]))
    # Two answers with the tokens that end them, in a sequence of nine.
    assert counted == [4]


def test_an_adapter_is_kept_in_the_type_of_its_base_and_trained_on_from_there(tmp_path: Path) -> None:
    asked = recipe(epochs=1, dtype="bfloat16")
    folder, narrow = tmp_path / "run", model().to(torch.bfloat16)
    trained = with_adapter(narrow, asked)
    # It learns in float32, whatever its base is in: steps this small are lost in bfloat16.
    assert {p.dtype for p in trained.parameters() if p.requires_grad} == {torch.float32}
    counted = {"examples": 16, "tokens_alone": 100, "data": {}}
    done = train(asked, trained, tokenizer(), sequences(8), [], folder, **counted)
    assert (done.state, done.dtype) == ("done", "bfloat16")
    assert {value.dtype for value in weights(folder).values()} == {torch.bfloat16}
    again = with_adapter(model().to(torch.bfloat16), asked, folder / ADAPTER)
    assert {p.dtype for p in again.parameters() if p.requires_grad} == {torch.float32}


def test_a_run_that_was_interrupted_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole")
    asked = 0

    def after_five() -> bool:
        nonlocal asked
        asked += 1
        return asked >= 5

    first = run(tmp_path / "cut", after_five)
    assert (first.state, first.steps) == ("cancelled", 5)
    assert not (tmp_path / "cut" / ADAPTER).exists()
    second = run(tmp_path / "cut")
    assert (second.state, second.steps) == ("done", whole.steps)
    steps = [row["step"] for row in losses(tmp_path / "cut") if "loss" in row]
    assert steps == list(range(1, whole.steps + 1))
    one, other = weights(tmp_path / "whole"), weights(tmp_path / "cut")
    for name, tensor in one.items():
        torch.testing.assert_close(tensor, other[name], atol=1e-6, rtol=1e-5)


def test_steps_that_a_killed_run_took_after_its_checkpoint_are_told_once(tmp_path: Path) -> None:
    asked = 0

    def after_five() -> bool:
        nonlocal asked
        asked += 1
        return asked >= 5

    cut = run(tmp_path / "run", after_five)
    with (tmp_path / "run" / LOSSES).open("a") as lines:
        # A checkpoint that was being written when the run was killed is none.
        (tmp_path / "run" / "checkpoint-6").mkdir()
        (tmp_path / "run" / "checkpoint-6" / "trainer_state.json").write_text("{")
        lines.write('{"step": 6, "loss": 9.0, "seconds": 1, "tokens": 1}\n{"step": 7, "lo')
    done = run(tmp_path / "run")
    steps = [row["step"] for row in losses(tmp_path / "run") if "loss" in row]
    assert steps == list(range(1, 13))
    assert (cut.tokens, done.tokens) == (5 * 2 * 9, 24 * 9)


def test_the_minutes_end_a_run_and_it_counts_as_done(tmp_path: Path) -> None:
    done = run(tmp_path / "run", minutes=1e-4, steps=12)
    assert done.state == "done"
    assert done.steps < 12
    assert (tmp_path / "run" / ADAPTER).exists()


def test_only_the_adapter_is_trained(tmp_path: Path) -> None:
    base = model()
    before = {name: tensor.clone() for name, tensor in base.state_dict().items()}
    asked = recipe(steps=2)
    adapted = with_adapter(base, asked)
    train(
        asked, adapted, tokenizer(), sequences(8), [], tmp_path / "run", examples=16, tokens_alone=0, data={}
    )  # fmt: skip
    after = adapted.unload().state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in before.items())


@pytest.mark.parametrize("method", ["prompt", "p_tuning"])
def test_virtual_tokens_train_with_a_sequence_each(tmp_path: Path, method: str) -> None:
    said = {"name": "tiny", "method": method, "data": {"kb": "k"}, "train": {"steps": 1, "share": False}}
    with pytest.raises(TrainingError, match="lora"):
        with_adapter(model(), Recipe.model_validate({**said, "train": {"steps": 1}}))
    asked = Recipe.model_validate(said)
    alone = [Packed(s.input_ids[:6], s.labels[:6], s.positions[:6], s.segments[:6]) for s in sequences(4)]
    done = train(
        asked, with_adapter(model(), asked), tokenizer(), alone, [], tmp_path / "r", examples=4, tokens_alone=0, data={}
    )  # fmt: skip
    assert done.state == "done"
    assert done.trained_parameters < 64 * 32 * 20


def test_nothing_that_fits_is_said(tmp_path: Path) -> None:
    asked = recipe()
    with pytest.raises(TrainingError, match="max_length"):
        train(asked, with_adapter(model(), asked), tokenizer(), [], [], tmp_path, examples=0, tokens_alone=0, data={})
