"""Read a PDF of many pages and report pages per second, peak memory of the reading process, chunks.

    python benchmarks/big_pdf.py [--pages 1000] [--scanned 0]

The PDF is made by reportlab: headings, prose, ruled and unruled tables, running heads, an outline. ``--scanned`` adds
pages that are pictures and go through OCR. Each size is read in a process of its own, which does nothing else; its peak
is what the kernel says of it.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from io import BytesIO
from pathlib import Path
from typing import Any

WORDS = [
    "order",
    "return",
    "refund",
    "parcel",
    "customer",
    "warranty",
    "battery",
    "charger",
    "screen",
    "account",
    "invoice",
    "payment",
    "delivery",
    "address",
    "support",
    "agent",
    "reply",
    "within",
    "days",
    "before",
    "after",
    "every",
    "never",
    "please",
    "keep",
    "original",
    "box",
    "receipt",
    "number",
    "serial",
    "device",
]

READ = """
import json, resource, sys, time
from pathlib import Path
from ingest.chunk import chunk_document
from ingest.parse import parse
started, calls = time.perf_counter(), []
document = parse(Path(sys.argv[1]), progress=lambda done, total: calls.append((done, total)))
parsed = time.perf_counter() - started
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (2**20 if sys.platform == "darwin" else 2**10)
chunks = chunk_document(document, "Handbook", 256, lambda texts: [len(text) // 4 + 1 for text in texts])
tables = [e.table for e in document.elements if e.table]
print(json.dumps({
    "pages": document.page_count, "seconds": parsed, "peak_mib": peak, "chunks": len(chunks),
    "elements": len(document.elements), "tables": len(tables), "progress_calls": len(calls),
    "without_box": sum(not e.boxes for e in document.elements),
}))
"""


def sentence(dice: random.Random) -> str:
    """Words in no order, as long as people's sentences."""
    return " ".join(dice.choices(WORDS, k=dice.randint(8, 20))).capitalize() + "."


def make(path: Path, pages: int, scanned: int) -> None:
    """A handbook of so many pages, the last ``scanned`` of them pictures."""
    from PIL import Image, ImageDraw, ImageFont
    from reportlab.lib.pagesizes import A4
    from reportlab.lib.utils import ImageReader
    from reportlab.pdfgen.canvas import Canvas

    dice = random.Random(4)
    canvas = Canvas(str(path), pagesize=A4)
    for page in range(1, pages + 1):
        if page > pages - scanned:
            picture = Image.new("L", (1240, 1754), 255)
            for i in range(30):
                ImageDraw.Draw(picture).text((100, 100 + 50 * i), sentence(dice)[:70], 0, ImageFont.load_default(28))
            packed = BytesIO()
            picture.save(packed, "PNG")
            canvas.drawImage(ImageReader(packed), 0, 0, *A4)
        else:
            draw_page(canvas, page, dice)
        canvas.showPage()
    canvas.save()


def draw_page(canvas: Any, page: int, dice: random.Random) -> None:
    """A page of text, every third with a table."""
    canvas.setFont("Helvetica", 9)
    canvas.drawString(72, 815, f"ACME handbook, part {page // 50 + 1}")
    canvas.drawString(290, 25, str(page))
    y = 780.0
    if page % 5 == 1:
        canvas.setFont("Helvetica-Bold", 16)
        canvas.drawString(72, y, f"Section {page // 5 + 1}: {' '.join(dice.choices(WORDS, k=3))}")
        canvas.bookmarkPage(f"s{page}")
        canvas.addOutlineEntry(f"Section {page // 5 + 1}", f"s{page}", 0)
        y -= 30
    if page % 3 == 0:
        y = draw_table(canvas, y, dice, ruled=page % 2 == 0) - 20
    canvas.setFont("Helvetica", 11)
    while y > 70:
        for _ in range(dice.randint(3, 6)):
            canvas.drawString(72, y, sentence(dice)[:85])
            y -= 14
        y -= 10


def draw_table(canvas: Any, y: float, dice: random.Random, *, ruled: bool) -> float:
    """Eleven rows of four cells; the y below them."""
    canvas.setFont("Helvetica", 10)
    top = y + 13
    for i in range(11):
        row = ["Part", "Name", "Stock", "Price"] if i == 0 else [
            f"P-{dice.randint(100, 999)}", dice.choice(WORDS), str(dice.randint(1, 500)), f"{dice.random() * 90:.2f}"
        ]  # fmt: skip
        for x, cell in zip((76, 196, 316, 416), row, strict=True):
            canvas.drawString(x, y, cell)
        if ruled:
            canvas.grid([72, 192, 312, 412, 512], [y - 5, y + 13])
        y -= 18
    return float(min(y, top))


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pages", type=int, default=1000)
    parser.add_argument("--scanned", type=int, default=0)
    arguments = parser.parse_args()
    print("| pages | MiB of the file | seconds | pages/s | peak MiB | elements | tables | chunks |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for pages in sorted({max(arguments.pages // 10, 1), arguments.pages}):
            path = Path(folder, f"{pages}.pdf")
            make(path, pages, min(arguments.scanned, pages))
            started = time.perf_counter()
            done = subprocess.run([sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=False)
            if done.returncode:
                print(f"{pages} pages: failed after {time.perf_counter() - started:.0f} s: {done.stderr[-500:]}")
                return 1
            read = json.loads(done.stdout)
            assert read["progress_calls"] == pages
            assert read["without_box"] == 0
            print(
                f"| {read['pages']} | {path.stat().st_size / 2**20:.1f} | {read['seconds']:.1f} "
                f"| {read['pages'] / read['seconds']:.1f} | {read['peak_mib']:.0f} | {read['elements']} "
                f"| {read['tables']} | {read['chunks']} |",
                flush=True,
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
