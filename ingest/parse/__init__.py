"""File -> ParsedDocument: one parser a format; the content decides which, the name is only a hint.

    from ingest.parse import parse
    document = parse(Path("handbook.pdf"))

Importing this package is cheap; each parser loads its libraries when it is first used.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from ingest.errors import DamagedFile, NoText, ParseError, UnsupportedFormat
from ingest.parse import sniff
from ingest.parse.archive import LIMITS, ArchiveLimits, check_zip
from ingest.parse.formats import SUPPORTED_SUFFIXES, suffix_of
from ingest.schema import ElementKind, ParsedDocument

__all__ = ["PARSER_VERSION", "SUPPORTED_SUFFIXES", "ArchiveLimits", "PageProgress", "is_readable", "parse"]

# Part of the pipeline fingerprint: raise it when the same bytes give other elements.
PARSER_VERSION = "2"

_PROGRAM_TITLE = re.compile(
    r"^(?:microsoft (?:word|powerpoint|excel)\b.*|.*\.(?:docx?|pptx?|xlsx?|pdf|indd|qxd|exe|tmp|rtf|odt))$", re.I
)
_NO_TITLE = re.compile(
    r"^(?:\(?(?:untitled|anonymous|unknown|unspecified|no title|none|null|title|document|presentation|"
    r"powerpoint presentation|powerpoint 演示文稿|幻灯片 ?1|slide 1|无标题|未命名)\)?\s*\d*|[\W\d_]*)$",
    re.I,
)
_LONGEST_TITLE = 300
_PACKAGES = frozenset(("docx", "pptx", "xlsx", "odt", "ods", "odp", "epub"))

# (pages or parts done, all of them), called while a long file is read.
PageProgress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class _Call:
    """What parse was called with, for the parsers that need more than the file."""

    path: Path
    name: str
    scratch: Path | None
    depth: int
    progress: PageProgress | None
    limits: ArchiveLimits


def parse(
    path: Path,
    *,
    name: str | None = None,
    scratch: Path | None = None,
    depth: int = 0,
    progress: PageProgress | None = None,
    limits: ArchiveLimits = LIMITS,
) -> ParsedDocument:
    """Read a file into elements in reading order.

    ``name`` is the user's file name where ``path`` is only a copy. Raises UnsupportedFormat, DamagedFile,
    PasswordProtected, LimitExceeded or NoText, each with one line for a person.

    scratch:  an empty folder of the caller's for files found inside this one; None: they are named in a warning only.
    depth:    how many files this one was found inside of, one within the other.
    progress: called by page where the format has pages.
    limits:   what containers may unpack to.
    """
    name = name or path.name
    if path.stat().st_size == 0:
        raise NoText(f"{name}: the file is empty.")
    file_format = "document"
    try:
        file_format = sniff.detect(path, name, limits)
        if file_format in _PACKAGES:
            check_zip(path, name, limits)
        document = _read(file_format, _Call(path, name, scratch, depth, progress, limits))
    except (ParseError, OSError, MemoryError):
        raise
    except Exception as exc:  # a damaged file makes its library raise anything: KeyError, AttributeError, ...
        raise DamagedFile(
            f"{name}: the file cannot be read as {file_format} ({type(exc).__name__}); open it and save it again."
        ) from exc
    if not document.elements and not document.attachments:
        raise NoText(f"{name}: there is no text in the file.{''.join(f' {line}' for line in document.warnings)}")
    mismatch = sniff.mismatch(name, file_format)
    warnings = (mismatch, *document.warnings) if mismatch else document.warnings
    return replace(document, title=_title(document), warnings=warnings)


def is_readable(path: Path) -> bool:
    """Whether a file of a folder is worth an upload: its suffix is one of ours, or it has none and its content tells."""
    suffix = suffix_of(path.name)
    if suffix:
        return suffix in SUPPORTED_SUFFIXES
    try:
        return bool(sniff.detect(path, path.name))
    except UnsupportedFormat:
        return False
    except (ParseError, OSError):
        return True  # It is one of ours, or cannot be opened: what is wrong with it should be said.


def _read(file_format: str, call: _Call) -> ParsedDocument:
    """Hand the file to the parser of its format, imported when needed."""
    path, name = call.path, call.name
    if file_format == "txt":
        from ingest.parse.text import parse_text

        return parse_text(path, name)
    if file_format == "csv":
        from ingest.parse.text import parse_csv

        return parse_csv(path, name)
    if file_format == "md":
        from ingest.parse.markdown import parse_markdown

        return parse_markdown(path, name)
    if file_format == "html":
        from ingest.parse.html import parse_html

        return parse_html(path, name)
    if file_format == "pdf":
        from ingest.parse.pdf import parse_pdf

        return parse_pdf(path, name, call.progress)
    if file_format == "rtf":
        from ingest.parse.rtf import parse_rtf

        return parse_rtf(path, name)
    if file_format == "epub":
        from ingest.parse.epub import parse_epub

        return parse_epub(path, name)
    if file_format == "json":
        from ingest.parse.json_records import parse_json

        return parse_json(path, name)
    if file_format == "image":
        from ingest.parse.images import parse_image

        return parse_image(path, name, call.progress)
    if file_format in ("eml", "msg", "zip"):
        return _read_container(file_format, call)
    return _read_office(file_format, call)


def _read_container(file_format: str, call: _Call) -> ParsedDocument:
    """Files that may hold others."""
    if file_format == "eml":
        from ingest.parse.mail import parse_eml

        return parse_eml(call.path, call.name, call.scratch, call.depth, call.limits)
    if file_format == "msg":
        from ingest.parse.msg import parse_msg

        return parse_msg(call.path, call.name, call.scratch, call.depth, call.limits)
    from ingest.parse.unzip import parse_zip

    return parse_zip(call.path, call.name, call.scratch, call.depth, call.limits)


def _read_office(file_format: str, call: _Call) -> ParsedDocument:
    path, name = call.path, call.name
    if file_format == "docx":
        from ingest.parse.word import parse_docx

        return parse_docx(path, name)
    if file_format == "pptx":
        from ingest.parse.slides import parse_pptx

        return parse_pptx(path, name)
    if file_format == "xlsx":
        from ingest.parse.sheets import parse_xlsx

        return parse_xlsx(path, name)
    if file_format in ("doc", "xls", "ppt"):
        from ingest.parse.legacy import parse_legacy

        return parse_legacy(path, name, file_format, call.limits)
    from ingest.parse import odf

    return {"odt": odf.parse_odt, "ods": odf.parse_ods, "odp": odf.parse_odp}[file_format](path, name)


def _title(document: ParsedDocument) -> str:
    title = " ".join(document.title.split())
    if title and len(title) <= _LONGEST_TITLE and not _PROGRAM_TITLE.match(title) and not _NO_TITLE.match(title):
        return title
    # A sheet's name is no title of the workbook.
    headings = (e.text for e in document.elements if e.kind is ElementKind.HEADING and e.sheet is None)
    return next(headings, "")
