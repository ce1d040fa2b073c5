"""Answers written in-process, several at a time: what waits joins what is being written, and what was read once is not read again.

A step writes the next token of every answer: its weights go through the processor once, however many answers there are. A
prompt that begins like one read before goes on from there (its keys and values are kept). Greedy, as customers are answered;
each gets what it would get alone, but where two words are as likely as each other within bfloat16's rounding.

Own code, and why: transformers' continuous batching reads the caches of all its requests for each of them on a CPU, so that eight at
once are slower than one after the other, shares whole pages only, and its thread keeps a program from ending (docs/experiments.md).
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from serving.errors import EngineTimeout

if TYPE_CHECKING:
    import torch

    from serving.loading import Loaded

# Answers at a time: more take longer each than a customer wants to wait.
AT_ONCE = 8
# Tokens of prompts whose keys and values are kept: 23 KB each of the packaged model in bfloat16, 94 MB in all.
KEPT_TOKENS = 4096
# Tokens that a prompt must have in common with a kept one to be worth the copying.
FEWEST_SHARED = 16
END = object()
Layers = list[tuple["torch.Tensor", "torch.Tensor"]]


@dataclass(slots=True)
class Writing:
    """An answer to be written.

    chat:     its prompt, as chat templates take it.
    put:      called with each piece of text, an exception if it fails, then END.
    ended:    called once, before END; ``wrote`` before it with the tokens after the first one, and the seconds that they took.
    deadline: time.monotonic() after which it ends.
    """

    chat: list[dict[str, str]]
    most: int
    stop: threading.Event
    deadline: float
    put: Callable[[object], object]
    ended: Callable[[], None]
    wrote: Callable[[int, float], None] = lambda _tokens, _seconds: None
    streamer: Any = None
    written: int = 0
    token: int = 0
    began: float = 0.0
    told: bool = False

    @property
    def over(self) -> bool:
        """Whether nobody waits for it any more, or it has taken too long."""
        return self.stop.is_set() or time.monotonic() > self.deadline

    def end(self, exc: Exception | None = None) -> None:
        """Tell its reader that nothing further comes; only the first time."""
        if self.told:
            return
        self.told = True
        try:
            if exc is not None:
                self.put(exc)
            elif self.streamer is not None:
                self.streamer.end()
        finally:
            if self.written > 1:
                self.wrote(self.written - 1, time.monotonic() - self.began)
            self.ended()
            self.put(END)


class Read:
    """Prompts whose keys and values are kept, the last used first; at most ``most`` tokens of them."""

    def __init__(self, most: int = KEPT_TOKENS) -> None:
        self._most = most
        self._kept: list[tuple[list[int], Layers]] = []
        # Tokens that prompts had, and that need not be read again.
        self.tokens = 0
        self.shared = 0

    def beginning(self, ids: Sequence[int]) -> Layers | None:
        """Keys and values of the longest beginning that a kept prompt shares, at least one token short of ``ids``."""
        best, found = 0, None
        for place, (kept, _) in enumerate(self._kept):
            same = next(
                (i for i, (a, b) in enumerate(zip(ids, kept, strict=False)) if a != b), min(len(ids), len(kept))
            )
            if same > best:
                best, found = same, place
        best = min(best, len(ids) - 1)
        self.tokens += len(ids)
        if found is None or best < FEWEST_SHARED:
            return None
        self.shared += best
        self._kept.insert(0, self._kept.pop(found))
        return [(keys[:, :, :best], values[:, :, :best]) for keys, values in self._kept[0][1]]

    def keep(self, ids: list[int], layers: Layers) -> None:
        """Keep a prompt's, and let go of what was not used for longest."""
        self._kept = [(ids, layers), *(each for each in self._kept if each[0] != ids[: len(each[0])])]
        room = self._most
        for place, (kept, _) in enumerate(self._kept):
            room -= len(kept)
            if room < 0:
                del self._kept[place:]
                return


