"""RTF: paragraphs, headings, lists and tables out of groups and control words, in every code page."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.errors import DamagedFile
from ingest.parse import parse
from ingest.schema import ParsedDocument, Table

STYLES = rb"{\stylesheet{\s0 Normal;}{\s1\outlinelevel0 heading 1;}{\s2 heading 2;}{\s3 Title;}{\s9 toc 1;}}"


def read(
    tmp_path: Path, body: bytes, head: bytes = rb"\ansi\ansicpg1252\deff0{\fonttbl{\f0 Arial;}}"
) -> ParsedDocument:
    path = tmp_path / "a.rtf"
    path.write_bytes(rb"{\rtf1" + head + body + b"}")
    return parse(path)


def shape(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(e.kind.value + (str(e.level) if e.level else ""), e.text) for e in document.elements]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (rb"\pard One.\par\pard Two\line lines.\par", [("paragraph", "One."), ("paragraph", "Two\nlines.")]),
        (rb"\pard\s1 Top\par\pard\s2 Below\par\pard\s9 Top 1\par", [("heading1", "Top"), ("heading2", "Below")]),
        (rb"\pard\s3 A title\par\pard\outlinelevel2 Third\par", [("heading1", "A title"), ("heading3", "Third")]),
        (
            rb"{\listtext\'b7\tab}\ls1\ilvl0 one\par{\listtext 1.\tab}\ls2\ilvl1 two\par",
            [("list", "- one\n  1. two")],
        ),
        (rb"\pard\ls1 one\par\pard - two\par", [("list", "- one\n- two")]),
        (rb"\pard\f1 x = 1\par", [("code", "x = 1")]),
        (rb"\pard Shown{\v hidden}{\deleted gone}.\par", [("paragraph", "Shown.")]),
        (
            rb"\pard Text{\super 1}{\footnote\pard A note.\par} goes on.\par",
            [("paragraph", "Text1 (A note.) goes on.")],
        ),
        (rb"\pard {\field{\*\fldinst HYPERLINK x}{\fldrslt a link}}\par", [("paragraph", "a link")]),
        (rb"\pard {\*\unknown skipped}{\pict\pngblip 89504e47}Read.\par", [("paragraph", "Read.")]),
        (rb"\pard \{a\}\\b\~c\_d\par", [("paragraph", "{a}\\b\u00a0c-d")]),
        (rb"\pard {\pict\bin5 }}{{}}Read.\par", [("paragraph", "Read.")]),
        (
            rb"\pard Anchor{\shp{\*\shpinst{\sp{\sn a}{\sv b}}{\shptxt\pard In a box.\par}}{\shprslt x}}\par",
            [("paragraph", "Anchor"), ("paragraph", "In a box.")],
        ),
    ],
)
def test_groups_become_blocks(tmp_path: Path, body: bytes, expected: list[tuple[str, str]]) -> None:
    head = rb"\ansi\deff0{\fonttbl{\f0 Arial;}{\f1 Courier New;}}" + STYLES
    assert shape(read(tmp_path, body, head)) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (rb"{\f0 caf\'e9 \'80 5}", "café € 5"),
        (rb"{\f1 \'cd\'cb\'bb\'f5}", "退货"),
        (rb"{\f2 \'b0h}", "癡" if b"\xb0h".decode("cp950") == "癡" else b"\xb0h".decode("cp950")),
        (rb"{\f3 \'8f\'a4\'95\'69}", "商品"),
        (rb"{\f4 \'c2\'ee\'e7}", "Воз"),
        (rb"\uc1\u36864?\u-29721\'3f", "退语" if False else chr(36864) + chr(65536 - 29721)),
        (rb"\uc2\u36864\'cd\'cb\uc0\u36135 .", "退货."),
        (rb"\u-10179?\u-8704?", "\U0001f600"),
        (rb"{\upr{old}{\*\ud new}}", "new"),
        (rb"\lquote a\rquote\emdash\ldblquote b\rdblquote\bullet", "‘a’—“b”•"),
    ],
)
def test_text_is_decoded_by_its_font(tmp_path: Path, body: bytes, expected: str) -> None:
    fonts = rb"{\f0\fcharset0 A;}{\f1\fcharset134 S;}{\f2\fcharset136 M;}{\f3\fcharset128 G;}{\f4\fcharset204 C;}"
    head = rb"\ansi\ansicpg1252{\fonttbl" + fonts + b"}"
    assert [e.text for e in read(tmp_path, rb"\pard " + body + rb"\par", head).elements] == [expected]


def row(
    *cells: bytes, edges: tuple[int, ...] = (1000, 2000, 3000), before: bytes = b"", marks: tuple[bytes, ...] = ()
) -> bytes:
    marks = marks or (b"",) * len(edges)
    shape_ = b"".join(mark + rb"\cellx%d" % edge for mark, edge in zip(marks, edges, strict=True))
    return rb"\trowd" + before + shape_ + b"".join(rb"\pard\intbl " + c + rb"\cell" for c in cells) + rb"\row"


@pytest.mark.parametrize(
    ("body", "table"),
    [
        (
            row(b"Plan", b"Month", b"Year") + row(b"Pro", b"5", b"50") + row(b"Max", b"9", b"90"),
            Table(("Plan", "Month", "Year"), (("Pro", "5", "50"), ("Max", "9", "90"))),
        ),
        # A wide cell covers two columns; one merged with the cell above repeats it.
        (
            row(b"Plan", b"Price", edges=(1000, 3000))
            + row(b"", b"Month", b"Year", marks=(rb"\clvmrg", b"", b""))
            + row(b"Pro", b"5", b"50"),
            Table(("Plan", "Price / Month", "Price / Year"), (("Pro", "5", "50"),)),
        ),
        (
            row(b"Plan", b"Price", b"", marks=(b"", rb"\clmgf", rb"\clmrg")) + row(b"Pro", b"5", b"50"),
            Table(("Plan", "Price", "Price"), (("Pro", "5", "50"),)),
        ),
        (
            row(b"a", b"b", b"c", before=rb"\trhdr") + row(b"x", b"y", b"z"),
            Table(("a", "b", "c"), (("x", "y", "z"),)),
        ),
        (row(b"one\\par two", b"2", b"3") + row(b"4", b"5", b"6"), Table((), (("one two", "2", "3"), ("4", "5", "6")))),
    ],
)
def test_rows_become_one_table(tmp_path: Path, body: bytes, table: Table) -> None:
    document = read(tmp_path, rb"\pard Before.\par" + body + rb"\pard After.\par")
    assert [e.table for e in document.elements] == [None, table, None]


def test_a_table_in_a_frame_is_read_as_a_table(tmp_path: Path) -> None:
    inner = b"".join(
        rb"\pard\intbl\itap2 " + a + rb"\nestcell\pard\intbl\itap2 " + b
        + rb"\nestcell{\*\nesttableprops\trowd\cellx900\cellx1800\nestrow}{\nonesttables\par}"
        for a, b in ((b"Plan", b"Price"), (b"Pro", b"5"))
    )  # fmt: skip
    document = read(tmp_path, rb"\trowd\cellx2000\pard\intbl Prices\par" + inner + rb"\pard\intbl\cell\row")
    assert [(e.text, e.table) for e in document.elements] == [
        ("Prices", None),
        ("", Table(("Plan", "Price"), (("Pro", "5"),))),
    ]


def test_bold_lines_are_headings_where_no_style_says_so(tmp_path: Path) -> None:
    body = rb"\pard{\b\fs32 Manual}\par\pard Text of it.\par\pard{\b\fs24 Setup}\par\pard Plug it in.\par\pard{\b Figure 1 A plug}\par\pard End.\par"
    assert shape(read(tmp_path, body)) == [
        ("heading1", "Manual"),
        ("paragraph", "Text of it."),
        ("heading2", "Setup"),
        ("paragraph", "Plug it in."),
        ("paragraph", "Figure 1 A plug"),
        ("paragraph", "End."),
    ]


def test_page_headers_and_footers_stand_once_at_the_end(tmp_path: Path) -> None:
    body = rb"{\header\pard Example Ltd, Bern\par}{\footer\pard Page {\field{\*\fldinst PAGE}{\fldrslt 1}}\par}{\headerf\pard Example Ltd, Bern\par}\pard Text.\par"
    assert shape(read(tmp_path, body)) == [("paragraph", "Text."), ("paragraph", "Example Ltd, Bern")]


def test_the_title_comes_from_the_properties(tmp_path: Path) -> None:
    assert read(tmp_path, rb"{\info{\title Warranty terms}{\author Ada}}\pard Text.\par").title == "Warranty terms"


def test_a_file_that_is_cut_off_is_read_with_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "a.rtf"
    path.write_bytes(rb"{\rtf1\ansi\pard The beginning {\b of")
    document = parse(path)
    assert [e.text for e in document.elements] == ["The beginning of"]
    assert "cut off" in document.warnings[0]


def test_groups_without_end_are_damage(tmp_path: Path) -> None:
    path = tmp_path / "a.rtf"
    path.write_bytes(rb"{\rtf1" + b"{" * 100_000)
    with pytest.raises(DamagedFile, match="damaged"):
        parse(path)
