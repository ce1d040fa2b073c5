"""One small honest file of each format, to be cut off, filled with lies, or read after a hostile one."""

from __future__ import annotations

import io
from pathlib import Path

from tests.hostile import pdfs
from tests.hostile.archives import zipped

SENTENCE = "A call-out costs 65 pounds."
_OPEN_DOCUMENT = (
    '<office:document-content xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0" '
    'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" '
    'xmlns:table="urn:oasis:names:tc:opendocument:xmlns:table:1.0" '
    'xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0"><office:body>%s</office:body>'
    "</office:document-content>"
)


def open_document(kind: str, body: str, before: str = "") -> bytes:
    """An OpenDocument file of the kind text, spreadsheet or presentation around this body."""
    mime = f"application/vnd.oasis.opendocument.{kind}"
    manifest = (
        '<manifest:manifest xmlns:manifest="urn:oasis:names:tc:opendocument:xmlns:manifest:1.0">'
        f'<manifest:file-entry manifest:full-path="/" manifest:media-type="{mime}"/></manifest:manifest>'
    )
    content = before + _OPEN_DOCUMENT % f"<office:{kind}>{body}</office:{kind}>"
    return zipped({"mimetype": mime, "META-INF/manifest.xml": manifest, "content.xml": content})


def epub(body: str = f"<p>{SENTENCE}</p>", before: str = "") -> bytes:
    """A book of one chapter."""
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container" version="1.0"><rootfiles>'
        '<rootfile full-path="book.opf" media-type="application/oebps-package+xml"/></rootfiles></container>'
    )
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" version="3.0"><metadata/><manifest>'
        '<item id="c" href="c.xhtml" media-type="application/xhtml+xml"/></manifest>'
        '<spine><itemref idref="c"/></spine></package>'
    )
    chapter = f'{before}<html xmlns="http://www.w3.org/1999/xhtml"><body><h1>Fees</h1>{body}</body></html>'
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "book.opf": package,
            "c.xhtml": chapter,
        }
    )


def docx() -> bytes:
    """A Word file."""
    import docx as word

    document, out = word.Document(), io.BytesIO()
    document.add_heading("Fees", 1)
    document.add_paragraph(SENTENCE)
    table = document.add_table(2, 2)
    table.cell(0, 0).text = "Visit"
    document.save(out)
    return out.getvalue()


def xlsx() -> bytes:
    """An Excel file."""
    import openpyxl

    book, out = openpyxl.Workbook(), io.BytesIO()
    sheet = book.active
    assert sheet is not None
    sheet.append(["Visit", "Price"])
    sheet.append([SENTENCE, 65])
    book.save(out)
    return out.getvalue()


def pptx() -> bytes:
    """A PowerPoint file."""
    import pptx as slides

    show, out = slides.Presentation(), io.BytesIO()
    slide = show.slides.add_slide(show.slide_layouts[1])
    slide.shapes.title.text = "Fees"
    slide.placeholders[1].text = SENTENCE
    show.save(out)
    return out.getvalue()


def png() -> bytes:
    """A picture of a sentence."""
    from PIL import Image, ImageDraw

    image, out = Image.new("RGB", (400, 60), "white"), io.BytesIO()
    ImageDraw.Draw(image).text((10, 20), SENTENCE, fill="black")
    image.save(out, "PNG")
    return out.getvalue()


def honest_files() -> dict[str, bytes]:
    """File name -> content."""
    text = f"Fees\n\n{SENTENCE}\n"
    mail = f"From: a@example.com\r\nTo: b@example.com\r\nSubject: Fees\r\nMIME-Version: 1.0\r\n\r\n{SENTENCE}\r\n"
    return {
        "fees.txt": text.encode(),
        "fees.md": f"# {text}".encode(),
        "fees.html": f"<html><body><h1>Fees</h1><p>{SENTENCE}</p></body></html>".encode(),
        "fees.csv": f"visit,price\n{SENTENCE},65\n".encode(),
        "fees.json": f'{{"fees": "{SENTENCE}"}}'.encode(),
        "fees.jsonl": f'{{"fees": "{SENTENCE}"}}\n{{"fees": "None on Sundays."}}\n'.encode(),
        "fees.rtf": (r"{\rtf1\ansi\deff0{\fonttbl{\f0 Arial;}}\pard " + SENTENCE + r"\par}").encode(),
        "fees.eml": mail.encode(),
        "fees.pdf": pdfs.one_page(),
        "fees.docx": docx(),
        "fees.xlsx": xlsx(),
        "fees.pptx": pptx(),
        "fees.odt": open_document("text", f"<text:p>{SENTENCE}</text:p>"),
        "fees.ods": open_document(
            "spreadsheet",
            f'<table:table table:name="Fees"><table:table-row><table:table-cell><text:p>{SENTENCE}</text:p>'
            "</table:table-cell></table:table-row></table:table>",
        ),
        "fees.odp": open_document(
            "presentation",
            f"<draw:page><draw:frame><draw:text-box><text:p>{SENTENCE}</text:p></draw:text-box></draw:frame></draw:page>",
        ),
        "fees.epub": epub(),
        "fees.zip": zipped({"fees.txt": text}),
        "fees.png": png(),
    }


def write_good(folder: Path) -> Path:
    """A file that is read without trouble."""
    path = folder / "good.md"
    path.write_text(f"# Fees\n\n{SENTENCE}\n")
    return path
