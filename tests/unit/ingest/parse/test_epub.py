"""E-books: pages in the order of the spine."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from ingest.errors import DamagedFile, NoText, PasswordProtected
from ingest.parse import parse

CONTAINER = '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles><rootfile full-path="OPS/a.opf"/></rootfiles></container>'
PACKAGE = """<package xmlns="http://www.idpf.org/2007/opf"><metadata xmlns:dc="http://purl.org/dc/elements/1.1/">
<dc:title>The manual</dc:title></metadata><manifest>
<item id="cover" href="cover.xhtml" media-type="application/xhtml+xml"/>
<item id="nav" href="nav.xhtml" media-type="application/xhtml+xml" properties="nav"/>
<item id="two" href="text/two%20b.xhtml" media-type="application/xhtml+xml"/>
<item id="one" href="text/one.xhtml" media-type="application/xhtml+xml"/>
<item id="pic" href="pic.png" media-type="image/png"/></manifest>
<spine><itemref idref="cover"/><itemref idref="nav"/><itemref idref="one"/><itemref idref="two"/><itemref idref="pic"/>
<itemref idref="lost"/></spine>
<guide><reference type="cover" href="cover.xhtml"/><reference type="toc" href="text/one.xhtml#toc"/></guide></package>"""


def page(body: str, encoding: str = "utf-8") -> bytes:
    return (
        f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE html><html xmlns="http://www.w3.org/1999/xhtml">'
        f"<head><title/></head><body>{body}</body></html>"
    ).encode(encoding)


def book(tmp_path: Path, **changes: bytes | None) -> Path:
    parts: dict[str, bytes | None] = {
        "mimetype": b"application/epub+zip",
        "META-INF/container.xml": CONTAINER.encode(),
        "OPS/a.opf": PACKAGE.encode(),
        "OPS/cover.xhtml": page("<p>Cover</p>"),
        "OPS/nav.xhtml": page("<ol><li>One</li></ol>"),
        "OPS/text/one.xhtml": page('<h1>One<a id="x"/></h1><p>First text.</p><aside><p>A side note.</p></aside>'),
        "OPS/text/two b.xhtml": page(
            "<h1>二</h1><table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>", "gb18030"
        ),
        **changes,
    }
    path = tmp_path / "a.epub"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in parts.items():
            if content is not None:
                archive.writestr(name, content)
    return path


def test_pages_are_read_in_order_without_cover_and_contents(tmp_path: Path) -> None:
    document = parse(book(tmp_path))
    assert (document.format, document.title) == ("epub", "The manual")
    assert [(e.kind.value, e.text) for e in document.elements] == [
        ("heading", "One"),
        ("paragraph", "First text."),
        ("paragraph", "A side note."),
        ("heading", "二"),
        ("table", ""),
    ]


def test_a_missing_page_is_a_warning(tmp_path: Path) -> None:
    document = parse(book(tmp_path, **{"OPS/text/one.xhtml": None}))
    assert document.warnings == ("Pages of the book are missing: OPS/text/one.xhtml.",)
    assert document.elements[0].text == "二"


@pytest.mark.parametrize(
    ("uri", "error"),
    [("OPS/text/one.xhtml", PasswordProtected), ("OPS/fonts/a.otf", None)],
)
def test_a_protected_book_says_so_and_scrambled_fonts_do_not_matter(
    tmp_path: Path, uri: str, error: type[Exception] | None
) -> None:
    listed = f'<encryption><EncryptedData><CipherData><CipherReference URI="{uri}"/></CipherData></EncryptedData></encryption>'
    path = book(tmp_path, **{"META-INF/encryption.xml": listed.encode()})
    if error is None:
        assert parse(path).elements
    else:
        with pytest.raises(error, match="DRM"):
            parse(path)


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"META-INF/container.xml": None, "OPS/a.opf": None}, DamagedFile, "no list of its pages"),
        ({"OPS/a.opf": b"<broken"}, DamagedFile, "not well-formed"),
        ({"OPS/text/one.xhtml": None, "OPS/text/two b.xhtml": None}, NoText, "Pages of the book are missing"),
    ],
)
def test_a_broken_book_says_what_is_missing(
    tmp_path: Path, changes: dict[str, bytes | None], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        parse(book(tmp_path, **changes))
