"""Pages as pictures: the right page, and an answer whatever the file is."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from PIL import Image, ImageDraw
from reportlab.pdfgen import canvas

from ingest.errors import NotFound, ParseError
from ingest.page_images import MOST_PIXELS, page_image


def test_a_pdfs_second_page(tmp_path: Path) -> None:
    file = tmp_path / "two.pdf"
    paper = canvas.Canvas(str(file), pagesize=(400, 200))
    paper.showPage()
    paper.rect(0, 0, 200, 200, fill=1)
    paper.save()
    drawn = Image.open(io.BytesIO(page_image(file, 2, width=800)))
    assert drawn.size == (800, 400)
    assert [drawn.getpixel((x, 200)) for x in (100, 700)] == [(0, 0, 0), (255, 255, 255)]
    with pytest.raises(NotFound, match="no page 3"):
        page_image(file, 3)


def test_a_picture_is_its_own_page_and_not_enlarged(tmp_path: Path) -> None:
    file = tmp_path / "scan.jpg"
    picture = Image.new("RGB", (300, 100), "white")
    ImageDraw.Draw(picture).rectangle((0, 0, 150, 100), fill="red")
    picture.save(file)
    assert Image.open(io.BytesIO(page_image(file, 1))).size == (300, 100)


def test_a_banner_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "strip.pdf"
    paper = canvas.Canvas(str(file), pagesize=(20, 14000))
    paper.showPage()
    paper.save()
    drawn = Image.open(io.BytesIO(page_image(file, 1, width=1000)))
    assert drawn.width * drawn.height <= MOST_PIXELS * 1.05


@pytest.mark.parametrize("content", [b"# Only text\n", b"", b"PK\x03\x04 something"])
def test_formats_without_pages(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "a.md"
    file.write_bytes(content)
    with pytest.raises(NotFound, match="only PDF files and pictures"):
        page_image(file, 1)


def test_a_broken_pdf_is_an_error_of_the_document(tmp_path: Path) -> None:
    file = tmp_path / "a.pdf"
    file.write_bytes(b"%PDF-1.7\nnothing of a PDF follows\n")
    with pytest.raises(ParseError, match="cannot be drawn"):
        page_image(file, 1)