@dataclass(slots=True)
class _Batch:
    """Answers being written, with their keys and values padded on the left to one length.

    lengths: tokens of each, prompt and answer, whose keys and values are there.
    """

    rows: list[Writing] = field(default_factory=list)
    lengths: list[int] = field(default_factory=list)
    layers: Layers = field(default_factory=list)

    def join(self, row: Writing, length: int, layers: Layers) -> None:
        """Put a row to the others."""
        import torch

        longest = max([*self.lengths, length])
        both: Layers = []
        for place, mine in enumerate(layers):
            theirs = self.layers[place] if self.rows else tuple(t[:0] for t in mine)
            keys, values = (
                torch.cat([_padded(a, longest), _padded(b, longest)]) if self.rows else b
                for a, b in zip(theirs, mine, strict=True)
            )
            both.append((keys, values))
        self.rows.append(row)
        self.lengths.append(length)
        self.layers = both

    def leave(self, gone: Sequence[int]) -> None:
        """Take rows out, and the padding that nobody needs any more."""
        if not gone:
            return
        stay = [i for i in range(len(self.rows)) if i not in set(gone)]
        self.rows = [self.rows[i] for i in stay]
        self.lengths = [self.lengths[i] for i in stay]
        if not stay:
            self.layers = []
            return
        longest = max(self.lengths)
        self.layers = [(keys[stay, :, -longest:], values[stay, :, -longest:]) for keys, values in self.layers]


class Writer:
    """One model's answers; everything but ``add`` happens in the thread that calls ``work``."""

    def __init__(self, at_once: int = AT_ONCE) -> None:
        self._at_once = at_once
        self._waiting: deque[Writing] = deque()
        # Whether the model's caches can be padded and cut; known when it is loaded.
        self._plain: bool | None = None
        self.read = Read()

    def add(self, writing: Writing) -> None:
        """Have an answer written by who works now or next."""
        self._waiting.append(writing)

    def remove(self, writing: Writing) -> None:
        """Take back what was added and is not begun."""
        with contextlib.suppress(ValueError):
            self._waiting.remove(writing)

    def fail(self, exc: Exception) -> None:
        """End everything that waits."""
        # Whoever writes may take the last one meanwhile.
        with contextlib.suppress(IndexError):
            while True:
                self._waiting.popleft().end(exc)

    def work(self, loaded: Loaded, yields: Callable[[], bool] = lambda: False) -> None:
        """Write what waits and what comes meanwhile, until there is nothing left.

        yields: asked before an answer is begun after the first: whether another model is waited for.
        """
        import torch

        if self._plain is None:
            try:
                self._plain = batches_well(loaded.model)
            except Exception as exc:  # noqa: BLE001 - carried to each caller's thread and raised there
                self.fail(exc)
                return
        batch = _Batch()
        try:
            with torch.inference_mode():
                begun = False
                while True:
                    while self._waiting and len(batch.rows) < self._at_once and not (begun and yields()):
                        begun = True
                        self._begin(loaded, batch)
                        # Those that are being written go on between two prompts.
                        if len(batch.rows) > 1:
                            break
                    if not batch.rows:
                        if self._waiting and not yields():
                            continue
                        return
                    self._step(loaded, batch)
        except Exception as exc:  # noqa: BLE001 - carried to each caller's thread and raised there
            for row in batch.rows:
                row.end(exc)

    def _begin(self, loaded: Loaded, batch: _Batch) -> None:
        """Read a prompt and write its first token."""
        import torch

        try:
            writing = self._waiting.popleft()
        except IndexError:
            return
        # Whoever asked may be gone by the time it is their turn.
        if writing.stop.is_set():
            writing.end()
            return
        if writing.over:
            writing.end(EngineTimeout("the packaged model did not get to this question in time"))
            return
        try:
            made = loaded.tokenizer.apply_chat_template(writing.chat, add_generation_prompt=True, return_dict=True)
            ids = list(made["input_ids"])
            writing.streamer = _streamer(loaded.tokenizer, writing.put)
            if not self._plain:
                _write_alone(loaded, writing, ids)
                return
            shared = self.read.beginning(ids)
            cache = _cache(shared or [])
            known = shared[0][0].shape[2] if shared else 0
            out = loaded.model(
                input_ids=torch.tensor([ids[known:]]), past_key_values=cache, use_cache=True, logits_to_keep=1
            )
            layers = _layers(cache)
            self.read.keep(ids, layers)
            if not self._wrote(loaded, writing, int(out.logits[0, -1].float().argmax())):
                batch.join(writing, len(ids), layers)
        except Exception as exc:  # noqa: BLE001 - carried to the caller's thread and raised there
            writing.end(exc)

    def _step(self, loaded: Loaded, batch: _Batch) -> None:
        """The next token of every answer."""
        import torch

        batch.leave(_ended([i for i, row in enumerate(batch.rows) if row.over], batch))
        if not batch.rows:
            return
        longest = max(batch.lengths)
        cache = _cache(batch.layers)
        mask = torch.tensor([[0] * (longest - each) + [1] * (each + 1) for each in batch.lengths])
        out = loaded.model(
            input_ids=torch.tensor([[row.token] for row in batch.rows]),
            # One alone has no padding, and needs no mask.
            attention_mask=mask if len(batch.rows) > 1 else None,
            position_ids=torch.tensor([[each] for each in batch.lengths]),
            past_key_values=cache,
            use_cache=True,
        )
        batch.layers = _layers(cache)
        batch.lengths = [each + 1 for each in batch.lengths]
        tokens = out.logits[:, -1].float().argmax(dim=-1).tolist()
        done = [i for i, row in enumerate(batch.rows) if self._wrote(loaded, row, tokens[i])]
        batch.leave(done)

    def _wrote(self, loaded: Loaded, row: Writing, token: int) -> bool:
        """Hand a token to its reader; whether the answer is whole."""
        import torch

        row.began = row.began or time.monotonic()
        row.written += 1
        row.token = token
        if token not in _ends(loaded):
            row.streamer.put(torch.tensor([token]))
            if row.written < row.most:
                return False
        row.end()
        return True


