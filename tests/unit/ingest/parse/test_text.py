"""Plain text, separated values, and the encodings they come in."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest.parse import parse
from ingest.schema import Element, ElementKind, Table

ZH = "退货政策：自收到商品之日起七天内可以无理由退货。请保留原包装和发票，运费由买家承担。"
TW = "退貨政策：自收到商品之日起七天內可以無理由退貨。請保留原包裝和發票，運費由買家承擔。"


def read(path: Path, content: str | bytes) -> tuple[Element, ...]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return parse(path).elements


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (ZH, "utf-8"),
        (ZH, "utf-8-sig"),
        (ZH, "gb18030"),
        (ZH, "utf-16"),
        (ZH + "\nOK\n", "utf-16-le"),
        (ZH + "\nOK\n", "utf-16-be"),
        (TW, "big5"),
        ("返品は商品到着後７日以内にお願いいたします。送料はお客様のご負担となります。", "shift_jis"),
        ("Rücksendungen sind innerhalb von vierzehn Tagen möglich. Größe und Maße prüfen.", "cp1252"),
        ("It’s “free” – within 30 days.", "cp1252"),
    ],
)
def test_encodings_are_found(tmp_path: Path, text: str, encoding: str) -> None:
    elements = read(tmp_path / "a.txt", text.encode(encoding))
    assert "".join(e.text for e in elements).replace("\n", "") == text.replace("\n", "")


def test_a_file_cut_in_a_character_loses_only_that() -> None:
    from ingest.parse.encodings import decode

    assert decode(ZH.encode()[:-1], "a.txt") == ZH[:-1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One.\n\nTwo.", [("paragraph", "One."), ("paragraph", "Two.")]),
        ("Buy:\n- milk\n* eggs\n1. pay", [("paragraph", "Buy:"), ("list", "- milk\n- eggs\n1. pay")]),
        ("第一章 总则\n正文。", [("heading", "第一章 总则"), ("paragraph", "正文。")]),
        ("12 Main Street\nSpringfield", [("paragraph", "12 Main Street\nSpringfield")]),
        (
            "These lines were wrapped by hand at a margin of about sixty\n"
            "characters, as mail programs do, and so they are one single\nparagraph.",
            [
                (
                    "paragraph",
                    "These lines were wrapped by hand at a margin of about sixty characters, as mail programs do, "
                    "and so they are one single paragraph.",
                )
            ],
        ),
    ],
)
def test_plain_text_becomes_blocks(tmp_path: Path, text: str, expected: list[tuple[str, str]]) -> None:
    assert [(e.kind.value, e.text) for e in read(tmp_path / "a.txt", text)] == expected


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_separators_are_sniffed(tmp_path: Path, separator: str) -> None:
    rows = [["Plan", "Price"], ["Basic", "5"], ["Pro", "12"]]
    elements = read(tmp_path / "a.csv", "\n".join(separator.join(row) for row in rows))
    assert elements == (
        Element(ElementKind.TABLE, "", table=Table(("Plan", "Price"), (("Basic", "5"), ("Pro", "12")))),
    )


@pytest.mark.parametrize(
    ("text", "table"),
    [
        ('q,a\n"Where, when?","Line one\nline two"\n', Table(("q", "a"), (("Where, when?", "Line one line two"),))),
        ("a,b\n1\n2,3,4\n", Table(("a", "b", ""), (("1", "", ""), ("2", "3", "4")))),
        ("1,2\n3,4\n", Table((), (("1", "2"), ("3", "4")))),
        ("问题,答案\n几点开门？,九点\n", Table(("问题", "答案"), (("几点开门？", "九点"),))),
        ("a,,b\n1,,2\n,,\n", Table(("a", "b"), (("1", "2"),))),
    ],
)
def test_values_become_one_table(tmp_path: Path, text: str, table: Table) -> None:
    assert [e.table for e in read(tmp_path / "a.csv", text)] == [table]


def test_a_title_line_above_the_values_is_a_paragraph(tmp_path: Path) -> None:
    title, table = read(tmp_path / "a.csv", "Prices 2026,,\nPlan,Price,Seats\nBasic,5,1\nPro,12,3\n")
    assert (title.kind, title.text) == (ElementKind.PARAGRAPH, "Prices 2026")
    assert table.table is not None
    assert table.table.header == ("Plan", "Price", "Seats")


def test_a_gb18030_csv(tmp_path: Path) -> None:
    (table,) = read(tmp_path / "a.csv", "商品,价格\n键盘,199元\n显示器,1299元\n".encode("gb18030"))
    assert table.table == Table(("商品", "价格"), (("键盘", "199元"), ("显示器", "1299元")))
