"""The picture of a run's losses."""

from __future__ import annotations

import json
from pathlib import Path

from PIL import Image

from finetune.curve import draw, read_losses


def losses(folder: Path, *rows: dict[str, float], tail: str = "") -> Path:
    path = folder / "losses.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows) + tail, encoding="utf-8")
    return path


def test_a_line_that_is_being_written_is_left(tmp_path: Path) -> None:
    path = losses(tmp_path, {"step": 1, "loss": 2.0}, {"step": 1, "eval_loss": 1.5}, tail='{"step": 2, "lo')
    assert read_losses(path) == ([(1.0, 2.0)], [(1.0, 1.5)])


def test_nothing_is_drawn_of_nothing(tmp_path: Path) -> None:
    draw(tmp_path / "none.jsonl", tmp_path / "curve.png", "x")
    assert not (tmp_path / "curve.png").exists()


def test_a_falling_loss_falls_in_the_picture(tmp_path: Path) -> None:
    path = losses(tmp_path, *({"step": n, "loss": 4.0 - n / 30} for n in range(1, 101)))
    draw(path, tmp_path / "curve.png", "x")
    with Image.open(tmp_path / "curve.png") as opened:
        picture = opened.convert("RGB")
    blue = [
        (x, y) for x in range(picture.width) for y in range(60, 430) if picture.getpixel((x, y)) == (0x1D, 0x4E, 0xD8)
    ]
    first = min(y for x, y in blue if x < 150)
    last = max(y for x, y in blue if x > 800)
    assert last - first > 200
