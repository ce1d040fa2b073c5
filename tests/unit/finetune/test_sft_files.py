"""What a killed run leaves, and what the next one makes of it."""

from __future__ import annotations

import json
from pathlib import Path

from finetune.sft import LOSSES, PACE, _drop_torn, _rewind


def test_losses_after_the_checkpoint_are_forgotten(tmp_path: Path) -> None:
    losses = tmp_path / LOSSES
    _rewind(losses, 3)
    assert not losses.exists()
    rows = [{"step": 1, "loss": 3.0}, {"step": 2, "loss": 2.0}, {"step": 2, "eval_loss": 2.5}, {"step": 3, "loss": 1.0}]
    losses.write_text("".join(json.dumps(row) + "\n" for row in rows) + '{"step": 4, "lo')
    _rewind(losses, 2)
    assert [json.loads(line) for line in losses.read_text().splitlines()] == rows[:3]
    _rewind(losses, 0)
    assert losses.read_text() == ""


def test_a_checkpoint_that_was_not_written_to_its_end_is_none(tmp_path: Path) -> None:
    for step, pace in ((4, '{"spent": 1, "tokens": 2}'), (6, None), (8, "")):
        folder = tmp_path / f"checkpoint-{step}"
        folder.mkdir()
        (folder / "trainer_state.json").write_text("{}")
        if pace is not None:
            (folder / PACE).write_text(pace)
    _drop_torn(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-4"]
