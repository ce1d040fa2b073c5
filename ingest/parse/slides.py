"""PowerPoint files, read with python-pptx.

`unstructured.partition_pptx` finds all the text, but measured on real decks it gives empty strings for merged cells,
calls most bulleted paragraphs "Title", and leaves charts and diagrams out; so the shapes are walked here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ingest.parse.blocks import Blocks, list_mark
from ingest.parse.office import whole_package
from ingest.parse.tables import fill_spans, make_table, read_table
from ingest.schema import ParsedDocument

_A = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_DIAGRAM_DATA = "/diagramData"
_SKIPPED_PLACEHOLDERS = ("DATE", "FOOTER", "SLIDE_NUMBER", "HEADER")
_PRESENTATION_TYPES = (
    "application/vnd.openxmlformats-officedocument.presentationml.slideshow.main+xml",
    "application/vnd.openxmlformats-officedocument.presentationml.template.main+xml",
    "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
    "application/vnd.ms-powerpoint.template.macroEnabled.main+xml",
)
# Shapes whose tops differ less than this (EMU, a quarter of an inch) stand side by side.
_ROW_HEIGHT = 228_600


def parse_pptx(path: Path, name: str) -> ParsedDocument:
    """A .pptx file: each slide's title as HEADING, then its shapes from top to bottom, then its notes."""
    presentation = _open(path, name)
    blocks = Blocks()
    hidden = []
    for number, slide in enumerate(presentation.slides, start=1):
        if slide._element.get("show") == "0":
            hidden.append(str(number))
            continue
        blocks.page = number
        _read_slide(slide, blocks)
        blocks.break_list()
    warnings = (f"Hidden slides were left out: {', '.join(hidden)}.",) if hidden else ()
    title = presentation.core_properties.title or ""
    return ParsedDocument("pptx", blocks.elements(), title, len(presentation.slides), warnings)


def _open(path: Path, name: str) -> Any:
    """The presentation; shows and templates are presentations under another type, which python-pptx refuses."""
    import pptx
    from pptx.opc.package import PartFactory
    from pptx.package import Package
    from pptx.parts.presentation import PresentationPart

    for kind in _PRESENTATION_TYPES:
        PartFactory.part_type_for.setdefault(kind, PresentationPart)
    package = whole_package(path, name)
    part = Package.open(package).main_document_part
    package.seek(0)
    return part.presentation if part.content_type in _PRESENTATION_TYPES else pptx.Presentation(package)


def _read_slide(slide: Any, blocks: Blocks) -> None:
    title = slide.shapes.title
    if title is not None and title.has_text_frame:
        blocks.heading(title.text_frame.text.replace("\v", " "), 1)
    for shape in _in_order(slide.shapes):
        # python-pptx makes a new proxy at each access: compare the XML.
        if title is None or shape._element is not title._element:
            _read_shape(shape, blocks)
    blocks.break_list()
    if slide.has_notes_slide and (frame := slide.notes_slide.notes_text_frame) is not None:
        notes = frame.text.replace("\v", "\n").strip()
        if notes:
            blocks.paragraph(f"Notes: {notes}")


def _in_order(shapes: Any) -> list[Any]:
    """Shapes top to bottom, and left to right where they stand side by side."""

    def place(shape: Any) -> tuple[int, int]:
        # A placeholder without its own position has that of its layout; some have none at all.
        return (shape.top or 0) // _ROW_HEIGHT, shape.left or 0

    return sorted(shapes, key=place)


def _read_shape(shape: Any, blocks: Blocks) -> None:
    if shape.is_placeholder and any(word in str(shape.placeholder_format.type) for word in _SKIPPED_PLACEHOLDERS):
        return
    if shape.shape_type is not None and hasattr(shape, "shapes"):
        for member in _in_order(shape.shapes):
            _read_shape(member, blocks)
    elif getattr(shape, "has_table", False):
        _read_table(shape.table, blocks)
    elif getattr(shape, "has_chart", False):
        _read_chart(shape.chart, blocks)
    elif shape.has_text_frame:
        _read_text(shape, blocks)
    else:
        for text in _diagram_texts(shape):
            blocks.item(text)
        blocks.break_list()


def _read_text(shape: Any, blocks: Blocks) -> None:
    bulleted = shape.is_placeholder and _is_body(shape)
    counters: dict[int, int] = {}
    paragraphs = [p for p in shape.text_frame.paragraphs if p.text.strip()]
    for paragraph in paragraphs:
        text = paragraph.text.replace("\v", "\n").strip()
        mark = _bullet(paragraph, bulleted and len(paragraphs) > 1, counters)
        if mark is None and (manual := list_mark(text)):
            mark, text = manual
        if mark is None:
            blocks.paragraph(text)
        else:
            blocks.item(text, mark, paragraph.level)
    blocks.break_list()


def _is_body(shape: Any) -> bool:
    return str(shape.placeholder_format.type).split(" ")[0] in ("BODY", "OBJECT", "VERTICAL_BODY", "VERTICAL_OBJECT")


def _bullet(paragraph: Any, by_default: bool, counters: dict[int, int]) -> str | None:
    properties = paragraph._p.pPr
    level = paragraph.level
    for deeper in [depth for depth in counters if depth > level]:
        del counters[deeper]
    if properties is not None:
        if properties.find(f"{_A}buNone") is not None:
            return None
        numbered = properties.find(f"{_A}buAutoNum")
        if numbered is not None:
            start = numbered.get("startAt", "1")
            counters[level] = counters.get(level, int(start) - 1 if start.isdecimal() else 0) + 1
            return f"{counters[level]}."
        if properties.find(f"{_A}buChar") is not None or properties.find(f"{_A}buBlip") is not None:
            return "-"
    return "-" if by_default else None


def _read_table(table: Any, blocks: Blocks) -> None:
    rows = []
    for row in table.rows:
        cells = []
        for cell in row.cells:
            # Cells that a merged one covers are listed too; the origin says how many.
            if not cell.is_spanned:
                cells.append((cell.text.replace("\v", " "), cell.span_width, cell.span_height))
        rows.append(cells)
    blocks.table(*read_table(fill_spans(rows)))


def _read_chart(chart: Any, blocks: Blocks) -> None:
    """A chart as the table it was drawn from."""
    caption = chart.chart_title.text_frame.text if chart.has_title and chart.chart_title.has_text_frame else ""
    for plot in chart.plots:
        names = [str(category) for category in plot.categories]
        series = [(str(one.name or ""), list(one.values)) for one in plot.series]
        rows = [["", *(name for name, _ in series)]]
        for i, category in enumerate(names):
            rows.append([category, *(_value(values[i]) if i < len(values) else "" for _, values in series)])
        blocks.table(make_table(rows, 1), caption)


def _value(value: float | None) -> str:
    return "" if value is None else f"{value:.10g}"


def _diagram_texts(shape: Any) -> Iterator[str]:
    """Texts of a SmartArt diagram, which live in a part of their own."""
    from lxml import etree

    for ids in shape._element.iter("{http://schemas.openxmlformats.org/drawingml/2006/diagram}relIds"):
        key = ids.get("{http://schemas.openxmlformats.org/officeDocument/2006/relationships}dm")
        if key not in shape.part.rels:
            continue
        blob = shape.part.rels[key].target_part.blob
        root = etree.fromstring(blob, etree.XMLParser(resolve_entities=False, no_network=True))
        for paragraph in root.iter(f"{_A}p"):
            text = "".join(t.text or "" for t in paragraph.iter(f"{_A}t")).strip()
            if text:
                yield text
