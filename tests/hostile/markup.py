"""Hostile texts and XML: entities that explode or look around, nesting without end, tables of endless cells."""

from __future__ import annotations

import json
import pickle

from tests.hostile.archives import parts_of, replaced
from tests.hostile.honest import docx, epub, open_document, xlsx

_WORD = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
_SHEET = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def billion_laughs() -> str:
    """A document type whose entity &j; is 10^10 laughs."""
    lines = ['<!ENTITY a "lol ">']
    lines += [f'<!ENTITY {b} "{f"&{a};" * 10}">' for a, b in zip("abcdefghi", "bcdefghij", strict=True)]
    return "<?xml version='1.0'?><!DOCTYPE x [" + "".join(lines) + "]>"


def quadratic() -> str:
    """A document type whose entity &j; is 100,000 characters, to be used 50,000 times."""
    return f"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY j \"{'A' * 100_000}\">]>"


def outside(address: str) -> str:
    """A document type whose entity &j; is what stands at an address, and which fetches another by itself."""
    return (
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY j SYSTEM "{address}">'
        f'<!ENTITY % fetched SYSTEM "{address}"> %fetched;]>'
    )


def with_entities(kind: str, types: str, uses: int = 1) -> bytes:
    """A document of a kind that uses the entity &j; so many times."""
    used = "&j; " * uses
    if kind == "docx":
        body = f"{types}<w:document {_WORD}><w:body><w:p><w:r><w:t>{used}</w:t></w:r></w:p></w:body></w:document>"
        return replaced(docx(), {"word/document.xml": body.encode()})
    if kind == "xlsx":
        row = f'<row r="1"><c r="A1" t="inlineStr"><is><t>{used}</t></is></c></row>'
        body = f"{types}<worksheet {_SHEET}><sheetData>{row}</sheetData></worksheet>"
        return replaced(xlsx(), {"xl/worksheets/sheet1.xml": body.encode()})
    if kind == "odt":
        return open_document("text", f"<text:p>{used}</text:p>", before=types)
    if kind == "epub":
        return epub(f"<p>{used}</p>", before=types)
    return f"{types}<html><body><p>Text</p><svg><text>{used}</text></svg></body></html>".encode()


def fetching_docx(address: str) -> bytes:
    """A Word file whose picture and template are elsewhere."""
    relations = (
        '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
        f'<Relationship Id="rId1" Type="{_RELATION}/image" Target="{address}" TargetMode="External"/>'
        f'<Relationship Id="rId2" Type="{_RELATION}/attachedTemplate" Target="{address}" TargetMode="External"/>'
        "</Relationships>"
    )
    return replaced(docx(), {"word/_rels/document.xml.rels": relations.encode()})


def fetching_page(address: str) -> bytes:
    """A web page that fetches whatever a page can fetch."""
    return (
        f"<html><head><base href='{address}'><link rel=stylesheet href='{address}'><script src='{address}'></script>"
        f"<meta http-equiv=refresh content='0;url={address}'></head><body><p>Text</p><img src='{address}'>"
        f"<iframe src='{address}'></iframe><object data='{address}'></object><embed src='{address}'>"
        f"<svg><image href='{address}'/><use href='{address}#x'/></svg></body></html>"
    ).encode()


def macros(package: bytes, main: str, kind: str) -> bytes:
    """An office file with macros, by its content type and its part."""
    types = parts_of(package)["[Content_Types].xml"].replace(main.encode(), kind.encode())
    return replaced(
        package, {"[Content_Types].xml": types, f"{kind.split('.')[2]}/vbaProject.bin": b"\xd0\xcf\x11\xe0" * 99}
    )


def huge_merge() -> bytes:
    """A sheet that says that all of its 17 thousand million cells are one, and one far away."""
    body = (
        f'<worksheet {_SHEET}><dimension ref="A1:XFD1048576"/><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>Text'
        '</t></is></c></row><row r="1048576"><c r="XFD1048576"><v>1</v></c></row></sheetData>'
        '<mergeCells count="1"><mergeCell ref="A1:XFD1048576"/></mergeCells></worksheet>'
    )
    return replaced(xlsx(), {"xl/worksheets/sheet1.xml": body.encode()})


def huge_spans() -> bytes:
    """A Word table whose one cell is as wide as a number can say."""
    body = (
        f"<w:document {_WORD}><w:body><w:tbl><w:tblGrid><w:gridCol/></w:tblGrid><w:tr><w:tc><w:tcPr>"
        '<w:gridSpan w:val="100000000"/></w:tcPr><w:p><w:r><w:t>Text</w:t></w:r></w:p></w:tc></w:tr></w:tbl></w:body>'
        "</w:document>"
    )
    return replaced(docx(), {"word/document.xml": body.encode()})


