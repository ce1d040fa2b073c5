"""File -> ParsedDocument: one parser a format, chosen by name, checked against the content.

    from ingest.parse import parse
    document = parse(Path("handbook.pdf"))

Importing this package is cheap; each parser loads its libraries when it is first used.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from ingest.errors import DamagedFile, NoText, ParseError, UnsupportedFormat
from ingest.parse import sniff
from ingest.schema import ElementKind, ParsedDocument

__all__ = ["PARSER_VERSION", "SUPPORTED_SUFFIXES", "PageProgress", "parse"]

# Part of the pipeline fingerprint: raise it when the same bytes give other elements.
PARSER_VERSION = "1"

_FORMATS = {
    ".md": "md",
    ".markdown": "md",
    ".mdx": "md",
    ".txt": "txt",
    ".text": "txt",
    ".html": "html",
    ".htm": "html",
    ".csv": "csv",
    ".tsv": "csv",
    ".docx": "docx",
    ".pptx": "pptx",
    ".xlsx": "xlsx",
    ".pdf": "pdf",
}
SUPPORTED_SUFFIXES = frozenset(_FORMATS)

# Advice for what people upload most among what we do not read.
_ADVICE = {
    ".doc": "open it and save it as .docx",
    ".ppt": "open it and save it as .pptx",
    ".xls": "open it and save it as .xlsx",
    ".rtf": "open it and save it as .docx",
    ".odt": "open it and save it as .docx",
}
_PROGRAM_TITLE = re.compile(
    r"^(?:microsoft (?:word|powerpoint|excel)\b.*|.*\.(?:docx?|pptx?|xlsx?|pdf|indd|qxd|exe|tmp|rtf|odt))$", re.I
)
_NO_TITLE = re.compile(
    r"^(?:\(?(?:untitled|anonymous|unknown|unspecified|no title|none|null|title|document|presentation|"
    r"powerpoint presentation|powerpoint 演示文稿|幻灯片 ?1|slide 1|无标题|未命名)\)?\s*\d*|[\W\d_]*)$",
    re.I,
)
_LONGEST_TITLE = 300


# (pages or parts done, all of them), called while a long file is read.
PageProgress = Callable[[int, int], None]


def parse(
    path: Path,
    *,
    name: str | None = None,
    scratch: Path | None = None,
    depth: int = 0,
    progress: PageProgress | None = None,
) -> ParsedDocument:
    """Read a file into elements in reading order.

    ``name`` is the user's file name where ``path`` is only a copy; its suffix names the format. Raises
    UnsupportedFormat, DamagedFile, PasswordProtected or NoText, each with one line for a person.

    scratch:  an empty folder of the caller's for files found inside this one; None: they are named in a warning only.
    depth:    how many files this one was found inside of, one within the other.
    progress: called by page where the format has pages.
    """
    name = name or path.name
    suffix = Path(name).suffix.lower()
    if suffix not in _FORMATS:
        advice = f"; {_ADVICE[suffix]}" if suffix in _ADVICE else ""
        supported = " ".join(sorted(SUPPORTED_SUFFIXES))
        raise UnsupportedFormat(f"{name}: this kind of file is not read{advice}. Supported: {supported}")
    if path.stat().st_size == 0:
        raise NoText(f"{name}: the file is empty.")
    try:
        document = _parser(_FORMATS[suffix], suffix)(path, name)
    except (ParseError, OSError, MemoryError):
        raise
    except Exception as exc:  # a damaged file makes its library raise anything: KeyError, AttributeError, ...
        raise DamagedFile(
            f"{name}: the file cannot be read as {_FORMATS[suffix]} ({type(exc).__name__}); open it and save it again."
        ) from exc
    if not document.elements:
        raise NoText(f"{name}: there is no text in the file.")
    return replace(document, title=_title(document))


def _parser(file_format: str, suffix: str) -> Callable[[Path, str], ParsedDocument]:
    """The parser of a format, imported when needed."""
    if file_format == "txt":
        from ingest.parse.text import parse_text

        return parse_text
    if file_format == "csv":
        from ingest.parse.text import parse_csv

        return parse_csv
    if file_format == "md":
        from ingest.parse.markdown import parse_markdown

        return parse_markdown
    if file_format == "html":
        from ingest.parse.html import parse_html

        return parse_html
    if file_format == "pdf":
        return _parse_pdf
    return lambda path, name: _parse_office(path, name, suffix)


def _parse_pdf(path: Path, name: str) -> ParsedDocument:
    from ingest.parse.pdf import parse_pdf

    sniff.check_pdf(path, name)
    return parse_pdf(path, name)


def _parse_office(path: Path, name: str, suffix: str) -> ParsedDocument:
    sniff.check_office(path, name, suffix)
    if suffix == ".docx":
        from ingest.parse.word import parse_docx

        return parse_docx(path, name)
    if suffix == ".pptx":
        from ingest.parse.slides import parse_pptx

        return parse_pptx(path, name)
    from ingest.parse.sheets import parse_xlsx

    return parse_xlsx(path, name)


def _title(document: ParsedDocument) -> str:
    title = " ".join(document.title.split())
    if title and len(title) <= _LONGEST_TITLE and not _PROGRAM_TITLE.match(title) and not _NO_TITLE.match(title):
        return title
    # A sheet's name is no title of the workbook.
    headings = (e.text for e in document.elements if e.kind is ElementKind.HEADING and e.sheet is None)
    return next(headings, "")
