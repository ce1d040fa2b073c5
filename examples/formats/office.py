"""Word, PowerPoint and Excel files, with the dates inside them fixed so that two runs give the same bytes."""

import datetime as dt
import re
import zipfile
from pathlib import Path
from typing import Any

from docx import Document
from docx.oxml.ns import qn
from openpyxl import Workbook
from openpyxl.styles import Alignment, Font, PatternFill
from openpyxl.utils import get_column_letter
from pptx import Presentation
from pptx.dml.color import RGBColor
from pptx.util import Inches, Pt

from formats.source import Block, Source, bold_runs, plain

WRITTEN = dt.datetime(2026, 1, 12, 9, 0, 0)
AUTHOR = "Brindlemoor Home Appliances"
EAST_ASIAN_FONT = "Microsoft YaHei"
_ZIP_DATE = (2026, 1, 12, 9, 0, 0)


def write_docx(source: Source, target: Path, language: str) -> None:
    """Write a Word file with real heading, list and table styles."""
    document = Document()
    _describe(document.core_properties, source.info["title"], language)
    if language == "zh":
        for style in document.styles:
            if getattr(style, "font", None) is not None:
                fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
                fonts.set(qn("w:eastAsia"), EAST_ASIAN_FONT)
                # A font of the theme would win over the named one.
                fonts.attrib.pop(qn("w:eastAsiaTheme"), None)
    document.add_heading(source.info["title"], 0)
    document.add_paragraph(source.info["subtitle"], style="Subtitle")
    document.add_paragraph(source.info["meta"])
    for block in source.blocks:
        _add_to_docx(document, block)
    document.save(str(target))
    freeze(target)


def _add_to_docx(document: Any, block: Block) -> None:
    if block.kind in ("h1", "h2"):
        document.add_heading(block.text, 1 if block.kind == "h1" else 2)
    elif block.kind in ("ul", "ol"):
        for item in block.items:
            _add_runs(document.add_paragraph(style="List Bullet" if block.kind == "ul" else "List Number"), item)
    elif block.kind == "table":
        table = document.add_table(rows=0, cols=len(block.rows[0]), style="Light Grid Accent 1")
        for row in block.rows:
            for cell, text in zip(table.add_row().cells, row, strict=True):
                cell.text = text
        document.add_paragraph()
    else:
        _add_runs(document.add_paragraph(), block.text)


def _add_runs(paragraph: Any, text: str) -> None:
    for run, bold in bold_runs(text):
        paragraph.add_run(run).bold = bold


def write_pptx(source: Source, target: Path, language: str) -> None:
    """Write a slide deck: a title slide, then one slide a `#` heading, with speaker notes."""
    deck = Presentation()
    deck.slide_width, deck.slide_height = Inches(13.333), Inches(7.5)
    _describe(deck.core_properties, source.info["title"], language)
    first = deck.slides.add_slide(deck.slide_layouts[0])
    _place(first.shapes.title, 1.2, 2.2, 10.9, 1.5)
    _place(first.placeholders[1], 1.2, 3.9, 10.9, 1.2)
    first.shapes.title.text = source.info["title"]
    first.placeholders[1].text = source.info["subtitle"]
    first.notes_slide.notes_text_frame.text = source.info["notes"]
    for title, blocks in source.sections():
        _add_slide(deck, title, blocks)
    deck.save(str(target))
    freeze(target)


def _add_slide(deck: Any, title: str, blocks: list[Block]) -> None:
    slide = deck.slides.add_slide(deck.slide_layouts[1])
    slide.shapes.title.text = title
    _place(slide.shapes.title, 0.7, 0.4, 11.9, 1.0)
    top = 1.6
    for block in blocks:
        if block.kind == "table":
            height = 0.5 * len(block.rows)
            _add_slide_table(slide, block.rows, top, height)
            top += height + 0.4
        elif block.kind == "ul":
            body = slide.placeholders[1]
            _place(body, 0.7, top, 11.9, 7.1 - top)
            body.text_frame.text = "\n".join(plain(item) for item in block.items)
            for paragraph in body.text_frame.paragraphs:
                paragraph.font.size = Pt(24)
        elif block.kind == "notes":
            slide.notes_slide.notes_text_frame.text = block.text


def _add_slide_table(slide: Any, rows: list[list[str]], top: float, height: float) -> None:
    frame = slide.shapes.add_table(len(rows), len(rows[0]), Inches(0.7), Inches(top), Inches(11.9), Inches(height))
    for number, row in enumerate(rows):
        for column, text in enumerate(row):
            cell = frame.table.cell(number, column)
            cell.text = text
            cell.text_frame.paragraphs[0].font.size = Pt(16)
            if number == 0:
                cell.fill.solid()
                cell.fill.fore_color.rgb = RGBColor(0x1D, 0x3B, 0x4F)


def _place(shape: Any, left: float, top: float, width: float, height: float) -> None:
    shape.left, shape.top, shape.width, shape.height = Inches(left), Inches(top), Inches(width), Inches(height)


def write_xlsx(content: dict[str, Any], target: Path, language: str) -> None:
    """Write a workbook: each sheet has a heading, an empty row, a header row and its rows."""
    book = Workbook()
    book.remove(book.active)
    book.properties.creator = AUTHOR
    book.properties.title = content["title"]
    book.properties.language = language
    for sheet in content["sheets"]:
        _add_sheet(book, content["title"], sheet)
    book.save(target)
    freeze(target)


def _add_sheet(book: Workbook, title: str, content: dict[str, Any]) -> None:
    sheet = book.create_sheet(content["name"])
    sheet.append([title])
    sheet.append([content["heading"]])
    sheet.append([])
    sheet.append(content["header"])
    sheet["A1"].font = Font(bold=True, size=14)
    for cell in sheet[4]:
        cell.font = Font(bold=True, color="FFFFFF")
        cell.fill = PatternFill("solid", fgColor="1D3B4F")
    for row in content["rows"]:
        sheet.append(row)
    for row in sheet.iter_rows(min_row=5):
        for cell in row:
            if isinstance(cell.value, float):
                cell.number_format = "0.00"
                cell.alignment = Alignment(horizontal="right")
    for number, header in enumerate(content["header"], 1):
        column = [header, *(str(row[number - 1]) for row in content["rows"])]
        width = max(sum(2 if ord(character) > 0x2E80 else 1 for character in text) for text in column)
        sheet.column_dimensions[get_column_letter(number)].width = width + 3
    sheet.freeze_panes = "A5"


def _describe(properties: Any, title: str, language: str) -> None:
    properties.title, properties.author, properties.last_modified_by = title, AUTHOR, AUTHOR
    properties.language = "zh-CN" if language == "zh" else "en-GB"
    properties.created = properties.modified = WRITTEN
    properties.comments = ""


def freeze(path: Path) -> None:
    """Rewrite an Office file with fixed dates: the libraries stamp the time of the run."""
    with zipfile.ZipFile(path) as archive:
        parts = [(name, archive.read(name)) for name in archive.namelist()]
    stamp = f"{WRITTEN.isoformat()}Z".encode()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, data in parts:
            if name == "docProps/core.xml":
                data = re.sub(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*", rb"\g<1>" + stamp, data)
            entry = zipfile.ZipInfo(name, _ZIP_DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
