"""The text of an example file, page by page, by the plainest means: it checks the files, it does not ingest them."""

import re
from html import unescape
from pathlib import Path

from docx import Document
from docx.table import Table
from openpyxl import load_workbook
from pptx import Presentation
from pypdf import PdfReader


def pages_of(path: Path) -> list[str]:
    """The text of each page of a PDF, each slide with its notes, each sheet; any other file is one page."""
    readers = {".pdf": _pdf, ".docx": _docx, ".pptx": _pptx, ".xlsx": _xlsx, ".html": _html}
    if reader := readers.get(path.suffix):
        return reader(path)
    return [path.read_text(encoding="utf-8-sig")]


def squeeze(text: str) -> str:
    """Text without spaces, line breaks and cell borders, for comparing across formats."""
    return re.sub(r"[\s|]+", "", text)


def _pdf(path: Path) -> list[str]:
    return [page.extract_text() for page in PdfReader(path).pages]


def _docx(path: Path) -> list[str]:
    parts: list[str] = []
    for part in Document(str(path)).iter_inner_content():
        if isinstance(part, Table):
            parts.extend(" | ".join(cell.text for cell in row.cells) for row in part.rows)
        else:
            parts.append(part.text)
    return ["\n".join(parts)]


def _pptx(path: Path) -> list[str]:
    pages = []
    for slide in Presentation(str(path)).slides:
        parts: list[str] = []
        for shape in slide.shapes:
            if shape.has_text_frame:
                parts.append(shape.text_frame.text)
            elif shape.has_table:
                parts.extend(" | ".join(cell.text for cell in row.cells) for row in shape.table.rows)
        parts.append(slide.notes_slide.notes_text_frame.text)
        pages.append("\n".join(parts))
    return pages


def _xlsx(path: Path) -> list[str]:
    rows = [sheet.iter_rows(values_only=True) for sheet in load_workbook(path).worksheets]
    return ["\n".join(" | ".join(str(cell) for cell in row if cell is not None) for row in sheet) for sheet in rows]


def _html(path: Path) -> list[str]:
    page = re.sub(r"(?s)<(script|style).*?</\1>", "", path.read_text(encoding="utf-8"))
    return [unescape(re.sub(r"<[^>]+>", " ", page))]
