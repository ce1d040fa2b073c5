"""Pages of a document that stand in it twice: a scan put in again, a chapter appended to itself."""

from __future__ import annotations

import re
from collections import defaultdict

from ingest.cleaning.signatures import Signature, signature
from ingest.schema import ParsedDocument, text_hash

# Pages with less text repeat by chance: a title, "This page is intentionally left blank".
_LEAST_CHARACTERS = 60
_NEARLY = 0.95
_PAGE_NUMBER = re.compile(r"\W*(?:page|p\.|seite|第)?\s*\d{1,4}\s*(?:页|頁|(?:of|/|von)\s*\d{1,4})?\W*", re.IGNORECASE)


def repeated_pages(document: ParsedDocument) -> dict[int, int]:
    """Pages that repeat an earlier one, by number, with the page they repeat.

    Repeated is a page with the same text, or with nearly the same words and the same numbers, codes and negations: a
    form that is filled in twice is no repetition.
    """
    parts: dict[int, list[str]] = defaultdict(list)
    for element in document.elements:
        # A page's own number is no difference.
        if element.page is not None and not _PAGE_NUMBER.fullmatch(element.text.strip() or "-"):
            cells = [cell for row in element.table.rows for cell in row] if element.table is not None else []
            parts[element.page] += [element.text, *cells]
    found: dict[int, int] = {}
    hashes: dict[str, int] = {}
    bands: dict[str, list[int]] = defaultdict(list)
    signatures: dict[int, Signature] = {}
    for page in sorted(parts):
        text = "\n".join(parts[page])
        if len("".join(text.split())) < _LEAST_CHARACTERS:
            continue
        name = text_hash(text)
        if name in hashes:
            found[page] = hashes[name]
            continue
        hashes[name] = page
        own = signature(text)
        if own is None:
            continue
        others = {other for band in own.bands() for other in bands[band]}
        alike = [
            other
            for other in sorted(others)
            if own.facts == signatures[other].facts and own.similarity(signatures[other]) >= _NEARLY
        ]
        if alike:
            found[page] = alike[0]
            continue
        signatures[page] = own
        for band in own.bands():
            bands[band].append(page)
    return found
