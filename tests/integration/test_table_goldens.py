"""Twelve golden tables, made here, three a format: header and rows exact.

What they hold: merged cells (over columns and over rows), cells of several lines, headers over two rows, tables over
two pages, empty cells, Chinese. A merged cell repeats its text in all it covers; two header rows become "group / column".
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import docx
import openpyxl
import pytest
from docx.enum.text import WD_BREAK
from reportlab.lib import colors
from reportlab.lib.pagesizes import A4
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import Paragraph, SimpleDocTemplate, Spacer, TableStyle
from reportlab.platypus import Table as DrawnTable

from ingest.parse import parse
from ingest.schema import Element, ElementKind, Table

pytestmark = pytest.mark.integration

PRICES = Table(
    ("Plan", "Price / net", "Price / gross", "Support"),
    (
        ("Basic", "10.00", "11.90", "Mail, answered within two days"),
        ("Team", "25.00", "29.75", "Mail and telephone"),
        ("Company", "90.00", "107.10", "Mail and telephone"),
    ),
)
REGIONS = Table(
    ("地区", "配送方式", "运费（元）", "时效"),
    (
        ("华东", "普通快递", "8", "1至2天"),
        ("华东", "次日达", "15", ""),
        ("华北", "普通快递", "12", "2至3天"),
        ("华北", "", "20", "仅限市区"),
    ),
)
LONG = Table(
    ("Code", "Item", "Stock", "Unit price"),
    tuple((f"FD-{i:03}", f"Part number {i} of the catalogue", str(i * 7), f"{i}.50") for i in range(1, 71)),
)


def tables(path: Path) -> list[Element]:
    return [element for element in parse(path).elements if element.kind is ElementKind.TABLE]


def only_table(path: Path) -> Table | None:
    (element,) = tables(path)
    return element.table


# --- Word ---


def filled(document: Any, rows: list[list[str]]) -> Any:
    table = document.add_table(len(rows), len(rows[0]), style="Table Grid")
    for y, row in enumerate(rows):
        for x, text in enumerate(row):
            table.cell(y, x).text = text
    return table


def test_docx_header_over_two_rows_with_merged_cells_and_several_lines(tmp_path: Path) -> None:
    document = docx.Document()
    document.add_paragraph("What our plans cost a month.")
    rows = [["Plan", "Price", "", "Support"], ["", "net", "gross", ""], *(list(row) for row in PRICES.rows)]
    rows[2][3] = "Mail,\nanswered within\ntwo days"
    rows[4][3] = ""
    table = filled(document, rows)
    for top, left, bottom, right in ((0, 1, 0, 2), (0, 0, 1, 0), (0, 3, 1, 3), (3, 3, 4, 3)):
        merged = table.cell(top, left).merge(table.cell(bottom, right))
        merged.text = merged.text.strip()
    document.save(tmp_path / "a.docx")
    assert only_table(tmp_path / "a.docx") == PRICES


def test_docx_chinese_with_merged_rows_and_empty_cells(tmp_path: Path) -> None:
    document = docx.Document()
    rows = [list(REGIONS.header), *(list(row) for row in REGIONS.rows)]
    rows[2][0] = rows[4][0] = ""
    table = filled(document, rows)
    for top in (1, 3):
        merged = table.cell(top, 0).merge(table.cell(top + 1, 0))
        merged.text = merged.text.strip()
    document.add_paragraph("以上运费均含税。")
    document.save(tmp_path / "a.docx")
    assert only_table(tmp_path / "a.docx") == REGIONS


def test_docx_over_two_pages(tmp_path: Path) -> None:
    document = docx.Document()
    table = filled(document, [list(LONG.header), *(list(row) for row in LONG.rows)])
    # What Word writes where a page ends within a table, and what a person does who wants it to end there.
    table.cell(40, 0).paragraphs[0].runs[0].add_break(WD_BREAK.PAGE)
    header = table.rows[0]._tr.get_or_add_trPr()
    header.append(header.makeelement("{http://schemas.openxmlformats.org/wordprocessingml/2006/main}tblHeader", {}))
    document.save(tmp_path / "a.docx")
    assert only_table(tmp_path / "a.docx") == LONG


# --- Excel ---


def test_xlsx_header_over_two_rows_with_merged_cells_and_several_lines(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.append(["Plan", "Price", None, "Support"])
    sheet.append([None, "net", "gross", None])
    for plan, net, gross, support in PRICES.rows:
        sheet.append([plan, float(net), float(gross), support.replace(", ", ",\n")])
    for row in sheet.iter_rows(min_row=3, min_col=2, max_col=3):
        for cell in row:
            cell.number_format = "0.00"
    for merged in ("B1:C1", "A1:A2", "D1:D2", "D4:D5"):
        sheet.merge_cells(merged)
    workbook.save(tmp_path / "a.xlsx")
    assert only_table(tmp_path / "a.xlsx") == PRICES


def test_xlsx_chinese_below_a_title_with_merged_rows_and_empty_cells(tmp_path: Path) -> None:
    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    sheet.title = "运费"
    sheet["A1"] = "运费说明（2026年起）"
    sheet.merge_cells("A1:D1")
    for y, row in enumerate((REGIONS.header, *REGIONS.rows), start=3):
        for x, text in enumerate(row, start=1):
            sheet.cell(y, x, int(text) if text.isdecimal() else text or None)
    sheet["A5"] = sheet["A7"] = None
    sheet.merge_cells("A4:A5")
    sheet.merge_cells("A6:A7")
    workbook.save(tmp_path / "a.xlsx")
    assert only_table(tmp_path / "a.xlsx") == REGIONS


def test_xlsx_dates_percentages_and_columns_without_text(tmp_path: Path) -> None:
    from datetime import date

    workbook = openpyxl.Workbook()
    sheet = workbook.active
    assert sheet is not None
    rows: list[list[Any]] = [
        ["Quarter", None, "Ends", "Share of returns", "Remark"],
        ["Q1", None, date(2026, 3, 31), 0.042, "two\nlines"],
        ["Q2", None, date(2026, 6, 30), 0.0385, None],
    ]
    for row in rows:
        sheet.append(row)
    for y in (2, 3):
        sheet.cell(y, 3).number_format = "yyyy-mm-dd"
        sheet.cell(y, 4).number_format = "0.0%"
    workbook.save(tmp_path / "a.xlsx")
    assert only_table(tmp_path / "a.xlsx") == Table(
        ("Quarter", "Ends", "Share of returns", "Remark"),
        (("Q1", "2026-03-31", "4.2%", "two lines"), ("Q2", "2026-06-30", "3.9%", "")),
    )


# --- HTML ---


def html(path: Path, body: str) -> Path:
    path.write_text(f"<html><head><meta charset=utf-8><title>t</title></head><body>{body}</body></html>", "utf-8")
    return path


def test_html_header_over_two_rows_with_spans_and_several_lines(tmp_path: Path) -> None:
    page = html(
        tmp_path / "a.html",
        """<p>What our plans cost.</p><table>
        <thead><tr><th rowspan=2>Plan</th><th colspan=2>Price</th><th rowspan=2>Support</th></tr>
        <tr><th>net</th><th>gross</th></tr></thead>
        <tr><td>Basic</td><td>10.00</td><td>11.90</td><td>Mail,<br>answered <b>within</b><p>two days</p></td></tr>
        <tr><td>Team</td><td>25.00</td><td>29.75</td><td rowspan=2>Mail and telephone</td></tr>
        <tr><td>Company</td><td>90.00</td><td>107.10</td></tr></table>""",
    )
    assert only_table(page) == PRICES


def test_html_chinese_with_rowspans_and_empty_cells(tmp_path: Path) -> None:
    head = "".join(f"<td>{label}</td>" for label in REGIONS.header)
    page = html(
        tmp_path / "a.html",
        f"""<table><tr>{head}</tr>
        <tr><td rowspan=2>华东</td><td>普通快递</td><td>8</td><td>1至2天</td></tr>
        <tr><td>次日达</td><td>15</td><td></td></tr>
        <tr><td rowspan=2>华北</td><td>普通快递</td><td>12</td><td>2至3天</td></tr>
        <tr><td>&nbsp;</td><td>20</td><td>仅限市区</td></tr></table>""",
    )
    assert only_table(page) == REGIONS


def test_html_row_headers_groups_and_a_foot(tmp_path: Path) -> None:
    page = html(
        tmp_path / "a.html",
        """<table><caption>Opening hours</caption>
        <thead><tr><td></td><th>Mon to Fri</th><th colspan=2>Weekend</th></tr>
        <tr><td></td><th></th><th>Sat</th><th>Sun</th></tr></thead>
        <tbody><tr><th>Shop</th><td>9:00</td><td>10:00</td><td>closed</td></tr>
        <tr><th>Hotline</th><td>8:00</td><td colspan=2>9:00</td></tr></tbody>
        <tfoot><tr><td>Chat</td><td colspan=3>always</td></tr></tfoot></table>""",
    )
    (element,) = tables(page)
    assert element.text == "Opening hours"
    assert element.table == Table(
        ("", "Mon to Fri", "Weekend / Sat", "Weekend / Sun"),
        (
            ("Shop", "9:00", "10:00", "closed"),
            ("Hotline", "8:00", "9:00", "9:00"),
            ("Chat", "always", "always", "always"),
        ),
    )


# --- PDF ---

GRID = ("GRID", (0, 0), (-1, -1), 0.5, colors.black)


def test_pdf_header_over_two_rows_with_merged_cells_and_several_lines(tmp_path: Path) -> None:
    rows = [["Plan", "Price", "", "Support"], ["", "net", "gross", ""], *(list(row) for row in PRICES.rows)]
    rows[2][3] = "Mail,\nanswered within\ntwo days"
    rows[4][3] = ""
    spans = [("SPAN", (1, 0), (2, 0)), ("SPAN", (0, 0), (0, 1)), ("SPAN", (3, 0), (3, 1)), ("SPAN", (3, 3), (3, 4))]
    text = Paragraph("What our plans cost a month, with and without the tax.")
    table = DrawnTable(rows, style=TableStyle([GRID, *spans]))
    SimpleDocTemplate(str(tmp_path / "a.pdf"), pagesize=A4).build([text, Spacer(1, 20), table])
    assert only_table(tmp_path / "a.pdf") == PRICES


def test_pdf_chinese_over_two_pages_with_merged_rows_and_empty_cells(tmp_path: Path) -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    style = ParagraphStyle("zh", fontName="STSong-Light", fontSize=11, leading=15, wordWrap="CJK")
    rows = [list(REGIONS.header), *(list(row) for _ in range(10) for row in REGIONS.rows)]
    cells = [[Paragraph(text, style) if text else "" for text in row] for row in rows]
    spans = [("SPAN", (0, y), (0, y + 1)) for y in range(1, len(rows), 2)]
    intro = Paragraph("各地区的运费如下，偏远地区另计。", style)
    # Narrow columns, so that the labels of the header need two lines.
    table = DrawnTable(cells, colWidths=[50, 80, 55, 75], style=TableStyle([GRID, *spans]), repeatRows=1)
    SimpleDocTemplate(str(tmp_path / "a.pdf"), pagesize=A4).build([intro, table])
    (element,) = tables(tmp_path / "a.pdf")
    assert element.table == Table(REGIONS.header, REGIONS.rows * 10)
    assert element.table is not None
    assert [box.page for box in element.boxes] == [1, 2]
    assert sorted(set(element.table.pages)) == [1, 2]


def test_pdf_without_rules_between_prose(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)

    def lines(y: float, *texts: str) -> float:
        for text in texts:
            canvas.drawString(72, y, text)
            y -= 14
        return y

    canvas.setFont("Helvetica", 11)
    y = lines(780, "These are the fees of a transfer abroad, which we take from the amount that you send", "with it.")
    y -= 14
    columns = (72, 230, 330, 430)
    header = [["", "Fee", "", "Arrives"], ["Way", "fixed", "of amount", "after"]]
    rows = [
        ["SEPA credit", "0.50", "", "1 day"],
        ["Wire to a bank", "12.00", "0.25 %", "3 days"],
        ["Card", "", "1.90 %", "1 day"],
    ]
    canvas.setFont("Helvetica-Bold", 11)
    canvas.drawCentredString(307, y, "Fee")
    canvas.drawString(430, y, "Arrives")
    y -= 16
    for row in (header[1], *rows):
        for x, text in zip(columns, row, strict=True):
            canvas.drawString(x, y, text)
        if row[0] == "Wire to a bank":
            y -= 12
            canvas.drawString(columns[0], y, "outside Europe")
        canvas.setFont("Helvetica", 11)
        y -= 20
    lines(y - 14, "Fees of other banks come on top of these, and we learn of them only afterwards.")
    canvas.save()
    elements = parse(tmp_path / "a.pdf").elements
    assert [e.kind for e in elements] == [ElementKind.PARAGRAPH, ElementKind.TABLE, ElementKind.PARAGRAPH]
    assert elements[1].table == Table(
        ("Way", "Fee / fixed", "Fee / of amount", "Arrives / after"),
        (
            ("SEPA credit", "0.50", "", "1 day"),
            ("Wire to a bank outside Europe", "12.00", "0.25 %", "3 days"),
            ("Card", "", "1.90 %", "1 day"),
        ),
    )
