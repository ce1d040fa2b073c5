"""The words that every layer shares: Element, Table, ParsedDocument, Chunk, Principal.

    file -> ParsedDocument(elements) -> Chunk -> point in the index

Plain frozen dataclasses, no I/O, standard library only.
"""

from __future__ import annotations

import hashlib
import unicodedata
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple


class ElementKind(StrEnum):
    """What an element is; the chunker keeps lists, code and table rows whole."""

    HEADING = "heading"
    PARAGRAPH = "paragraph"
    LIST = "list"
    CODE = "code"
    TABLE = "table"


@dataclass(frozen=True, slots=True)
class Table:
    """A table as rows of cells; ``header`` is empty when the table has none.

    Cells are single-line strings; merged cells repeat their text in every position they cover, so that each
    row can be read by itself. All rows, header included, have the same length. A header over several rows is one row
    of labels, from the group to the column, each said once: "Price / net".

    pages: for a table over several pages the page of each row, else empty; says nothing of what the table holds.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    pages: tuple[int, ...] = field(default=(), compare=False)


class Box(NamedTuple):
    """Where something stands on its page: fractions of the page's width and height, origin at the top left."""

    page: int
    x0: float
    y0: float
    x1: float
    y1: float


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file found inside a file (of a mail, of a zip archive); it becomes a document of its own.

    name: as the container calls it, forward slashes, never absolute, never "..".
    path: where its bytes were put; the caller owns the folder and moves the file away.
    """

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Element:
    """One piece of a document in reading order.

    kind:  what it is.
    text:  its plain text without markup; for LIST one item a line ("- " or "1. " kept, nesting indented by two
           spaces); for CODE verbatim; for TABLE the caption or "".
    level: heading level, 1 (top) to 6; only for HEADING.
    page:  1-based PDF page or slide number; None where the format has none.
    sheet: spreadsheet sheet name; None elsewhere.
    table: the cells, only for TABLE.
    boxes: where it stands, one box a page or column it covers; empty where the format has no places.
    """

    kind: ElementKind
    text: str
    level: int | None = None
    page: int | None = None
    sheet: str | None = None
    table: Table | None = None
    boxes: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A file as elements in reading order.

    title:      the document's own title (metadata or first heading), "" when it has none.
    page_count: PDF pages or slides; None for formats without pages.
    warnings:   what a person should know although the file was read, one line each.
    attachments: files found inside; a container of nothing but files has no elements.
    """

    format: str
    elements: tuple[Element, ...]
    title: str = ""
    page_count: int | None = None
    warnings: tuple[str, ...] = ()
    attachments: tuple[Attachment, ...] = ()


@dataclass(frozen=True, slots=True)
class Chunk:
    """A passage that is embedded, retrieved and cited as one.

    text:         what a customer may be shown: the passage without its heading path.
    heading_path: headings above the passage, outermost first.
    pages:        1-based page or slide numbers it covers, ascending; empty where the format has none.
    language:     ISO 639-1 code of the passage, e.g. "en", "zh".
    boxes:        where it stands on its pages; empty where the format has no places.
    flags:        what a person should look at before it is published, e.g. "personal_data:email" (ingest/cleaning).
    """

    ordinal: int
    text: str
    heading_path: tuple[str, ...] = ()
    pages: tuple[int, ...] = ()
    sheet: str | None = None
    language: str = "en"
    tokens: int = 0
    kind: str = "text"
    boxes: tuple[Box, ...] = ()
    flags: tuple[str, ...] = ()

    @property
    def text_hash(self) -> str:
        """Hash of what the passage says; vectors, pairs and edits follow it, not the position."""
        return text_hash("\n".join((*self.heading_path, self.text)))

    def indexed_text(self, title: str) -> str:
        """The text both legs index: title and heading path give the passage its context."""
        path = [part for part in (title, *self.heading_path) if part]
        # A title that repeats as the first heading would count twice in BM25.
        path = [part for i, part in enumerate(path) if part not in path[:i]]
        return "\n".join([" > ".join(path), self.text]) if path else self.text


@dataclass(frozen=True, slots=True)
class Principal:
    """On whose behalf a retrieval runs; every query is filtered by it.

    groups: access-list entries the caller belongs to; "public" is always among them.
    """

    tenant: str = "default"
    groups: frozenset[str] = field(default_factory=lambda: frozenset({"public"}))


PUBLIC = Principal()


@dataclass(frozen=True, slots=True)
class Filters:
    """Which documents a question is asked of.

    tags:   documents with any of these; empty for all.
    source: documents whose source address is this, or begins with it; "" for all.
    """

    tags: tuple[str, ...] = ()
    source: str = ""


EVERYTHING = Filters()


def text_hash(text: str) -> str:
    """SHA-256 (32 hex digits) of the text, Unicode-normalised (NFC) with white space folded."""
    folded = " ".join(unicodedata.normalize("NFC", text).split())
    return hashlib.sha256(folded.encode()).hexdigest()[:32]