def huge_repeats() -> bytes:
    """An OpenDocument sheet of a thousand million repeated rows of as many repeated cells."""
    cell = '<table:table-cell table:number-columns-repeated="1000000000"><text:p>Text</text:p></table:table-cell>'
    row = f'<table:table-row table:number-rows-repeated="1000000000">{cell}</table:table-row>'
    spaces = '<text:s text:c="2000000000"/>'
    return open_document("spreadsheet", f'<table:table table:name="A">{row}</table:table>{spaces}')


def huge_spaces() -> bytes:
    """An OpenDocument text with two thousand million spaces in one mark."""
    return open_document("text", '<text:p>Text<text:s text:c="2000000000"/>text</text:p>')


def deep_docx(depth: int = 20_000) -> bytes:
    """Content controls within each other, deeper than any stack."""
    body = "<w:sdt><w:sdtContent>" * depth + "<w:p/>" + "</w:sdtContent></w:sdt>" * depth
    return replaced(docx(), {"word/document.xml": f"<w:document {_WORD}><w:body>{body}</w:body></w:document>".encode()})


def deep_tables(depth: int = 500) -> bytes:
    """Tables in tables."""
    return ("<html><body>" + "<table><tr><td>a" * depth + "</td></tr></table>" * depth + "</body></html>").encode()


def texts() -> dict[str, bytes]:
    """File name -> content, of everything that is only text."""
    spans = "<table><tr><td colspan=100000000 rowspan=100000000>Text</td><td>b</td></tr><tr><td>c</td></tr></table>"
    return {
        "deep.json": b"[" * 100_000 + b"]" * 100_000,
        "deep-objects.json": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
        "number.json": b'{"a": ' + b"9" * 1_000_000 + b"}",
        "long-line.jsonl": json.dumps({"text": "word " * 1_000_000}).encode(),
        "deep.html": b"<div>" * 50_000 + b"Text" + b"</div>" * 50_000,
        "deep-lists.html": b"<ul><li>a" * 700,
        "deep-tables.html": deep_tables(),
        "spans.html": f"<html><body>{spans}</body></html>".encode(),
        "unclosed.html": b"<!--" * 4_000 + b"<a " * 4_000,
        "columns.csv": b",".join(b"%d" % n for n in range(100_000)) + b"\n",
        "quotes.csv": b'"' * 100_001 + b"\na,b\n",
        "rows.csv": b"a,b\n" + b",\n" * 300_000 + b"c,d\n",
        "brackets.md": b"[" * 15_000 + b"](x)" * 10,
        "images.md": b"![" * 1_500,
        "quotes.md": b">" * 20_000 + b" text",
        "emphasis.md": b"*a **a " * 1_500,
        "ticks.md": b"".join(b"`" * n + b" " for n in range(1, 120)),
        "lists.md": b"".join(b" " * (2 * n) + b"- a\n" for n in range(1_000)),
        "tables.md": b"|" * 20_000 + b"\n" + b"|-" * 20_000 + b"|\n" + b"|" * 20_000,
        "front-matter.md": b"---\na: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
            b"%c: &%c [%s]\n" % (n + 1, n + 1, b",".join([b"*%c" % n] * 9)) for n in range(97, 103)
        ) + b"title: *g\n---\ntext\n",
        "python.md": b"---\ntitle: !!python/object/apply:os.system ['touch /tmp/frontdesk-escape']\n---\ntext\n",
        "one-word.txt": b"a" * 300_000,
        "one-line.txt": "。".join(["字" * 400] * 400).encode(),
        "spaces.txt": b"a" + b" " * 60_000 + b"b",
        "breaks.txt": b"\n" * 2_000_000 + b"text",
        "nuls.txt": b"text\0" * 1_000,
        "surrogates.txt": b"text \xed\xa0\x80\xed\xb0\x80 text",
        "dots.txt": b"e.g. " * 40_000,
        "deep.rtf": b"{\\rtf1 " + b"{" * 100_000 + b"text" + b"}" * 100_000 + b"}",
        "binary.rtf": b"{\\rtf1 text \\bin2000000000 text}",
        "picture.rtf": b"{\\rtf1 text {\\pict\\pngblip\\picw1000000000 " + b"00" * 500_000 + b"}}",
        "headers.eml": b"From: a@example.com\r\nSubject: " + b"=?utf-8?b?" * 10_000 + b"\r\n\r\ntext\r\n",
        "boundary.eml": b"From: a@b.c\r\nContent-Type: multipart/mixed; boundary=\"\"\r\n\r\n" + b"--\r\n" * 50_000,
        "bad-base64.eml": b"From: a@b.c\r\nContent-Transfer-Encoding: base64\r\n\r\n" + b"=" * 1_000_000,
        "pickle.txt": pickle.dumps({"a": [1, 2, 3]}) * 50,
        "pickle.json": b"cos\nsystem\n(S'touch /tmp/frontdesk-escape'\ntR.",
    }  # fmt: skip
