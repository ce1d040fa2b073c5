"""Supervised fine-tuning with TRL, PEFT and accelerate: sequences of tokens in, adapter or weights out.

The loss is taken on answers only: prompts are -100, the token that ends an answer is trained. A run keeps checkpoints and goes
on from the last one when it is called again on the same folder with the same recipe.
"""

from __future__ import annotations

import json
import logging
import os
import platform
import resource
import shutil
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from finetune.answer_loss import answer_loss, can_choose
from finetune.base_model import VIRTUAL
from finetune.curve import CURVE, draw
from finetune.errors import TrainingError
from finetune.pace import Pace
from finetune.recipe import Recipe
from finetune.sharing import Collator, Packed

log = logging.getLogger(__name__)
WEIGHTS = "adapter_model.safetensors"
ADAPTER, LOSSES, RUN, PACE = "adapter", "losses.jsonl", "run.json", "pace.json"
# Steps between two pictures of the losses.
DRAWN_EVERY = 10
PACKAGES = ("torch", "transformers", "peft", "trl", "accelerate", "datasets")
Report = Callable[[int, int, float], None]


@dataclass(slots=True)
class RunReport:
    """What run.json says of a run.

    tokens:       that went through the model, padding not counted; examples: prompts with their answers.
    tokens_alone: what the same examples have one by one.
    peak_mib:     of this process, or of the device.
    """

    recipe: str
    base: str
    method: str
    state: str
    steps: int
    seconds: float
    examples: int
    sequences: int
    tokens: int
    tokens_alone: int
    tokens_per_second: float
    trained_parameters: int
    peak_mib: float
    loss: float | None
    eval_loss: float | None
    device: str
    dtype: str
    data: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    said: dict[str, Any] = field(default_factory=dict)


