"""Many prompts at once, greedily: what evaluation and the checks of a release write with. Customers are answered one by one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from serving.prompts import Message

if TYPE_CHECKING:
    from serving.engines import ChatEngine
    from serving.packaged import PackagedModel

# Prompts of a batch, and tokens that they may have together with padding: bounds the memory of the key-value cache.
MOST_PROMPTS = 16
MOST_TOKENS = 12_000
# Requests at once to an endpoint, which batches by itself.
AT_ONCE = 8


class BatchWriter(Protocol):
    """Writes answers to many prompts."""

    def write(
        self, prompts: Sequence[Sequence[Message]], max_new_tokens: int, progress: Callable[[int, int], None]
    ) -> list[tuple[str, float]]:
        """(text, milliseconds) of each prompt, in their order; of a batch each prompt gets its part of the time.

        Raises:
            EngineError: the model cannot be loaded or asked.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """Tokens of a text, for prompts' budgets."""
        ...


class PackagedBatchWriter:
    """The packaged model, as a release has it; prompts are padded on the left and sorted by length."""

    def __init__(self, packaged: PackagedModel) -> None:
        self._packaged = packaged

    def count_tokens(self, text: str) -> int:
        """Tokens of a text."""
        return self._packaged.count_tokens(text)

    def write(
        self, prompts: Sequence[Sequence[Message]], max_new_tokens: int, progress: Callable[[int, int], None]
    ) -> list[tuple[str, float]]:
        """(text, milliseconds) of each prompt, in their order."""
        import torch

        loaded = self._packaged.load()
        tokenizer, model = loaded.tokenizer, loaded.model
        ids = [
            tokenizer.apply_chat_template(
                [{"role": m.role, "content": m.content} for m in prompt], add_generation_prompt=True, return_dict=True
            )["input_ids"]
            for prompt in prompts
        ]
        pad = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
        found: list[tuple[str, float]] = [("", 0.0)] * len(ids)
        done = 0
        progress(done, len(ids))
        for batch in batches([len(each) for each in ids]):
            clock = time.perf_counter()
            longest = max(len(ids[i]) for i in batch)
            padding = [longest - len(ids[i]) for i in batch]
            inputs = torch.tensor([[pad] * more + ids[i] for more, i in zip(padding, batch, strict=True)])
            mask = torch.tensor([[0] * more + [1] * (longest - more) for more in padding])
            with torch.inference_mode():
                written = model.generate(
                    input_ids=inputs,
                    attention_mask=mask,
                    max_new_tokens=max_new_tokens,
                    do_sample=False,
                    pad_token_id=pad,
                )
            ms = 1e3 * (time.perf_counter() - clock) / len(batch)
            for i, text in zip(
                batch, tokenizer.batch_decode(written[:, longest:], skip_special_tokens=True), strict=True
            ):
                found[i] = (text.strip(), ms)
            done += len(batch)
            progress(done, len(ids))
        return found


class EngineBatchWriter:
    """An engine that is asked one prompt at a time, several beside each other."""

    def __init__(self, engine: ChatEngine) -> None:
        self._engine = engine

    def count_tokens(self, text: str) -> int:
        """Tokens of a text."""
        return self._engine.count_tokens(text)

    def write(
        self, prompts: Sequence[Sequence[Message]], max_new_tokens: int, progress: Callable[[int, int], None]
    ) -> list[tuple[str, float]]:
        """(text, milliseconds) of each prompt; how long they may be is the engine's own setting."""

        async def all_of_them() -> list[tuple[str, float]]:
            room = asyncio.Semaphore(AT_ONCE)
            done = 0

            async def one(prompt: Sequence[Message]) -> tuple[str, float]:
                nonlocal done
                async with room:
                    clock = time.perf_counter()
                    text = "".join([piece async for piece in self._engine.stream(prompt)])
                    done += 1
                    progress(done, len(prompts))
                    return text.strip(), 1e3 * (time.perf_counter() - clock)

            return list(await asyncio.gather(*map(one, prompts)))

        return asyncio.run(all_of_them())


def batches(lengths: Sequence[int]) -> list[list[int]]:
    """Places of prompts, grouped by length, the longest first: what does not fit shows at once, and padding is small."""
    groups: list[list[int]] = []
    for place in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        # The first of a group is its longest.
        if groups and len(groups[-1]) < MOST_PROMPTS and lengths[groups[-1][0]] * (len(groups[-1]) + 1) <= MOST_TOKENS:
            groups[-1].append(place)
        else:
            groups.append([place])
    return groups
