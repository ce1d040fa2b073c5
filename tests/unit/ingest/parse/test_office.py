"""Word, PowerPoint and Excel files, written by the libraries that read them."""

from __future__ import annotations

from datetime import date, datetime
from pathlib import Path
from typing import Any

import docx
import openpyxl
import pptx
import pytest
from docx.enum.style import WD_STYLE_TYPE
from docx.oxml import parse_xml
from pptx.chart.data import CategoryChartData
from pptx.enum.chart import XL_CHART_TYPE
from pptx.util import Inches

from ingest.parse import parse
from ingest.parse.cell_format import render
from ingest.schema import Element, ParsedDocument, Table

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def saved(document: Any, path: Path) -> ParsedDocument:
    document.save(str(path))
    return parse(path)


def shape(elements: tuple[Element, ...]) -> list[tuple[str, str]]:
    return [(e.kind.value + (str(e.level) if e.level else ""), e.text) for e in elements]


def test_word_headings_lists_and_code(tmp_path: Path) -> None:
    document = docx.Document()
    document.sections[0].header.paragraphs[0].text = "Running head"
    document.sections[0].footer.paragraphs[0].text = "Page 1 of 2"
    document.add_heading("Manual", 0)
    document.add_heading("Setup", 2)
    document.add_paragraph("Plug it in.")
    document.add_paragraph("one", style="List Bullet")
    document.add_paragraph("two", style="List Bullet")
    document.styles.add_style("标题 3", WD_STYLE_TYPE.PARAGRAPH)
    document.add_paragraph("常见问题", style="标题 3")
    code = document.add_paragraph()
    code.add_run("def f():").font.name = "Consolas"
    code = document.add_paragraph()
    code.add_run("    return 1").font.name = "Consolas"
    assert shape(saved(document, tmp_path / "a.docx").elements) == [
        ("heading1", "Manual"),
        ("heading2", "Setup"),
        ("paragraph", "Plug it in."),
        ("list", "- one\n- two"),
        ("heading3", "常见问题"),
        ("code", "def f():\n    return 1"),
        # A letterhead's address is worth one mention.
        ("paragraph", "Running head"),
    ]


def test_word_tables_repeat_merged_cells(tmp_path: Path) -> None:
    document = docx.Document()
    table = document.add_table(3, 3)
    for y, row in enumerate([["Plan", "Price", ""], ["", "Month", "Year"], ["Pro", "5", "50"]]):
        for x, text in enumerate(row):
            table.cell(y, x).text = text
    table.cell(0, 1).merge(table.cell(0, 2))
    table.cell(0, 0).merge(table.cell(1, 0))
    (element,) = saved(document, tmp_path / "a.docx").elements
    assert element.table == Table(("Plan", "Price / Month", "Price / Year"), (("Pro", "5", "50"),))


