"""Picture files (png, jpeg, tiff, bmp, webp, gif), read by OCR; each frame of a tiff is a page."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ingest.errors import DamagedFile, LimitExceeded, NoText
from ingest.limits import LIMITS
from ingest.parse.blocks import Blocks
from ingest.parse.ocr import STRIP
from ingest.parse.ocr_pages import OcrPages
from ingest.parse.pdf_aligned import with_aligned_tables
from ingest.parse.pdf_frame import Frame
from ingest.parse.pdf_headings import Headings, join_over_pages
from ingest.parse.pdf_layout import Paragraph, paragraphs
from ingest.parse.pdf_page import Page
from ingest.parse.pdf_running import RunningLines
from ingest.parse.pdf_structure import Structure
from ingest.parse.pdf_words import Words
from ingest.schema import ParsedDocument

_FORMATS = ("PNG", "JPEG", "TIFF", "BMP", "WEBP", "GIF")
# Layout thinks in points; a picture is taken for a page of this height or width.
_PAGE_SIDE = 842.0
_LONGEST_SIDE = 1800
# The models need about 250 bytes for each pixel: a square of the longest side would not fit beside them.
_MOST_READ = 2_400_000
# Of a strip, which is read in bands.
_STRIP_WIDTH, _STRIP_HEIGHT = 1200, 24_000
_SMALLEST_SIDE = 8


def parse_image(
    path: Path,
    name: str,
    progress: Callable[[int, int], None] | None = None,
    most_pixels: int = LIMITS.pixels,
    most_pages: int = LIMITS.pages,
) -> ParsedDocument:
    """A picture of text; raises NoText when no words are found, DamagedFile, or LimitExceeded for too many pixels.

    progress: called after each page with (pages done, pages).
    """
    from PIL import Image, UnidentifiedImageError

    ocr, words, running = OcrPages(), Words(), RunningLines()
    read: list[Page] = []
    try:
        with warnings.catch_warnings():
            # Pillow's warning comes before the number is known to us; ours is an error.
            warnings.simplefilter("ignore")
            with Image.open(path, formats=_FORMATS) as picture:
                # The first of an animation says what the others do.
                total = getattr(picture, "n_frames", 1) if picture.format == "TIFF" else 1
            if total > most_pages:
                raise LimitExceeded(f"{name}: the file has {total} pages, {most_pages} are read; split it.")
            for index in range(total):
                # Opened for each page, so that its pixels are gone when the models need their memory.
                with Image.open(path, formats=_FORMATS) as picture:
                    picture.seek(index)
                    image = _prepared(picture, name, most_pixels)
                read.append(_page(image, index + 1, ocr))
                if progress is not None:
                    progress(index + 1, total)
    except Image.DecompressionBombError as exc:
        raise LimitExceeded(f"{name}: the picture has too many pixels; save it smaller.") from exc
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as exc:
        raise DamagedFile(f"{name}: the picture is cut off or damaged; save it again.") from exc
    if not any(page.runs for page in read):
        raise NoText(
            f"{name}: no words were found in the picture; if there are some, take it again, larger and sharper."
        )
    if len(read) > 1:
        running.drop(read)
    pages: list[list[Paragraph]] = []
    for page in read:
        for run in page.runs:
            words.add(run.text)
        pages.append(paragraphs(page.runs, page.box, words))
        if len(pages) > 1:
            join_over_pages(pages[-2], pages[-1], words)
    blocks = Blocks()
    Headings(pages, Structure()).write(blocks)
    return ParsedDocument("image", blocks.elements(), "", total, tuple(ocr.warnings()))


def _prepared(picture: Any, name: str, most_pixels: int) -> Any:
    """The picture as OCR wants it: upright by its camera's note, on white paper, no larger than is of use."""
    from PIL import Image, ImageOps

    if picture.width * picture.height > most_pixels:
        raise LimitExceeded(
            f"{name}: the picture has {picture.width} x {picture.height} pixels, {most_pixels // 10**6} million are "
            "read; save it smaller."
        )
    wanted = _read_size(picture.width, picture.height)
    # A large jpeg is never decoded at full size.
    picture.draft("RGB", wanted)
    factor = max(picture.width // wanted[0], 1)
    picture.load()
    if picture.mode in ("P", "PA"):
        # Colours of a palette have no mean.
        image = picture.convert("RGBA" if picture.has_transparency_data else "RGB").reduce(factor)
    else:
        image = picture.reduce(factor) if picture.mode != "1" else picture.convert("L").reduce(factor)
    if image.mode.startswith("I") or image.mode == "F":
        # Sixteen bits a pixel would become white.
        low, high = image.getextrema()
        image = image.point(lambda value: value * (255.0 / max(high - low, 1)) - low * 255.0 / max(high - low, 1))
        image = image.convert("L")
    image = ImageOps.exif_transpose(image)
    image.thumbnail(_read_size(image.width, image.height))
    if image.has_transparency_data:
        paper = Image.new("RGBA", image.size, "white")
        paper.alpha_composite(image.convert("RGBA"))
        image = paper
    return image.convert("RGB")


def _read_size(width: int, height: int) -> tuple[int, int]:
    """Width and height at which a picture is read, no larger than its own."""
    if height > STRIP * width:
        scale = min(_STRIP_WIDTH / width, _STRIP_HEIGHT / height)
    else:
        scale = min(_LONGEST_SIDE / max(width, height), (_MOST_READ / (width * height)) ** 0.5)
    scale = min(scale, 1.0)
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _page(image: Any, number: int, ocr: OcrPages) -> Page:
    side = max(image.width, image.height)
    frame = Frame(0, 0, image.width * _PAGE_SIDE / side, image.height * _PAGE_SIDE / side)
    page = Page(number, [], frame, frame, needs_ocr=True)
    if min(image.width, image.height) >= _SMALLEST_SIDE:
        ocr.read(page, lambda: image)
        page.runs = with_aligned_tables(page.runs)
    return page
