"""E-books: a zip of web pages in the order of its spine, each read by the HTML parser."""

from __future__ import annotations

import posixpath
import re
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ingest.errors import DamagedFile, PasswordProtected
from ingest.parse.archive import read_part
from ingest.parse.encodings import decode
from ingest.parse.html import read_html
from ingest.parse.xml import parse_xml
from ingest.schema import Element, ParsedDocument

_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml")
_SKIPPED_GUIDES = {"cover", "toc", "index", "loi", "lot"}
# Boilerplate of a web page, but notes and chapter heads of a book.
_BOOK_TAGS = re.compile(r"<(/?)(?:aside|header|footer)(?=[\s>/])", re.I)
_DECLARED = re.compile(rb"<\?xml[^>]+encoding=[\"']([\w-]+)")
_EMPTY_TAG = re.compile(r"<(title|script|a|p|div|span|td|th|li|i|b|em|strong)((?:\s[^<>]*)?)/>")


def parse_epub(path: Path, name: str) -> ParsedDocument:
    """An .epub file without its cover and its table of contents.

    Raises:
        PasswordProtected: its pages are encrypted for one reader's device.
        DamagedFile: the list of its pages is missing.
    """
    with zipfile.ZipFile(path) as archive:
        _refuse_protected(archive, name)
        package_path = _package_path(archive, name)
        package = parse_xml(read_part(archive, package_path, name), name)
        elements: list[Element] = []
        missing = []
        names = {part.casefold(): part for part in archive.namelist()}
        for href in _pages(package):
            part = posixpath.normpath(posixpath.join(posixpath.dirname(package_path), unquote(href.split("#")[0])))
            if part.casefold() not in names:
                missing.append(part)
                continue
            elements += _read_page(read_part(archive, names[part.casefold()], name), name)
    warnings = (f"Pages of the book are missing: {', '.join(missing[:5])}.",) if missing else ()
    return ParsedDocument("epub", tuple(elements), _title(package), warnings=warnings)


def _read_page(data: bytes, name: str) -> tuple[Element, ...]:
    declared = _DECLARED.search(data[:200])
    text = decode(data, name, declared[1].decode("ascii") if declared else None)
    # <a id="x"/> is whole in XHTML and an opening tag to a reader of HTML.
    text = _EMPTY_TAG.sub(r"<\1\2></\1>", text)
    _, elements = read_html(_BOOK_TAGS.sub(r"<\1div", text))
    return elements


def _package_path(archive: zipfile.ZipFile, name: str) -> str:
    try:
        container = parse_xml(read_part(archive, "META-INF/container.xml", name), name)
        found = [str(e.get("full-path")) for e in container.iter("{*}rootfile") if e.get("full-path")]
    except DamagedFile:
        found = []
    found = found or [part for part in archive.namelist() if part.lower().endswith(".opf")]
    if not found:
        raise DamagedFile(f"{name}: the e-book has no list of its pages; export it again.")
    return unquote(found[0])


def _pages(package: Any) -> list[str]:
    """Addresses of the pages in reading order."""
    items = {item.get("id"): item for item in package.iter("{*}item")}
    # An address with a "#" names a place in a page that says more than that.
    skipped = {str(r.get("href")) for r in package.iter("{*}reference") if r.get("type") in _SKIPPED_GUIDES}
    pages = []
    for reference in package.iter("{*}itemref"):
        item = items.get(reference.get("idref"))
        if item is None or not item.get("href") or item.get("media-type") not in _PAGES:
            continue
        if "nav" in str(item.get("properties", "")).split() or item.get("href") in skipped:
            continue
        pages.append(item.get("href"))
    return pages


def _title(package: Any) -> str:
    return next(
        (" ".join("".join(t.itertext()).split()) for t in package.iter("{http://purl.org/dc/elements/1.1/}title")), ""
    )


def _refuse_protected(archive: zipfile.ZipFile, name: str) -> None:
    if "META-INF/encryption.xml" not in archive.namelist():
        return
    # Fonts are scrambled in many free books; pages only where the book is bound to a device.
    listed = parse_xml(read_part(archive, "META-INF/encryption.xml", name), name)
    for reference in listed.iter("{*}CipherReference"):
        if re.search(r"\.(?:x?html?|xml|opf)$", str(reference.get("URI", "")), re.I):
            raise PasswordProtected(f"{name}: the e-book is protected (DRM); use a copy without protection.")