def test_word_frames_are_read_as_text(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_table(1, 1).cell(0, 0).text = "Note: unplug first."
    assert shape(saved(document, tmp_path / "a.docx").elements) == [("paragraph", "Note: unplug first.")]


@pytest.mark.parametrize(
    ("xml", "expected"),
    [
        ("<w:sdt><w:sdtContent><w:p><w:r><w:t>controlled</w:t></w:r></w:p></w:sdtContent></w:sdt>", "controlled"),
        ("<w:p><w:r><w:t>now </w:t></w:r><w:ins><w:r><w:t>inserted</w:t></w:r></w:ins></w:p>", "now inserted"),
        ("<w:p><w:r><w:t>kept</w:t></w:r><w:del><w:r><w:delText>gone</w:delText></w:r></w:del></w:p>", "kept"),
        (
            "<w:p><w:r><w:t>anchor</w:t></w:r><w:r><w:pict><w:txbxContent><w:p><w:r><w:t>boxed</w:t></w:r></w:p>"
            "</w:txbxContent></w:pict></w:r></w:p>",
            "anchor|boxed",
        ),
        ("<w:p><w:r><w:t>first</w:t><w:br w:type='page'/><w:t> second</w:t></w:r></w:p>", "first second"),
    ],
)
def test_word_text_that_libraries_skip(tmp_path: Path, xml: str, expected: str) -> None:
    document = docx.Document()
    element = parse_xml(f"<w:body {W}>{xml}</w:body>")[0]
    document.element.body.insert(0, element)
    elements = saved(document, tmp_path / "a.docx").elements
    assert "|".join(e.text for e in elements) == expected


def test_slides(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = "Returns"
    frame = slide.placeholders[1].text_frame
    frame.text = "Within 30 days"
    second = frame.add_paragraph()
    second.text, second.level = "unused", 1
    slide.notes_slide.notes_text_frame.text = "Mention the receipt."
    slide = deck.slides.add_slide(deck.slide_layouts[5])
    slide.shapes.title.text = "Prices"
    table = slide.shapes.add_table(3, 3, Inches(1), Inches(2), Inches(6), Inches(2)).table
    for y, row in enumerate([["Plan", "Price", ""], ["", "Month", "Year"], ["Pro", "5", "50"]]):
        for x, text in enumerate(row):
            table.cell(y, x).text = text
    table.cell(0, 1).merge(table.cell(0, 2))
    document = saved(deck, tmp_path / "a.pptx")
    assert shape(document.elements) == [
        ("heading1", "Returns"),
        ("list", "- Within 30 days\n  - unused"),
        ("paragraph", "Notes: Mention the receipt."),
        ("heading1", "Prices"),
        ("table", ""),
    ]
    assert [e.page for e in document.elements] == [1, 1, 1, 2, 2]
    assert document.page_count == 2
    assert document.elements[-1].table == Table(("Plan", "Price / Month", "Price / Year"), (("Pro", "5", "50"),))


def test_a_chart_is_the_table_it_was_drawn_from(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    slide = deck.slides.add_slide(deck.slide_layouts[6])
    data = CategoryChartData()
    data.categories = ["Q1", "Q2"]
    data.add_series("Sales", (1.5, 2))
    slide.shapes.add_chart(XL_CHART_TYPE.COLUMN_CLUSTERED, 0, 0, Inches(4), Inches(3), data)
    (element,) = saved(deck, tmp_path / "a.pptx").elements
    assert element.table == Table(("", "Sales"), (("Q1", "1.5"), ("Q2", "2")))


def test_hidden_slides_are_named(tmp_path: Path) -> None:
    deck = pptx.Presentation()
    for text in ("Shown", "Secret"):
        deck.slides.add_slide(deck.slide_layouts[5]).shapes.title.text = text
    deck.slides[1]._element.set("show", "0")
    document = saved(deck, tmp_path / "a.pptx")
    assert [e.text for e in document.elements] == ["Shown"]
    assert document.warnings == ("Hidden slides were left out: 2.",)


def test_sheets(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.title = "Fees"
    for row in [
        ["Our fees"],
        [],
        ["Plan", "Since", "Rate"],
        ["Pro", date(2024, 3, 5), 0.125],
        [None, date(2025, 1, 2), 1],
    ]:
        sheet.append(row)
    sheet.merge_cells("A4:A5")
    for cell in ("C4", "C5"):
        sheet[cell].number_format = "0.0%"
    for cell in ("B4", "B5"):
        sheet[cell].number_format = 'yyyy"年"m"月"d"日"'
    book.create_sheet("Secret").sheet_state = "hidden"
    document = saved(book, tmp_path / "a.xlsx")
    assert [(e.kind.value, e.text, e.sheet) for e in document.elements] == [
        ("heading", "Fees", "Fees"),
        ("paragraph", "Our fees", "Fees"),
        ("table", "", "Fees"),
    ]
    assert document.elements[-1].table == Table(
        ("Plan", "Since", "Rate"), (("Pro", "2024年3月5日", "12.5%"), ("Pro", "2025年1月2日", "100.0%"))
    )
    assert document.warnings == ('The hidden sheet "Secret" was left out.',)
    assert document.title == ""


def test_two_tables_on_a_sheet_stay_two(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [["A", "B"], ["x", 1], [], ["C", "D"], ["y", 2]]:
        book.active.append(row)
    tables = [e.table for e in saved(book, tmp_path / "a.xlsx").elements if e.table]
    assert tables == [Table(("A", "B"), (("x", "1"),)), Table(("C", "D"), (("y", "2"),))]


@pytest.mark.parametrize(
    ("value", "number_format", "text"),
    [
        (1, "General", "1"),
        (0.1 + 0.2, "General", "0.3"),
        (1234567.891, "#,##0.00", "1,234,567.89"),
        (1234.5, '"$"#,##0.00', "$1,234.50"),
        (-5, "0.00", "-5.00"),
        (-81, "#,##0_);(#,##0)", "(81)"),
        (0, '0;-0;"—"', "—"),
        (0.5, "0%", "50%"),
        (1999, "[$¥-804]#,##0", "¥1,999"),
        (42, "00000", "00042"),
        (12500000, '0.0,,"M"', "12.5M"),
        (5, '0"元"', "5元"),
        (True, "General", "TRUE"),
        ("text", "@", "text"),
        (datetime(2024, 3, 5, 9, 7), "yyyy-mm-dd hh:mm", "2024-03-05 09:07"),
        (datetime(2024, 3, 5, 15, 7), "m/d/yy h:mm AM/PM", "3/5/24 3:07 PM"),
        (date(2024, 3, 5), "d mmm yyyy", "5 Mar 2024"),
        (datetime(2024, 3, 5), "General", "2024-03-05"),
    ],
)
def test_cells_as_a_person_sees_them(value: Any, number_format: str, text: str) -> None:
    assert render(value, number_format) == text
