"""An embedder tuned on questions and passages: MultipleNegativesRankingLoss with hard negatives (sentence-transformers).

A plain loop, no trainer: the batches are ours (no passage of a batch answers two of its questions, which the trainer's sampler
cannot know), the learning rate follows the minutes, and nothing is printed. What is kept are the weights with the lowest
held-out loss, those that the run began with among them.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import platform
import random
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from finetune.errors import TrainingError
from finetune.pace import Pace
from finetune.retriever_data import Asked, Row, Text, batches
from finetune.retriever_recipe import RetrieverRecipe
from finetune.sft import RUN, peak_mib
from ingest.embed import write_languages
from ingest.hub import only_here

PACKAGES = ("torch", "transformers", "sentence-transformers", "tokenizers")
WEIGHTS = "*.safetensors"
Report = Callable[[int, int, float], None]


@dataclass(slots=True)
class RetrieverRun:
    """What run.json says of a run.

    best_step:  the step whose weights were kept; 0: those of the base, nothing was gained.
    held_out:   losses on what was not learnt, (step, loss).
    new_rows:   characters that were put into the vocabulary.
    peak_mib:   of this process, or of the device.
    documents:  whose passages were learnt: a text that is deleted later was read by this model.
    """

    recipe: str
    base: str
    state: str
    steps: int
    best_step: int
    seconds: float
    questions: int
    held_out_questions: int
    held_out: list[tuple[int, float]]
    loss: float | None
    new_rows: int
    trained_parameters: int
    peak_mib: float
    device: str
    data: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)
    languages: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)


def load_base(name: str) -> Any:
    """A sentence-transformers model to be trained: a folder, or a hub's name.

    Raises:
        TrainingError: it cannot be loaded.
    """
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging as transformers_logging

    # Bars of weights that are read and written would end up between the lines of the command.
    transformers_logging.disable_progress_bar()
    try:
        return SentenceTransformer(name, local_files_only=only_here(name))
    # Loaders raise whatever the hub client, torch or the file system raises.
    except Exception as exc:
        raise TrainingError(f"base: {name!r} cannot be loaded ({type(exc).__name__}: {exc})") from exc


def train(
    recipe: RetrieverRecipe,
    model: Any,
    asked: Sequence[Asked],
    held_out: Sequence[Asked],
    passages: Mapping[str, Text],
    *,
    first_new: int | None = None,
    data: dict[str, str] | None = None,
    report: Report = lambda _done, _total, _loss: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> RetrieverRun:
    """Tune a model in place; it ends with the weights that had the lowest loss on ``held_out``.

    first_new: first row of the embedding matrix that is new. Older rows stay as they are, new or not: pairs name few words, and
               the others would lose what they have in common with them.
    report:    called with (step, steps, loss).
    cancelled: asked after each step.

    Raises:
        TrainingError: there is nothing to train on.
    """
    import torch
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    said = recipe.train
    if len(asked) < 2:
        raise TrainingError("there is nothing to learn from: fewer than two questions have a live passage")
    torch.manual_seed(said.seed)
    random.seed(said.seed)
    if said.max_length is not None:
        longest, model.max_seq_length = model.max_seq_length, min(said.max_length, model.max_seq_length)
    else:
        longest = model.max_seq_length
    optimizer = _optimizer(model, recipe, first_new)
    loss = MultipleNegativesRankingLoss(model, scale=said.scale)
    steps = steps_of(recipe, asked, passages)
    pace = Pace(steps, said.warmup, said.minutes)
    watch = _Best(model, lambda: _held_out_loss(loss, model, recipe, held_out, passages) if held_out else None)
    watch.look(0)
    step, stopped = 0, False
    last: float | None = None
    model.train()
    for batch in _stream(recipe, asked, passages):
        for group in optimizer.param_groups:
            group["lr"] = group["highest"] * pace.factor(step)
        value = _loss_of(loss, model, batch, passages)
        value.backward()
        torch.nn.utils.clip_grad_norm_([p for g in optimizer.param_groups for p in g["params"]], 1.0)
        optimizer.step()
        optimizer.zero_grad()
        step, last = step + 1, float(value.detach())
        report(step, steps, last)
        stopped = cancelled()
        if stopped or pace.over(step):
            break
        if step % said.evaluate_every == 0:
            watch.look(step)
    if not stopped:
        watch.look(step)
        watch.restore()
    model.max_seq_length = longest
    model.eval()
    return RetrieverRun(
        recipe=recipe.name,
        base=recipe.base,
        state="cancelled" if stopped else "done",
        steps=step,
        best_step=watch.step,
        seconds=round(pace.spent, 1),
        questions=len(asked),
        held_out_questions=len(held_out),
        held_out=watch.losses,
        loss=last,
        new_rows=0 if first_new is None else _rows(model) - first_new,
        trained_parameters=sum(p.numel() for g in optimizer.param_groups for p in g["params"]),
        peak_mib=peak_mib(),
        device=torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu ({os.cpu_count()} cores)",
        data=data or {},
        versions={name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        said=recipe.model_dump(mode="json"),
    )


def steps_of(recipe: RetrieverRecipe, asked: Sequence[Asked], passages: Mapping[str, Text]) -> int:
    """Steps of a whole run.

    Raises:
        TrainingError: no batch can be made.
    """
    said = recipe.train
    of_epoch = sum(1 for _ in batches(asked, passages, said.batch, recipe.negatives.each, said.seed))
    if not of_epoch:
        raise TrainingError("there is nothing to learn from: no two questions have passages of their own")
    steps = max(1, round(said.epochs * of_epoch))
    return min(steps, said.steps) if said.steps else steps


def _stream(recipe: RetrieverRecipe, asked: Sequence[Asked], passages: Mapping[str, Text]) -> Iterator[list[Row]]:
    """Batches of one epoch after the other, without an end."""
    for epoch in itertools.count():
        made = batches(asked, passages, recipe.train.batch, recipe.negatives.each, recipe.train.seed, epoch)
        first = next(made, None)
        if first is None:
            return
        yield first
        yield from made


def _optimizer(model: Any, recipe: RetrieverRecipe, first_new: int | None) -> Any:
    import torch

    words = model.transformers_model.get_input_embeddings().weight if model.transformers_model is not None else None
    layers = [p for p in model.parameters() if p.requires_grad and p is not words]
    groups: list[dict[str, Any]] = [{"params": layers, "highest": recipe.train.learning_rate}]
    if words is not None and first_new is not None:
        # Adam moves nothing whose gradient was always nothing.
        words.register_hook(lambda grad: torch.cat([torch.zeros_like(grad[:first_new]), grad[first_new:]]))
        groups.append({"params": [words], "highest": recipe.train.new_rows})
    elif words is not None:
        words.requires_grad_(False)
    return torch.optim.AdamW(groups, lr=recipe.train.learning_rate, weight_decay=0.0)


def _loss_of(loss: Any, model: Any, batch: Sequence[Row], passages: Mapping[str, Text]) -> Any:
    """The loss of a batch: a column of questions, one of passages that answer, one for each negative."""
    import torch

    texts = [row.texts(passages) for row in batch]
    # Where a row found fewer negatives, all have as many.
    columns = zip(*(each[: min(map(len, texts))] for each in texts), strict=True)
    asked, wanted = _prompt(model, "query"), _prompt(model, "document", "passage", "corpus")
    features = [model.preprocess([row.asked.question for row in batch], prompt=asked)]
    features += [model.preprocess(list(column), prompt=wanted) for column in columns]
    moved = [
        {k: v.to(model.device) if isinstance(v, torch.Tensor) else v for k, v in each.items()} for each in features
    ]
    return loss(moved, torch.empty(0))


def _prompt(model: Any, *names: str) -> str | None:
    # As encode_query and encode_document choose.
    return next((model.prompts[name] for name in names if model.prompts.get(name)), None)


def _held_out_loss(
    loss: Any, model: Any, recipe: RetrieverRecipe, held_out: Sequence[Asked], passages: Mapping[str, Text]
) -> float | None:
    import torch

    found, count = 0.0, 0
    with torch.no_grad():
        for batch in batches(held_out, passages, recipe.train.batch, recipe.negatives.each, recipe.train.seed):
            found += float(_loss_of(loss, model, batch, passages)) * len(batch)
            count += len(batch)
    return found / count if count else None


class _Best:
    """Keeps the weights with the lowest held-out loss; the last ones where nothing is held out."""

    def __init__(self, model: Any, measure: Callable[[], float | None]) -> None:
        self._model, self._measure = model, measure
        self._kept: dict[str, Any] = {}
        self._lowest = float("inf")
        self.step = 0
        self.losses: list[tuple[int, float]] = []

    def look(self, step: int) -> None:
        """Measure, and keep the weights if they are the best."""
        if self.losses and self.losses[-1][0] == step:
            return
        self._model.eval()
        loss = self._measure()
        self._model.train()
        if loss is None:
            self.step = step
            return
        self.losses.append((step, round(loss, 5)))
        if loss < self._lowest:
            self._lowest, self.step = loss, step
            self._kept = {name: value.detach().clone() for name, value in self._model.state_dict().items()}

    def restore(self) -> None:
        """Put the best weights back."""
        if self._kept:
            self._model.load_state_dict(self._kept)


def _rows(model: Any) -> int:
    return int(model.transformers_model.get_input_embeddings().weight.shape[0])


def write_part(model: Any, folder: Path, name: str, languages: Sequence[str]) -> Path:
    """A model on disk under a name that nobody takes for a finished one; what an earlier run left there is removed.

    languages: ISO codes that the embedder is to be asked in, ``*`` for all.
    """
    part = folder / f"{name}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    model.save_pretrained(str(part), create_model_card=False, safe_serialization=True)
    write_languages(part, languages)
    return part


def finish(part: Path, run: RetrieverRun, name: str, languages: Sequence[str]) -> Path:
    """The finished model's folder: its name carries a hash of the weights, so that no index ever finds others under it."""
    run.languages = sorted(languages)
    write_languages(part, languages)
    (part / RUN).write_text(json.dumps(asdict(run), ensure_ascii=False, indent=1), encoding="utf-8")
    hashed = hashlib.sha256()
    for path in sorted((*part.rglob(WEIGHTS), part / "tokenizer.json")):
        hashed.update(path.read_bytes() if path.is_file() else b"")
    hashed.update("\0".join(run.languages).encode())
    target = part.with_name(f"{name}-{hashed.hexdigest()[:12]}")
    if target.exists():
        # The very same weights: an index may be bound to them, so they stay.
        shutil.rmtree(part)
        return target
    part.rename(target)
    return target
