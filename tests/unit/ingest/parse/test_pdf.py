"""PDF files, drawn by reportlab."""

from __future__ import annotations

from pathlib import Path

import pytest
from reportlab.lib import colors, pdfencrypt
from reportlab.lib.pagesizes import A4
from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import SimpleDocTemplate, TableStyle
from reportlab.platypus import Table as DrawnTable

from ingest.errors import NoText, PasswordProtected
from ingest.parse import parse
from ingest.parse.pdf_layout import join
from ingest.schema import Element, ElementKind, Table

BODY = "Every order can be returned within thirty days of delivery in its original box."


def lines(
    canvas: Canvas, text: list[str], x: float = 72, y: float = 700, size: float = 11, font: str = "Helvetica"
) -> float:
    canvas.setFont(font, size)
    for line in text:
        canvas.drawString(x, y, line)
        y -= 1.25 * size
    return y


def shape(elements: tuple[Element, ...]) -> list[tuple[str, str]]:
    return [(e.kind.value, e.text) for e in elements]


def test_headings_paragraphs_and_lists(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    canvas.setTitle("Return policy")
    y = lines(canvas, ["Returns"], size=20, y=780)
    y = lines(canvas, ["Who pays"], size=14, y=y - 20, font="Helvetica-Bold")
    y = lines(
        canvas,
        [BODY, "We pay the ship-", "ping both ways for items that are broken or wrong, no questions asked."],
        y=y - 5,
    )
    y = lines(canvas, ["Keep these at hand:"], y=y - 15)
    y = lines(canvas, ["• the receipt", "• the box"], y=y - 5)
    canvas.save()
    document = parse(tmp_path / "a.pdf")
    assert [(e.kind.value, e.level) for e in document.elements[:2]] == [("heading", 1), ("heading", 2)]
    text = [e.text for e in document.elements]
    assert text[:2] == ["Returns", "Who pays"]
    assert any("We pay the shipping both ways" in part.replace("\n", " ") for part in text)
    assert text[-1] == "- the receipt\n- the box"
    assert document.elements[-1].kind is ElementKind.LIST
    assert (document.title, document.page_count) == ("Return policy", 1)
    assert {e.page for e in document.elements} == {1}


def test_two_columns_are_read_one_after_the_other(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    lines(canvas, ["A title that stands over both of the columns of this page"], y=780, size=16)
    left = [f"left column line number {i} is here and" for i in range(10)]
    right = [f"right column line number {i} is here and" for i in range(10)]
    lines(canvas, left, x=60, y=740)
    lines(canvas, right, x=320, y=737)
    canvas.save()
    text = " ".join(e.text for e in parse(tmp_path / "a.pdf").elements).replace("\n", " ")
    assert text.index("A title") < text.index("left column line number 9") < text.index("right column line number 0")


def test_running_heads_and_page_numbers_are_dropped(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    for page in range(1, 5):
        lines(canvas, [f"ACME handbook, chapter {page}"], y=815, size=9)
        lines(canvas, [f"{name} text of page {page}. {BODY}" for name in ("Upper", "Lower")], y=500)
        lines(canvas, [f"Page {page} of 4"], x=280, y=25, size=9)
        canvas.showPage()
    canvas.save()
    document = parse(tmp_path / "a.pdf")
    text = " ".join(e.text for e in document.elements)
    assert "handbook" not in text
    assert "of 4" not in text
    assert all(f"Lower text of page {page}." in text for page in range(1, 5))
    assert [e.page for e in document.elements] == sorted(e.page or 0 for e in document.elements)


def test_ruled_tables_keep_cells_and_carry_their_header(tmp_path: Path) -> None:
    rows = [["Plan", "Price", "Seats"], *([f"Plan {i}", f"${i}.00", str(i)] for i in range(60))]
    style = TableStyle([("GRID", (0, 0), (-1, -1), 0.5, colors.black)])
    SimpleDocTemplate(str(tmp_path / "a.pdf"), pagesize=A4).build([DrawnTable(rows, style=style)])
    document = parse(tmp_path / "a.pdf")
    (element,) = document.elements
    assert element.table == Table(("Plan", "Price", "Seats"), tuple(tuple(row) for row in rows[1:]))
    assert document.page_count == 2
    assert [box.page for box in element.boxes] == [1, 2]
    assert element.table.pages == tuple(sorted(element.table.pages))
    assert set(element.table.pages) == {1, 2}


def test_merged_cells_repeat(tmp_path: Path) -> None:
    rows = [["Plan", "Price", ""], ["", "Month", "Year"], ["Pro", "5", "50"]]
    style = TableStyle(
        [("GRID", (0, 0), (-1, -1), 0.5, colors.black), ("SPAN", (1, 0), (2, 0)), ("SPAN", (0, 0), (0, 1))]
    )
    SimpleDocTemplate(str(tmp_path / "a.pdf")).build([DrawnTable(rows, style=style)])
    (element,) = parse(tmp_path / "a.pdf").elements
    assert element.table == Table(("Plan", "Price / Month", "Price / Year"), (("Pro", "5", "50"),))


def test_chinese_lines_are_joined_without_spaces(tmp_path: Path) -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    lines(
        canvas,
        ["自收到商品之日起七天内，您可以申请无理由退货，我们会在", "三个工作日内退款。"],
        font="STSong-Light",
        size=12,
    )
    canvas.save()
    (element,) = parse(tmp_path / "a.pdf").elements
    assert element.text == "自收到商品之日起七天内，您可以申请无理由退货，我们会在三个工作日内退款。"


def test_the_outline_makes_headings(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    y = 780.0
    for title, level in (("Scope", 0), ("Products", 1), ("Duration", 0)):
        canvas.bookmarkPage(title)
        canvas.addOutlineEntry(title, title, level)
        y = lines(canvas, [title], y=y - 20)
        y = lines(canvas, [BODY, BODY], y=y - 12)
    canvas.save()
    headings = [(e.text, e.level) for e in parse(tmp_path / "a.pdf").elements if e.kind is ElementKind.HEADING]
    assert headings == [("Scope", 1), ("Products", 2), ("Duration", 1)]


def test_a_pdf_with_a_user_password_is_refused_and_one_without_is_read(tmp_path: Path) -> None:
    for password, name in (("secret", "locked.pdf"), ("", "open.pdf")):
        encryption = pdfencrypt.StandardEncryption(password, ownerPassword="owner", strength=128)
        canvas = Canvas(str(tmp_path / name), encrypt=encryption)
        lines(canvas, [BODY])
        canvas.save()
    assert shape(parse(tmp_path / "open.pdf").elements) == [("paragraph", BODY)]
    with pytest.raises(PasswordProtected, match=r"locked\.pdf"):
        parse(tmp_path / "locked.pdf")


def test_pages_without_text(tmp_path: Path) -> None:
    for pages, name in (([BODY, ""], "some.pdf"), (["", ""], "none.pdf")):
        canvas = Canvas(str(tmp_path / name))
        for text in pages:
            lines(canvas, [text])
            canvas.rect(100, 100, 200, 200)
            canvas.showPage()
        canvas.save()
    assert parse(tmp_path / "some.pdf").warnings == ("Pages without text: 2.",)
    with pytest.raises(NoText, match="OCR"):
        parse(tmp_path / "none.pdf")


@pytest.mark.parametrize(
    ("first", "second", "joined"),
    [
        ("the infor-", "mation", "the information"),
        ("the infor\u00ad", "mation", "the information"),
        ("Anglo-", "American", "Anglo-American"),
        ("a self-", "service shop", "a self-service shop"),
        ("short-", "and long-term", "short- and long-term"),
        ("the FD-", "200", "the FD-200"),
        ("退货", "政策", "退货政策"),
        ("用 Dify", "平台", "用 Dify 平台"),
    ],
)
def test_join(first: str, second: str, joined: str) -> None:
    assert join(first, second) == joined


def test_a_loosely_set_text_above_tight_notes_is_whole_paragraphs(tmp_path: Path) -> None:
    pdfmetrics.registerFont(UnicodeCIDFont("STSong-Light"))
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    canvas.setFont("STSong-Light", 12)
    text = "自收到商品之日起七天内您可以申请无理由退货我们会在三个工作日内退款如果商品有质量问题运费由我们承担"
    y = 780
    for number in range(8):
        canvas.drawString(72, y, text[number : number + 34])
        y -= 26
    # The notes have more lines than the text, and make the usual pitch.
    for number in range(12):
        canvas.drawString(72, y - 20, text[number : number + 34])
        y -= 15
    canvas.save()
    first, *notes = parse(tmp_path / "a.pdf").elements
    assert first.text.startswith(text[:34] + text[1:35])
    assert text[7:41] in first.text
    assert len(notes) <= 1


def test_short_lines_with_wide_gaps_stay_apart(tmp_path: Path) -> None:
    canvas = Canvas(str(tmp_path / "a.pdf"), pagesize=A4)
    said = [f"{BODY[:40]} {number}" for number in range(8)]
    canvas.setFont("Helvetica", 11)
    canvas.drawString(72, 760, BODY)
    for number, line in enumerate(said):
        canvas.drawString(72, 730 - 25 * number, line)
    for number in range(12):
        canvas.drawString(72, 500 - 14 * number, BODY)
    canvas.save()
    texts = [element.text for element in parse(tmp_path / "a.pdf").elements]
    assert [text for text in texts if text in said] == said
