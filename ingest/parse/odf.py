"""OpenDocument files (.odt, .ods, .odp), read from their XML with lxml.

`unstructured` needs pandoc for them, a program of its own; odfpy gives the same tree as lxml. The walk over texts is
in `ingest.parse.odf_text`.
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ingest.errors import DamagedFile, PasswordProtected
from ingest.parse.archive import read_part
from ingest.parse.blocks import Blocks
from ingest.parse.odf_text import (
    DRAW,
    OFFICE,
    PRESENTATION,
    STYLE,
    TABLE,
    Styles,
    TextReader,
    inline,
    local,
    sheet_grid,
)
from ingest.parse.running import add_running
from ingest.parse.sheets import read_grid
from ingest.parse.xml import parse_xml
from ingest.schema import ParsedDocument

_RUNNING = ("header", "footer", "header-first", "footer-first", "header-left", "footer-left")


@dataclass(frozen=True, slots=True)
class _Package:
    body: Any
    styles: Styles
    masters: Any
    title: str


def parse_odt(path: Path, name: str) -> ParsedDocument:
    """A text; tables of contents and deleted text are left out, running heads and feet stand once at the end."""
    package = _open(path, name, "text")
    blocks = Blocks()
    TextReader(blocks, package.styles).read(package.body)
    blocks.break_list()
    add_running(_running_texts(package.masters), blocks)
    return ParsedDocument("odt", blocks.elements(), package.title)


def parse_ods(path: Path, name: str) -> ParsedDocument:
    """A spreadsheet: each visible sheet a HEADING, its texts as paragraphs and its tables, values as displayed."""
    package = _open(path, name, "spreadsheet")
    blocks = Blocks()
    warnings = []
    for sheet in package.body.iterchildren(f"{TABLE}table"):
        title = sheet.get(f"{TABLE}name") or "Sheet"
        if package.styles.is_hidden_table(sheet.get(f"{TABLE}style-name")):
            warnings.append(f'The hidden sheet "{title}" was left out.')
            continue
        blocks.sheet = title
        read_grid(title, sheet_grid(sheet), blocks)
    return ParsedDocument("ods", blocks.elements(), package.title, warnings=tuple(warnings))


def parse_odp(path: Path, name: str) -> ParsedDocument:
    """A presentation: each slide's title as HEADING, then its frames from top to bottom, then its notes."""
    package = _open(path, name, "presentation")
    blocks = Blocks()
    reader = TextReader(blocks, package.styles)
    pages = list(package.body.iterchildren(f"{DRAW}page"))
    for number, page in enumerate(pages, start=1):
        blocks.page = number
        for frame in page:
            kind = frame.get(f"{PRESENTATION}class")
            if frame.tag == f"{PRESENTATION}notes":
                notes = "\n".join(inline(p) for p in frame.iter("{*}p") if inline(p))
                blocks.paragraph(f"Notes: {notes}" if notes else "")
            elif kind == "title":
                blocks.heading(" ".join(inline(p) for p in frame.iter("{*}p")), 1)
            elif kind not in ("date-time", "footer", "page-number", "header"):
                reader.block(frame)
            blocks.break_list()
    return ParsedDocument("odp", blocks.elements(), package.title, len(pages))


def _open(path: Path, name: str, kind: str) -> _Package:
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        manifest = read_part(archive, "META-INF/manifest.xml", name) if "META-INF/manifest.xml" in names else b""
        if b"encryption-data" in manifest or "encrypted-package" in names:
            raise PasswordProtected(f"{name}: the file needs a password; save a copy without one.")
        content = parse_xml(read_part(archive, "content.xml", name), name)
        styles = parse_xml(read_part(archive, "styles.xml", name), name) if "styles.xml" in names else None
        meta = parse_xml(read_part(archive, "meta.xml", name), name) if "meta.xml" in names else None
        formulas = _formulas(archive, name)
    body = content.find(f"{OFFICE}body/{OFFICE}{kind}")
    if body is None:
        raise DamagedFile(f"{name}: the file holds no {kind}; open it and save it again.")
    title = meta.find(".//{http://purl.org/dc/elements/1.1/}title") if meta is not None else None
    masters = None if styles is None else styles.find(f"{OFFICE}master-styles")
    return _Package(
        body, Styles(content, styles, formulas=formulas), masters, "" if title is None else "".join(title.itertext())
    )


def _formulas(archive: zipfile.ZipFile, name: str) -> dict[str, str]:
    """The letters of embedded formulas by their folder."""
    found = {}
    for part in archive.namelist():
        folder, slash, file = part.rpartition("/")
        if slash and file == "content.xml":
            root = parse_xml(read_part(archive, part, name), name)
            if local(root) == "math":
                for note in list(root.iter("{*}annotation")):
                    note.clear()
                found[folder] = "".join("".join(root.itertext()).split())
    return found


def _running_texts(masters: Any) -> list[str]:
    if masters is None:
        return []
    found = []
    for page in masters.iter(f"{STYLE}master-page"):
        for part in page:
            if local(part) in _RUNNING:
                # "Page 3 of 12" without its numbers says nothing.
                for field in part.xpath(".//*[local-name()='page-number' or local-name()='page-count']"):
                    field.text = ""
                found += [inline(p) for p in part.iter("{*}p")]
    return found