def train(
    recipe: Recipe,
    model: Any,
    tokenizer: Any,
    sequences: Sequence[Packed],
    held_out: Sequence[Packed],
    folder: Path,
    *,
    examples: int,
    tokens_alone: int,
    data: dict[str, str],
    report: Report = lambda _done, _total, _loss: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> RunReport:
    """Train and leave the adapter (or the weights) in ``folder``/adapter, the losses and run.json beside it.

    data:      name to hash of what was trained on.
    report:    called with (step, steps, loss).
    cancelled: asked after each step; the last checkpoint stays, and a later call goes on from it.

    Raises:
        TrainingError: there is nothing to train on.
    """
    import torch
    from transformers.trainer_utils import get_last_checkpoint

    if not sequences:
        raise TrainingError("no example fits: raise train.max_length or lower examples.budget")
    folder.mkdir(parents=True, exist_ok=True)
    said = recipe.train
    per_update = said.batch * said.accumulate
    # The sequences are those of all epochs: each epoch has other passages around the same answers.
    steps = max(1, round(len(sequences) / per_update))
    steps = min(steps, said.steps) if said.steps else steps
    _drop_torn(folder)
    last = get_last_checkpoint(str(folder))
    before = json.loads((Path(last) / PACE).read_text()) if last else {"spent": 0.0, "tokens": 0}
    spent = float(before["spent"])
    _rewind(folder / LOSSES, int(Path(last).name.rpartition("-")[2]) if last else 0)
    pace = Pace(steps, said.warmup, said.minutes, spent)
    watch = _Watch(folder, recipe.name, pace, steps, report, cancelled)
    watch.tokens = int(before["tokens"])
    clock = time.perf_counter()
    with warnings.catch_warnings():
        # The libraries ask each other by names that are about to go: nobody who trains can do anything about it.
        warnings.simplefilter("ignore", FutureWarning)
        trainer = _trainer(recipe, model, tokenizer, sequences, held_out, folder, steps, pace, watch)
        trainer.train(resume_from_checkpoint=last)
    seconds = time.perf_counter() - clock
    state = "cancelled" if watch.cancelled else "done"
    eval_loss = None
    if state == "done":
        if held_out:
            eval_loss = float(trainer.evaluate()["eval_loss"])
            watch.write({"step": trainer.state.global_step, "eval_loss": eval_loss})
        _save(trainer, tokenizer, folder / ADAPTER)
    watch.draw()
    # The trainer's own card says nothing of the data; run.json does.
    (folder / "README.md").unlink(missing_ok=True)
    seen = watch.tokens
    done = RunReport(
        recipe=recipe.name,
        base=recipe.base,
        method=recipe.method,
        state=state,
        steps=trainer.state.global_step,
        seconds=round(spent + seconds, 1),
        examples=examples,
        sequences=len(sequences),
        tokens=seen,
        tokens_alone=tokens_alone,
        tokens_per_second=round(seen / max(spent + seconds, 1e-9), 1),
        trained_parameters=sum(p.numel() for p in model.parameters() if p.requires_grad),
        peak_mib=peak_mib(),
        loss=watch.loss,
        eval_loss=eval_loss,
        device=torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu ({os.cpu_count()} cores)",
        dtype=str(next(model.parameters()).dtype).removeprefix("torch."),
        data=data,
        versions={name: version(name) for name in PACKAGES} | {"python": platform.python_version()},
        said=recipe.model_dump(mode="json"),
    )
    part = folder / f"{RUN}.part"
    part.write_text(json.dumps(asdict(done), ensure_ascii=False, indent=1), encoding="utf-8")
    part.replace(folder / RUN)
    if state == "done":
        for checkpoint in folder.glob("checkpoint-*"):
            shutil.rmtree(checkpoint, ignore_errors=True)
    return done


def _trainer(
    recipe: Recipe,
    model: Any,
    tokenizer: Any,
    sequences: Sequence[Packed],
    held_out: Sequence[Packed],
    folder: Path,
    steps: int,
    pace: Pace,
    watch: _Watch,
) -> Any:
    import torch
    from datasets import Dataset
    from torch.optim.lr_scheduler import LambdaLR
    from transformers import PrinterCallback, TrainerCallback
    from trl import SFTConfig, SFTTrainer

    said = recipe.train
    dtype = next(model.parameters()).dtype
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    on_a_cpu = next(model.parameters()).device.type == "cpu" and "WORLD_SIZE" not in os.environ
    choosing = on_a_cpu and recipe.method not in VIRTUAL and can_choose(base)

    class Paced(SFTTrainer):  # type: ignore[misc]  # TRL's classes carry no types
        """Learns at the pace of the run."""

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            chosen: Any = optimizer or self.optimizer
            self.lr_scheduler = LambdaLR(chosen, pace.factor)
            self._created_lr_scheduler = True
            return self.lr_scheduler

        def compute_loss(self, model: Any, inputs: Any, *args: Any, **named: Any) -> Any:
            if not self.model.training:
                return super().compute_loss(model, inputs, *args, **named)
            watch.count(inputs)
            if choosing:
                return answer_loss(model, inputs, named.get("num_items_in_batch"))
            return super().compute_loss(model, inputs, *args, **named)

        def _save_checkpoint(self, *args: Any, **named: Any) -> None:
            super()._save_checkpoint(*args, **named)
            at = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
            (at / PACE).write_text(json.dumps({"spent": pace.spent, "tokens": watch.tokens}))

    class Watching(TrainerCallback):
        """Tells how far the run is, and ends it."""

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if watch.over(state.global_step):
                control.should_training_stop = True
                control.should_save = watch.cancelled

        def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            watch.log(state.global_step, dict(kwargs.get("logs") or {}))

    config = SFTConfig(
        output_dir=str(folder),
        max_steps=steps,
        per_device_train_batch_size=said.batch,
        per_device_eval_batch_size=said.batch,
        gradient_accumulation_steps=said.accumulate,
        learning_rate=said.learning_rate,
        max_grad_norm=1.0,
        weight_decay=0.0,
        seed=said.seed,
        data_seed=said.seed,
        bf16=dtype == torch.bfloat16 and torch.cuda.is_available(),
        gradient_checkpointing=said.checkpointing,
        eval_strategy="steps" if held_out else "no",
        eval_steps=said.evaluate_every,
        prediction_loss_only=True,
        save_strategy="steps",
        save_steps=said.save_every,
        save_total_limit=2,
        load_best_model_at_end=bool(said.patience and held_out),
        metric_for_best_model="eval_loss" if held_out else None,
        logging_steps=1,
        logging_nan_inf_filter=False,
        report_to=[],
        disable_tqdm=True,
        dataset_kwargs={"skip_prepare_dataset": True},
        max_length=None,
        remove_unused_columns=False,
        label_names=["labels"],
        dataloader_pin_memory=torch.cuda.is_available(),
    )
    callbacks: list[Any] = [Watching()]
    if said.patience and held_out:
        from transformers import EarlyStoppingCallback

        callbacks.append(EarlyStoppingCallback(said.patience))
    trainer = Paced(
        model=model,
        args=config,
        processing_class=tokenizer,
        data_collator=Collator(tokenizer.pad_token_id, plain=recipe.method in VIRTUAL),
        train_dataset=Dataset.from_list([asdict(each) for each in sequences]),
        eval_dataset=Dataset.from_list([asdict(each) for each in held_out]) if held_out else None,
        callbacks=callbacks,
    )
    # It prints every loss on standard output, which is the command's.
    trainer.remove_callback(PrinterCallback)
    return trainer


class _Watch:
    """What a run tells of itself: losses, tokens, whether it is to end."""

    def __init__(
        self, folder: Path, title: str, pace: Pace, steps: int, report: Report, cancelled: Callable[[], bool]
    ) -> None:
        self._folder, self._title, self._pace, self._steps = folder, title, pace, steps
        self._report, self._asked = report, cancelled
        self.tokens = 0
        self.loss: float | None = None
        self.cancelled = False

    def count(self, inputs: dict[str, Any]) -> None:
        """Tokens of a batch without its padding."""
        self.tokens += int(inputs["input_ids"].numel()) - _padding(inputs)

    def over(self, step: int) -> bool:
        """Whether the run ends after this step."""
        self.cancelled = self.cancelled or self._asked()
        return self.cancelled or self._pace.over(step)

    def log(self, step: int, logs: dict[str, float]) -> None:
        """Keep the losses, report."""
        if "loss" in logs:
            self.loss = float(logs["loss"])
            rate = logs.get("learning_rate")
            self.write({"step": step, "loss": self.loss, "learning_rate": rate, "tokens": self.tokens})
            self._report(step, self._steps, self.loss)
        elif "eval_loss" in logs:
            self.write({"step": step, "eval_loss": float(logs["eval_loss"])})
        if step % DRAWN_EVERY == 0:
            self.draw()

    def draw(self) -> None:
        """The losses so far as a picture."""
        draw(self._folder / LOSSES, self._folder / CURVE, self._title)

    def write(self, row: dict[str, Any]) -> None:
        """A line of the losses, readable while the run goes on."""
        with (self._folder / LOSSES).open("a", encoding="utf-8") as lines:
            lines.write(json.dumps(row | {"seconds": round(self._pace.spent, 1)}) + "\n")


def _drop_torn(folder: Path) -> None:
    """Remove checkpoints that a kill left half written: the pace is the last thing that is written into one."""
    for checkpoint in folder.glob("checkpoint-*"):
        try:
            json.loads((checkpoint / PACE).read_text())
        except (OSError, ValueError):
            log.warning("%s was not written to its end; the run goes on from the one before", checkpoint.name)
            shutil.rmtree(checkpoint)


def _rewind(losses: Path, step: int) -> None:
    """Forget what was written after the checkpoint that the run goes on from: a killed run takes these steps again."""
    if not losses.is_file():
        return
    kept = []
    for line in losses.read_text(encoding="utf-8").splitlines():
        try:
            if json.loads(line)["step"] <= step:
                kept.append(f"{line}\n")
        except ValueError:
            # The line that was being written when the run was killed.
            continue
    part = losses.with_suffix(".part")
    part.write_text("".join(kept), encoding="utf-8")
    part.replace(losses)


def _padding(inputs: dict[str, Any]) -> int:
    if "position_ids" not in inputs:
        return int((inputs["attention_mask"] == 0).sum())
    # Positions begin with 0 once a sequence; further zeros are padding.
    zeros = inputs["position_ids"] == 0
    return int(zeros.sum() - zeros.any(dim=-1).sum())


def _save(trainer: Any, tokenizer: Any, target: Path) -> None:
    part = target.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    trainer.model.save_pretrained(part)
    _as_the_base(part / WEIGHTS, trainer.model)
    tokenizer.save_pretrained(part)
    shutil.rmtree(target, ignore_errors=True)
    part.rename(target)


def _as_the_base(weights: Path, model: Any) -> None:
    """Keep an adapter in the type of its base: it is trained in float32, and a server would round it anyway."""
    from safetensors.torch import load_file, save_file

    if not weights.is_file():
        return
    dtype = next(model.parameters()).dtype
    save_file({name: value.to(dtype) for name, value in load_file(weights).items()}, weights, {"format": "pt"})


def peak_mib() -> float:
    """The most memory that this process, or the device, has had, in MiB."""
    import torch

    if torch.cuda.is_available():
        return round(torch.cuda.max_memory_allocated() / 2**20, 1)
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10, 1)
