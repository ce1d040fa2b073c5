"""PDF files.

pdfium opens the file and reads text with its places and sizes, page by page; where lines are drawn, pdfplumber puts
them together to tables; pages without usable text are read by OCR. Pages pass in windows, so that memory holds the
letters and places of a window and the text of the rest, however long the document is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ingest.errors import DamagedFile, LimitExceeded, NoText, ParseError, PasswordProtected
from ingest.limits import LIMITS
from ingest.parse.blocks import Blocks
from ingest.parse.ocr_pages import OcrPages, numbers
from ingest.parse.pdf_aligned import with_aligned_tables
from ingest.parse.pdf_frame import Frame
from ingest.parse.pdf_headings import Headings, join_over_pages
from ingest.parse.pdf_images import render
from ingest.parse.pdf_layout import Paragraph, paragraphs
from ingest.parse.pdf_page import Page, read_page
from ingest.parse.pdf_running import RunningLines
from ingest.parse.pdf_structure import read_structure
from ingest.parse.pdf_tables import find_tables
from ingest.parse.pdf_words import Words
from ingest.schema import ParsedDocument

_WINDOW = 64
_PASSWORD_ERROR = 4
_SECURITY_ERROR = 5

# (pages done, pages)
Progress = Callable[[int, int], None]


def parse_pdf(
    path: Path, name: str, progress: Progress | None = None, most_pages: int = LIMITS.pages
) -> ParsedDocument:
    """A PDF file, with or without a text layer.

    progress: called after each page with (pages done, pages).

    Raises PasswordProtected, DamagedFile, LimitExceeded for more than ``most_pages``, or NoText where neither a text
    layer nor OCR has found a word.
    """
    with _opened(path, name) as document:
        total = len(document)
        if total > most_pages:
            raise LimitExceeded(f"{name}: the PDF has {total} pages, {most_pages} are read; split it.")
        structure = read_structure(document)
        reader = _PageReader(document, name, progress)
        pages = reader.read()
    if not any(pages):
        raise NoText(f"{name}: {reader.why_no_text()}")
    blocks = Blocks()
    Headings(pages, structure).write(blocks)
    return ParsedDocument("pdf", blocks.elements(), structure.title, total, tuple(reader.warnings()))


@contextmanager
def _opened(path: Path, name: str) -> Iterator[Any]:
    import pypdfium2

    try:
        document = pypdfium2.PdfDocument(str(path))
    except pypdfium2.PdfiumError as exc:
        code = getattr(exc, "err_code", None)
        if code == _PASSWORD_ERROR or "password" in str(exc).lower():
            raise PasswordProtected(f"{name}: the PDF needs a password; save a copy without one.") from exc
        if code == _SECURITY_ERROR or "security" in str(exc).lower():
            raise PasswordProtected(
                f"{name}: the PDF is encrypted in a way that is not read; print it to PDF."
            ) from exc
        raise DamagedFile(f"{name}: the PDF cannot be opened ({exc}); save it again from its program.") from exc
    try:
        yield document
    finally:
        document.close()


class _PageReader:
    """Reads the pages of an opened document, and remembers what a person should know about them."""

    def __init__(self, document: Any, name: str, progress: Progress | None) -> None:
        self._document = document
        self._name = name
        self._progress = progress
        self._running = RunningLines()
        self._words = Words()
        self._ocr = OcrPages()
        self._empty: list[int] = []
        self._broken: list[int] = []
        self._too_large: list[int] = []

    def read(self) -> list[list[Paragraph]]:
        """The paragraphs of every page."""
        pages: list[list[Paragraph]] = []
        total = len(self._document)
        for start in range(0, total, _WINDOW):
            window = []
            for index in range(start, min(start + _WINDOW, total)):
                window.append(self._page(index))
                if self._progress is not None:
                    self._progress(index + 1, total)
            self._running.drop(window)
            for page in window:
                pages.append(paragraphs(page.runs, page.box, self._words))
                page.runs = []
                if len(pages) > 1:
                    join_over_pages(_last_filled(pages), pages[-1], self._words)
        if len(self._broken) == total:
            raise DamagedFile(f"{self._name}: no page of the PDF can be read; save it again from its program.")
        return pages

    def _page(self, index: int) -> Page:
        import pypdfium2

        number = index + 1
        nothing = Frame(0, 0, 1, 1)
        try:
            pdf_page = self._document[index]
        except pypdfium2.PdfiumError:
            self._broken.append(number)
            return Page(number, [], nothing, nothing)
        try:
            page = read_page(pdf_page, number, find_tables)
            if page.needs_ocr:
                self._ocr.read(page, lambda: render(pdf_page, page.shown))
        except ParseError:
            raise
        except pypdfium2.PdfiumError:
            self._broken.append(number)
            return Page(number, [], nothing, nothing)
        finally:
            pdf_page.close()
        page.runs = with_aligned_tables(page.runs)
        for run in page.runs:
            self._words.add(run.text)
        if page.too_large:
            self._too_large.append(number)
        elif not page.runs:
            self._empty.append(number)
        return page

    def warnings(self) -> list[str]:
        """One line for each thing that a person should know."""
        said = (
            ("Pages that cannot be read", self._broken),
            ("Pages with too much on them to be read", self._too_large),
            ("Pages without text", self._empty),
        )
        return [f"{what}: {numbers(pages)}." for what, pages in said if pages] + self._ocr.warnings()

    def why_no_text(self) -> str:
        """The reason of a document without a word."""
        if self._too_large:
            return "its pages have too much on them to be read; export it again with less detail."
        if self._ocr.tried:
            return "the PDF has no text layer, and OCR has found no words on its pages; scan it again, larger."
        return "there is no text in the PDF."


def _last_filled(pages: list[list[Paragraph]]) -> list[Paragraph]:
    """The page before the last, or, where the last things of all before were moved, the one they were moved to."""
    return next((page for page in reversed(pages[:-1]) if page), pages[-2])
