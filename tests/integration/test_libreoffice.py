"""Files of old Office through a real LibreOffice."""

from __future__ import annotations

import subprocess
from pathlib import Path

import docx
import openpyxl
import pptx
import pytest

from ingest.errors import ParseError
from ingest.parse import parse
from ingest.parse.legacy import find_office
from ingest.schema import Table

pytestmark = pytest.mark.skipif(find_office() is None, reason="LibreOffice (soffice) is not installed")


def converted(path: Path, suffix: str) -> Path:
    """A file of old Office, made from a new one."""
    program = find_office()
    assert program is not None
    profile = (path.parent / "profile").as_uri()
    subprocess.run(
        [program, "--headless", f"-env:UserInstallation={profile}", "--convert-to", suffix, "--outdir", str(path.parent), str(path)],
        check=True,
        capture_output=True,
        timeout=200,
    )  # fmt: skip
    return path.with_suffix(f".{suffix}")


def test_a_file_of_old_word(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_heading("Returns 退货", 1)
    document.add_paragraph("Within 30 days.")
    document.add_paragraph("one", style="List Bullet")
    table = document.add_table(2, 2)
    for y, row in enumerate([["Plan", "Price"], ["Pro", "5"]]):
        for x, text in enumerate(row):
            table.cell(y, x).text = text
    # Word never ends a document with a table, and LibreOffice writes one that does wrongly.
    document.add_paragraph("End.")
    document.save(str(tmp_path / "a.docx"))
    read = parse(converted(tmp_path / "a.docx", "doc"))
    assert read.format == "doc"
    assert [(e.kind.value, e.text) for e in read.elements] == [
        ("heading", "Returns 退货"),
        ("paragraph", "Within 30 days."),
        ("list", "- one"),
        ("table", ""),
        ("paragraph", "End."),
    ]
    assert read.elements[-2].table == Table(("Plan", "Price"), (("Pro", "5"),))


def test_a_file_of_old_excel(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.title = "Prices"
    for row in (["Plan", "Share"], ["Pro", 0.12]):
        book.active.append(row)
    book.active["B2"].number_format = "0 %"
    book.save(tmp_path / "a.xlsx")
    read = parse(converted(tmp_path / "a.xlsx", "xls"))
    assert [(e.sheet, e.table) for e in read.elements][1] == ("Prices", Table(("Plan", "Share"), (("Pro", "12 %"),)))


def test_a_file_of_old_powerpoint(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    deck.slides.add_slide(deck.slide_layouts[0]).shapes.title.text = "Welcome"
    deck.save(str(tmp_path / "a.pptx"))
    read = parse(converted(tmp_path / "a.pptx", "ppt"))
    assert (read.format, read.page_count, read.elements[0].text) == ("ppt", 1, "Welcome")


def test_a_damaged_file_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document = docx.Document()
    document.add_paragraph("Text.")
    document.save(str(tmp_path / "a.docx"))
    path = converted(tmp_path / "a.docx", "doc")
    data = bytearray(path.read_bytes())
    data[1536:6000] = bytes(6000 - 1536)
    path.write_bytes(data)
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(work))
    with pytest.raises(ParseError):
        parse(path)
    assert not list(work.iterdir())
