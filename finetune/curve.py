"""The losses of a run as a picture, drawn anew while the run goes on. Pillow alone: two lines need no plotting library."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

CURVE = "curve.png"
_SIZE, _LEFT, _RIGHT, _TOP, _BOTTOM = (900, 480), 70, 30, 50, 50
_TRAIN, _HELD_OUT, _GRID, _INK = "#9db8d9", "#c2410c", "#e5e7eb", "#111827"
_SMOOTH = "#1d4ed8"
# Steps that the smooth line averages over, as a share of all.
_WINDOW = 0.03
_LINES = 5

Point = tuple[float, float]


def read_losses(path: Path) -> tuple[list[Point], list[Point]]:
    """(step, loss) of training and of what is held out; a last line that is being written is left for the next time."""
    trained: list[Point] = []
    held_out: list[Point] = []
    if not path.is_file():
        return trained, held_out
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if "loss" in row:
            trained.append((float(row["step"]), float(row["loss"])))
        elif "eval_loss" in row:
            held_out.append((float(row["step"]), float(row["eval_loss"])))
    return trained, held_out


def draw(losses: Path, target: Path, title: str) -> None:
    """Write the picture (PNG); nothing where there is no loss yet. Whoever reads it meanwhile sees the old one or the new one."""
    trained, held_out = read_losses(losses)
    if not trained:
        return
    image = Image.new("RGB", _SIZE, "white")
    pen = ImageDraw.Draw(image)
    font = ImageFont.load_default(15)
    # The first steps of a new adapter lie far above the rest, and would press it flat.
    ordered = sorted(loss for _, loss in trained)
    top = max(ordered[int(0.98 * (len(ordered) - 1))], *(loss for _, loss in held_out), 0.1) * 1.05
    last = max(step for step, _ in (*trained, *held_out))

    def place(point: Point) -> Point:
        step, loss = point
        wide, high = _SIZE[0] - _LEFT - _RIGHT, _SIZE[1] - _TOP - _BOTTOM
        return _LEFT + wide * step / max(last, 1), _TOP + high * (1 - min(loss, top) / top)

    for n in range(_LINES + 1):
        loss = top * n / _LINES
        left, y = place((0, loss))
        pen.line([(left, y), (_SIZE[0] - _RIGHT, y)], fill=_GRID)
        pen.text((left - 8, y), f"{loss:.2f}", fill=_INK, font=font, anchor="rm")
    pen.text((_LEFT, _SIZE[1] - _BOTTOM + 12), "0", fill=_INK, font=font, anchor="mt")
    pen.text((_SIZE[0] - _RIGHT, _SIZE[1] - _BOTTOM + 12), f"step {last:.0f}", fill=_INK, font=font, anchor="rt")
    pen.text((_LEFT, 14), title, fill=_INK, font=font)
    _line(pen, [place(p) for p in trained], _TRAIN, 1)
    _line(pen, [place(p) for p in _smoothed(trained)], _SMOOTH, 3)
    _line(pen, [place(p) for p in held_out], _HELD_OUT, 3)
    for x, y in map(place, held_out):
        pen.ellipse([x - 4, y - 4, x + 4, y + 4], fill=_HELD_OUT)
    pen.text((_SIZE[0] - _RIGHT, 14), "training", fill=_SMOOTH, font=font, anchor="rt")
    if held_out:
        pen.text((_SIZE[0] - _RIGHT - 80, 14), "held out", fill=_HELD_OUT, font=font, anchor="rt")
    part = target.with_suffix(".part")
    image.save(part, "PNG")
    part.replace(target)


def _line(pen: ImageDraw.ImageDraw, points: Sequence[Point], colour: str, width: int) -> None:
    if len(points) > 1:
        pen.line([*points], fill=colour, width=width, joint="curve")


def _smoothed(points: Sequence[Point]) -> list[Point]:
    size = max(1, round(_WINDOW * len(points)))
    found = []
    for n, (step, _) in enumerate(points):
        near = points[max(0, n - size) : n + size + 1]
        found.append((step, sum(loss for _, loss in near) / len(near)))
    return found
