"""PDFs for benchmarks: pages of prose with a heading, and a ruled table on some; the same seed gives the same bytes."""

from __future__ import annotations

import io
import random
import re
from collections.abc import Collection
from pathlib import Path

from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Table

EXAMPLES = Path(__file__).parents[1] / "examples" / "files" / "en"
TABLE_EVERY = 10
_ROWS, _LINES, _WORDS_A_LINE = 8, 36, 13


def report(pages: int, seed: int = 0, changed: Collection[int] = ()) -> bytes:
    """A PDF of words of the example company's texts, in sentences that occur once.

    changed: pages, from 1, whose text is another one than the seed gives; all others keep theirs.
    """
    texts = "\n".join(path.read_text(encoding="utf-8") for path in sorted(EXAMPLES.glob("*.md")))
    words = sorted(set(re.findall(r"[A-Za-z]{3,}", texts)))
    out = io.BytesIO()
    canvas = Canvas(out, pagesize=A4, invariant=1)
    for page in range(1, pages + 1):
        draw = random.Random(f"{seed}/{page}/{page in changed}")
        canvas.setFont("Helvetica-Bold", 14)
        canvas.drawString(60, 780, f"{page} {' '.join(draw.sample(words, 3)).capitalize()}")
        with_table = page % TABLE_EVERY == 0
        text = canvas.beginText(60, 750)
        text.setFont("Helvetica", 10)
        for _ in range(_LINES // 2 if with_table else _LINES):
            text.textLine(f"{' '.join(draw.sample(words, _WORDS_A_LINE)).capitalize()} {draw.randint(1, 9999)}.")
        canvas.drawText(text)
        if with_table:
            rows = [["Article", "Stock", "Price"]]
            rows += [
                [f"{draw.choice(words)} {draw.randint(100, 999)}", str(draw.randint(0, 99)), f"{draw.random():.2f}"]
                for _ in range(_ROWS)
            ]
            table = Table(rows, style=[("GRID", (0, 0), (-1, -1), 0.5, colors.black)])
            table.wrapOn(canvas, 400, 300)
            table.drawOn(canvas, 60, 240)
        canvas.showPage()
    canvas.save()
    return out.getvalue()
