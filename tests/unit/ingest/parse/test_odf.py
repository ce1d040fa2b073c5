"""OpenDocument texts, spreadsheets and presentations, from XML as office programs write it."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ingest.errors import DamagedFile, PasswordProtected
from ingest.parse import parse
from ingest.schema import ParsedDocument, Table

NAMESPACES = " ".join(
    f'xmlns:{prefix}="urn:oasis:names:tc:opendocument:xmlns:{name}:1.0"'
    for prefix, name in (("office", "office"), ("text", "text"), ("table", "table"), ("draw", "drawing"), ("style", "style"),
                         ("presentation", "presentation"))
)  # fmt: skip
STYLES = """
<style:style style:name="P1" style:parent-style-name="Heading_20_2"/>
<style:style style:name="P2" style:parent-style-name="Preformatted_20_Text"/>
<style:style style:name="hidden"><style:table-properties table:display="false"/></style:style>
<text:list-style style:name="L1">
 <text:list-level-style-number text:level="1" style:num-format="1" style:num-suffix="."/>
 <text:list-level-style-number text:level="2" style:num-format="1" style:num-suffix="." text:display-levels="2"/>
</text:list-style>
<text:list-style style:name="L2"><text:list-level-style-bullet text:level="1"/></text:list-style>
"""


def odf(path: Path, kind: str, body: str, **parts: str) -> Path:
    suffix = {"text": "odt", "spreadsheet": "ods", "presentation": "odp"}[kind]
    content = (
        f'<office:document-content {NAMESPACES} xmlns:xlink="http://www.w3.org/1999/xlink">'
        f"<office:automatic-styles>{STYLES}</office:automatic-styles>"
        f"<office:body><office:{kind}>{body}</office:{kind}></office:body></office:document-content>"
    )
    path = path / f"a.{suffix}"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", f"application/vnd.oasis.opendocument.{kind}")
        archive.writestr("content.xml", content)
        for name, part in parts.items():
            archive.writestr(name.replace("__", "/").replace("_", ".").replace("/meta.inf/", "META-INF/"), part)
    return path


def shape(document: ParsedDocument) -> list[tuple[str, str]]:
    return [(e.kind.value + (str(e.level) if e.level else ""), e.text) for e in document.elements]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('<text:h text:outline-level="2">Setup</text:h><text:p>Plug it in.</text:p>', [("heading2", "Setup"), ("paragraph", "Plug it in.")]),
        ('<text:p text:style-name="P1">By style</text:p><text:p text:style-name="Title">Named</text:p>', [("heading2", "By style"), ("heading1", "Named")]),
        ('<text:p>a<text:s text:c="2"/>b<text:tab/>c<text:line-break/>d\n  e</text:p>', [("paragraph", "a  b\tc\nd e")]),
        ('<text:p>See <text:a>the <text:span>link</text:span></text:a>.</text:p>', [("paragraph", "See the link.")]),
        ("<text:p>Text<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>A note.</text:p></text:note-body></text:note>.</text:p>", [("paragraph", "Text (A note.).")]),
        ("<text:p>Kept<office:annotation><text:p>a comment</text:p></office:annotation>.</text:p>", [("paragraph", "Kept.")]),
        ("<text:tracked-changes><text:p>deleted</text:p></text:tracked-changes><text:p>Kept.</text:p>", [("paragraph", "Kept.")]),
        ("<text:table-of-content><text:p>Setup 1</text:p></text:table-of-content><text:section><text:p>In.</text:p></text:section>", [("paragraph", "In.")]),
        ('<text:p text:style-name="P2">x = 1</text:p><text:p text:style-name="P2">y = 2</text:p>', [("code", "x = 1\ny = 2")]),
        (
            '<text:p>Anchor<draw:frame><draw:text-box><text:p>In a box.</text:p></draw:text-box></draw:frame></text:p>',
            [("paragraph", "Anchor"), ("paragraph", "In a box.")],
        ),
        (
            '<text:list text:style-name="L1"><text:list-item><text:p>one</text:p><text:list><text:list-item><text:p>deep</text:p></text:list-item></text:list></text:list-item>'
            "<text:list-item><text:p>two</text:p><text:p>more of two</text:p></text:list-item></text:list>",
            [("list", "1. one\n  1.1. deep\n2. two more of two")],
        ),
        ('<text:list text:style-name="L2"><text:list-item><text:p>a</text:p></text:list-item></text:list>', [("list", "- a")]),
        (
            '<text:list text:style-name="L1"><text:list-item><text:h text:outline-level="1">First</text:h></text:list-item></text:list><text:p>Text.</text:p>'
            '<text:list text:style-name="L1" text:continue-numbering="true"><text:list-item><text:list><text:list-item><text:h text:outline-level="2">Under</text:h></text:list-item></text:list></text:list-item></text:list>',
            [("heading1", "1. First"), ("paragraph", "Text."), ("heading2", "1.1. Under")],
        ),
    ],
)  # fmt: skip
def test_a_text_becomes_blocks(tmp_path: Path, body: str, expected: list[tuple[str, str]]) -> None:
    assert shape(parse(odf(tmp_path, "text", body))) == expected


def cell(text: str, **attributes: int) -> str:
    spans = "".join(f' table:number-{name.replace("_", "-")}="{value}"' for name, value in attributes.items())
    return f"<table:table-cell{spans}><text:p>{text}</text:p></table:table-cell>"


ROWS = (
    f"<table:table-row>{cell('Plan', rows_spanned=2)}{cell('Price', columns_spanned=2)}<table:covered-table-cell/></table:table-row>"
    f"<table:table-row><table:covered-table-cell/>{cell('Month')}{cell('Year')}</table:table-row>"
    f"<table:table-row>{cell('Pro')}{cell('5 €', columns_repeated=2)}</table:table-row>"
)
TABLE = Table(("Plan", "Price / Month", "Price / Year"), (("Pro", "5 €", "5 €"),))


def test_merged_cells_repeat(tmp_path: Path) -> None:
    (element,) = parse(odf(tmp_path, "text", f"<table:table>{ROWS}</table:table>")).elements
    assert element.table == TABLE


def test_rows_that_are_marked_as_header_are_the_header(tmp_path: Path) -> None:
    head = f"<table:table-row>{cell('2024')}{cell('2025')}</table:table-row>"
    body = f"<table:table><table:table-header-rows>{head}</table:table-header-rows><table:table-row>{cell('1')}{cell('2')}</table:table-row></table:table>"
    (element,) = parse(odf(tmp_path, "text", body)).elements
    assert element.table == Table(("2024", "2025"), (("1", "2"),))


def test_a_frame_of_one_cell_is_read_as_text(tmp_path: Path) -> None:
    body = f"<table:table><table:table-row>{cell('Note: unplug first.')}</table:table-row></table:table>"
    assert shape(parse(odf(tmp_path, "text", body))) == [("paragraph", "Note: unplug first.")]


def test_a_spreadsheet_is_its_visible_sheets_as_displayed(tmp_path: Path) -> None:
    filler = '<table:table-row table:number-rows-repeated="1048000"><table:table-cell table:number-columns-repeated="16384"/></table:table-row>'
    body = (
        f'<table:table table:name="Prices">{ROWS}{filler}</table:table>'
        f'<table:table table:name="Old" table:style-name="hidden">{ROWS}</table:table>'
    )
    document = parse(odf(tmp_path, "spreadsheet", body))
    assert [(e.text, e.sheet, e.table) for e in document.elements] == [
        ("Prices", "Prices", None),
        ("", "Prices", TABLE),
    ]
    assert document.warnings == ('The hidden sheet "Old" was left out.',)


def test_a_presentation_is_its_slides(tmp_path: Path) -> None:
    body = (
        '<draw:page><draw:frame presentation:class="title"><draw:text-box><text:p>Welcome</text:p></draw:text-box></draw:frame>'
        '<draw:frame><draw:text-box><text:list text:style-name="L2"><text:list-item><text:p>one</text:p></text:list-item></text:list></draw:text-box></draw:frame>'
        '<draw:frame presentation:class="page-number"><draw:text-box><text:p>1</text:p></draw:text-box></draw:frame>'
        "<presentation:notes><draw:frame><draw:text-box><text:p>Say hello.</text:p></draw:text-box></draw:frame></presentation:notes></draw:page>"
        "<draw:page><draw:custom-shape><text:p>In a shape</text:p></draw:custom-shape></draw:page>"
    )
    document = parse(odf(tmp_path, "presentation", body))
    assert document.page_count == 2
    assert [(e.kind.value, e.text, e.page) for e in document.elements] == [
        ("heading", "Welcome", 1),
        ("list", "- one", 1),
        ("paragraph", "Notes: Say hello.", 1),
        ("paragraph", "In a shape", 2),
    ]


def test_formulas_are_read(tmp_path: Path) -> None:
    body = '<text:p>It is <draw:frame><draw:object xlink:href="./Object 1"/></draw:frame>.</text:p>'
    path = odf(tmp_path, "text", body)
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(
            "Object 1/content.xml",
            '<math xmlns="http://www.w3.org/1998/Math/MathML"><semantics><mrow><mi>A</mi><mo>=</mo><mi>π</mi></mrow>'
            '<annotation encoding="StarMath 5.0">A = %pi</annotation></semantics></math>',
        )
    assert shape(parse(path)) == [("paragraph", "It is A=π.")]


def test_page_headers_stand_once_at_the_end_and_the_title_is_the_files(tmp_path: Path) -> None:
    path = odf(tmp_path, "text", "<text:p>Text.</text:p>")
    with zipfile.ZipFile(path, "a") as archive:
        header = "<style:header><text:p>Example Ltd, Bern</text:p></style:header>"
        footer = "<style:footer><text:p>Page <text:page-number>1</text:page-number></text:p></style:footer>"
        archive.writestr(
            "styles.xml",
            f"<office:document-styles {NAMESPACES}><office:master-styles>"
            + f"<style:master-page>{header}{footer}</style:master-page>" * 2
            + "</office:master-styles></office:document-styles>",
        )
        archive.writestr("meta.xml", '<m xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Warranty</dc:title></m>')
    document = parse(path)
    assert document.title == "Warranty"
    assert shape(document) == [("paragraph", "Text."), ("paragraph", "Example Ltd, Bern")]


def test_an_encrypted_text_asks_for_a_copy(tmp_path: Path) -> None:
    path = odf(tmp_path, "text", "<text:p>x</text:p>")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("META-INF/manifest.xml", "<manifest><encryption-data/></manifest>")
    with pytest.raises(PasswordProtected, match="password"):
        parse(path)


def test_a_text_without_its_content_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.odt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
    with pytest.raises(DamagedFile, match=r"'content\.xml' of the file is missing"):
        parse(path)