def _write_alone(loaded: Loaded, writing: Writing, ids: list[int]) -> None:
    """All of an answer by itself, as the library writes it: for models whose caches forget."""
    import torch
    from transformers import StoppingCriteriaList

    def ended(rows: Any, _scores: Any, **_: Any) -> Any:
        return torch.full((rows.shape[0],), writing.over, dtype=torch.bool)

    class New:
        """What is new to the streamer of pieces; the library hands it the prompt first, and ends it."""

        def __init__(self) -> None:
            self.prompt = True

        def put(self, tokens: Any) -> None:
            if not self.prompt:
                writing.began = writing.began or time.monotonic()
                writing.written += 1
                writing.streamer.put(tokens)
            self.prompt = False

        def end(self) -> None: ...

    loaded.model.generate(
        input_ids=torch.tensor([ids]),
        max_new_tokens=writing.most,
        do_sample=False,
        streamer=New(),
        stopping_criteria=StoppingCriteriaList([ended]),
    )
    writing.end()


def _ended(gone: list[int], batch: _Batch) -> list[int]:
    for place in gone:
        batch.rows[place].end()
    return gone


def _ends(loaded: Loaded) -> frozenset[int]:
    ends = loaded.model.generation_config.eos_token_id
    return frozenset(ends if isinstance(ends, list) else [ends])


def _padded(tensor: torch.Tensor, length: int) -> torch.Tensor:
    """Keys or values of shape (rows, heads, tokens, size), padded on the left to ``length`` tokens."""
    import torch

    return torch.nn.functional.pad(tensor, (0, 0, length - tensor.shape[2], 0))


def _cache(layers: Layers) -> Any:
    from transformers import DynamicCache

    cache = DynamicCache()
    for place, (keys, values) in enumerate(layers):
        cache.update(keys, values, place)
    return cache


def _layers(cache: Any) -> Layers:
    return [(layer.keys, layer.values) for layer in cache.layers]


def _streamer(tokenizer: Any, put: Callable[[object], object]) -> Any:
    """Tokens to pieces of text, a word at a time."""
    from transformers import TextStreamer

    class Pieces(TextStreamer):
        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:
            if text:
                put(text)

    return Pieces(tokenizer, skip_special_tokens=True)


def batches_well(model: Any) -> bool:
    """Whether every layer keeps all keys and values, so that they can be padded, cut and shared."""
    from transformers import DynamicCache
    from transformers.cache_utils import DynamicLayer

    return all(type(layer) is DynamicLayer for layer in DynamicCache(config=model.config).layers)
