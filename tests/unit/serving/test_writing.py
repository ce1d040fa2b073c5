"""Answers written together are those that each would get alone, and what was read once is not read again; on a small random model."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from serving.errors import EngineTimeout
from serving.loading import Loaded
from serving.packaged import PackagedModel
from serving.prompts import Message
from serving.writing import END, Read, Writer, Writing, batches_well

WORDS = 60


class Letters:
    """A tokenizer whose tokens are letters; a chat is its messages' letters, then one that asks for the answer."""

    eos_token_id = WORDS

    def apply_chat_template(self, chat: list[dict[str, str]], **_: Any) -> dict[str, list[int]]:
        text = "".join(message["content"] for message in chat)
        return {"input_ids": [ord(letter) % WORDS for letter in text] + [WORDS - 1]}

    def decode(self, tokens: Any, **_: Any) -> str:
        # A space after each: text is handed out word by word.
        return "".join(f"{int(token)} " for token in tokens if token != WORDS)


def loaded(**changes: Any) -> Loaded:
    from transformers import AutoModelForCausalLM, LlamaConfig, MistralConfig

    torch.manual_seed(0)
    kind = MistralConfig if "sliding_window" in changes else LlamaConfig
    config = kind(
        vocab_size=WORDS + 1,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        num_key_value_heads=2,
        bos_token_id=1,
        eos_token_id=WORDS,
        pad_token_id=0,
        # Far from zero: answers that differ from one another, and end at different places.
        initializer_range=0.6,
        **changes,
    )
    return Loaded(AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").eval(), Letters())


class Reader:
    """Who asks: pieces, an error, whether it was told of the end."""

    def __init__(self, text: str, most: int = 12, deadline_s: float = 60) -> None:
        self.said: list[str] = []
        self.error: Exception | None = None
        self.ends = 0
        self.after = 0
        self.stop = threading.Event()
        self.stop_at = 0
        self.writing = Writing(
            [{"role": "user", "content": text}], most, self.stop, time.monotonic() + deadline_s, self._put, self._ended
        )

    def _put(self, piece: object) -> None:
        if isinstance(piece, Exception):
            self.error = piece
        elif piece is END:
            self.after += 1
        else:
            self.said.append(str(piece))
            if len(self.said) == self.stop_at:
                self.stop.set()

    def _ended(self) -> None:
        self.ends += 1

    @property
    def tokens(self) -> list[int]:
        return [int(each) for each in "".join(self.said).split()]


def alone(model: Loaded, text: str, most: int = 12) -> list[int]:
    """What the library writes."""
    ids = Letters().apply_chat_template([{"content": text}])["input_ids"]
    with torch.inference_mode():
        out = model.model.generate(torch.tensor([ids]), max_new_tokens=most, do_sample=False)
    return [int(token) for token in out[0][len(ids) :] if token != WORDS]


TEXTS = ["where is my parcel", "how long is the guarantee of a washing machine", "hi", "may I return it", "who pays"]


def written(writer: Writer, model: Loaded, readers: list[Reader]) -> None:
    for reader in readers:
        writer.add(reader.writing)
    writer.work(model)


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_each_gets_what_it_would_get_alone(at_once: int) -> None:
    model = loaded()
    readers = [Reader(text, most=6 + 3 * place) for place, text in enumerate(TEXTS)]
    written(Writer(at_once), model, readers)
    assert [r.tokens for r in readers] == [alone(model, t, 6 + 3 * i) for i, t in enumerate(TEXTS)]
    assert len({tuple(r.tokens) for r in readers}) > 1
    assert all((r.ends, r.after, r.error) == (1, 1, None) for r in readers)


def test_a_prompt_that_begins_like_one_before_goes_on_from_there() -> None:
    model, writer = loaded(), Writer()
    begin = "the passage about deliveries and returns. "
    readers = [Reader(begin + text) for text in TEXTS]
    written(writer, model, readers)
    assert [r.tokens for r in readers] == [alone(model, begin + text) for text in TEXTS]
    assert writer.read.shared >= len(begin) * (len(TEXTS) - 1)
    before = writer.read.shared
    again = Reader(begin + TEXTS[0])
    written(writer, model, [again])
    # All but the last token, whose scores are needed.
    assert writer.read.shared - before == len(begin + TEXTS[0])
    assert again.tokens == readers[0].tokens


def test_one_that_is_left_ends_and_the_others_go_on() -> None:
    model = loaded()
    readers = [Reader(text, most=20) for text in TEXTS[:3]]
    long = next(i for i, text in enumerate(TEXTS[:3]) if len(alone(model, text, 20)) > 5)
    readers[long].stop_at = 2
    written(Writer(), model, readers)
    assert len(readers[long].said) <= 4
    for i, reader in enumerate(readers):
        assert reader.ends == reader.after == 1
        if i != long:
            assert reader.tokens == alone(model, TEXTS[i], 20)


def test_who_left_before_his_turn_costs_nothing_and_who_waited_too_long_is_told() -> None:
    model, gone, late = loaded(), Reader("gone"), Reader("late", deadline_s=-1)
    gone.stop.set()
    written(Writer(), model, [gone, late])
    assert (gone.said, gone.error, gone.ends, gone.after) == ([], None, 1, 1)
    assert isinstance(late.error, EngineTimeout)
    assert (late.ends, late.after) == (1, 1)


def test_what_waits_joins_unless_another_model_is_waited_for() -> None:
    model = loaded()
    for others in (False, True):
        writer = Writer()
        first, second = Reader(TEXTS[0], most=20), Reader(TEXTS[1], most=20)
        writer.add(first.writing)
        writer.add(second.writing)
        writer.work(model, (lambda: True) if others else (lambda: False))
        assert first.tokens == alone(model, TEXTS[0], 20)
        # It is left for its own turn where others have theirs first.
        assert second.after == (0 if others else 1)
        writer.work(model)
        assert second.tokens == alone(model, TEXTS[1], 20)


def test_what_waits_is_told_when_the_model_fails() -> None:
    model, reader = loaded(), Reader("x")
    model.model = None
    writer = Writer()
    writer._plain = True
    written(writer, model, [reader])
    assert isinstance(reader.error, TypeError)
    assert (reader.ends, reader.after) == (1, 1)
    waiting = Reader("y")
    writer.add(waiting.writing)
    writer.fail(RuntimeError("closed"))
    assert str(waiting.error) == "closed"
    assert waiting.after == 1


def test_a_model_that_cannot_be_looked_at_fails_all_that_wait(tmp_path: Path) -> None:
    readers = [Reader("x"), Reader("y")]
    written(Writer(), Loaded(None, Letters()), readers)
    assert all(isinstance(r.error, AttributeError) for r in readers)
    assert all((r.ends, r.after) == (1, 1) for r in readers)
    # Nobody waits for ever, and the next one finds room.
    packaged = PackagedModel(tmp_path)
    packaged._loaded = Loaded(None, Letters())
    for _ in range(2):
        with pytest.raises(AttributeError):
            list(packaged.generate([Message("user", "x")], 4, threading.Event(), time.monotonic() + 60))
        assert packaged.queued == 0
    packaged.close()


def test_each_is_told_of_its_end_once_even_where_the_batch_breaks() -> None:
    model = loaded()
    whole, broken = Reader(TEXTS[0], most=2), Reader(TEXTS[1], most=9)
    put = broken.writing.put

    def breaks(piece: object) -> object:
        if len(broken.said) == 1 and isinstance(piece, str):
            raise OSError("the reader broke")
        return put(piece)

    broken.writing.put = breaks
    written(Writer(), model, [whole, broken])
    # The one was whole in the step in which the other broke.
    assert [(r.ends, r.after) for r in (whole, broken)] == [(1, 1), (1, 1)]
    assert isinstance(broken.error, OSError)
    assert whole.error is None


def test_a_model_that_forgets_is_written_with_alone() -> None:
    model = loaded(sliding_window=8)
    assert not batches_well(model.model)
    readers = [Reader(text) for text in TEXTS]
    written(Writer(), model, readers)
    assert [r.tokens for r in readers] == [alone(model, text) for text in TEXTS]
    assert all((r.ends, r.after) == (1, 1) for r in readers)


def test_kept_prompts_are_bounded_and_the_last_used_stay() -> None:
    def layers(tokens: int) -> Any:
        return [(torch.zeros(1, 1, tokens, 2), torch.zeros(1, 1, tokens, 2))]

    read = Read(most=100)
    first, second, third = ([n] * 40 for n in (1, 2, 3))
    for ids in (first, second):
        read.keep(ids, layers(40))
    assert read.beginning([*first, 9]) is not None
    read.keep(third, layers(40))
    assert read.beginning([*second, 9]) is None
    assert read.beginning([*first, 9]) is not None
    # Fewer than are worth the copying.
    assert read.beginning([*third[:5], 9, 9, 9]) is None
    # A prompt that goes on from a kept one takes its place.
    read.keep([*first, *[7] * 10], layers(50))
    found = read.beginning([*first, *[7] * 20])
    assert found is not None
    assert found[0][0].shape[2] == 50
