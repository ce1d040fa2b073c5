"""Word files: tidied with python-docx, marked, walked by `unstructured`.

`partition_docx` counts list numbers ("2.3.1.") and keeps merged cells; those are hard, and it does them well. It is
told by marks what styles say (heading levels, also in Chinese; lists; code), because it takes short paragraphs for
titles and knows English style names only. What it does not walk at all is put in its way first: text boxes, content
controls, tracked insertions, footnotes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from ingest.parse.blocks import Blocks, list_mark
from ingest.parse.html_tables import to_table
from ingest.parse.office import whole_package
from ingest.parse.partition import MarkedReader, load_unstructured, mark
from ingest.parse.running import add_running
from ingest.parse.tables import make_table
from ingest.schema import ParsedDocument, Table

_W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_MC = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_M = "{http://schemas.openxmlformats.org/officeDocument/2006/math}"
_HEADING_STYLE = re.compile(r"(?:heading|标题|標題|überschrift|titre|título|見出し|제목)\s*([1-9])\b", re.I)
_TITLE_STYLE = re.compile(r"(?:title|标题|標題|文档标题|titel)", re.I)
_SUBTITLE_STYLE = re.compile(r"(?:subtitle|副标题|副標題)", re.I)
_CONTENTS_STYLE = re.compile(r"(?:toc\s*\d|目录\s*\d|目錄\s*\d|table of figures)", re.I)
_CODE_STYLE = re.compile(r"\bcode\b|source|preformatted|代码|程序|macro", re.I)
_CODE_FONTS = ("courier", "consolas", "mono", "menlo", "monaco", "lucida console")
_DEEPEST_STYLE_CHAIN = 20
_DOCUMENT_TYPES = (
    "application/vnd.ms-word.document.macroEnabled.main+xml",
    "application/vnd.ms-word.template.macroEnabledTemplate.main+xml",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml",
)


def parse_docx(path: Path, name: str) -> ParsedDocument:
    """A .docx file; the table of contents is left out, footnotes follow their paragraph, page headers stand at the end."""
    document = _open(path, name)
    running = _running_texts(document)
    warnings = _tidy(document)
    _mark_paragraphs(document)
    blocks = Blocks()
    tables: list[tuple[Table | None, str]] = []
    reader = MarkedReader(blocks, tables, [], numbered=True)
    for element in _partitioned(document):
        category = element.category
        if category == "Table":
            tables.append(_table_of(element))
            reader.text(mark("T", len(tables) - 1))
        elif category not in ("Header", "Footer", "PageBreak"):
            reader.text(_with_list_mark(element))
    blocks.break_list()
    add_running(running, blocks)
    return ParsedDocument("docx", blocks.elements(), document.core_properties.title or "", warnings=warnings)


def _open(path: Path, name: str) -> Any:
    """The document; one with macros and a template are documents under another type, which python-docx refuses."""
    from docx.opc.constants import CONTENT_TYPE
    from docx.opc.part import PartFactory
    from docx.package import Package
    from docx.parts.document import DocumentPart

    for kind in _DOCUMENT_TYPES:
        PartFactory.part_type_for.setdefault(kind, DocumentPart)
    part = Package.open(whole_package(path, name)).main_document_part
    if part.content_type not in (CONTENT_TYPE.WML_DOCUMENT_MAIN, *_DOCUMENT_TYPES):
        raise ValueError(part.content_type)
    # unstructured opens it once more, as what it is without its macros.
    part._content_type = CONTENT_TYPE.WML_DOCUMENT_MAIN
    return part.document


def _running_texts(document: Any) -> list[str]:
    """The paragraphs of all page headers and footers."""
    texts = []
    for section in document.sections:
        for kind in (
            "header",
            "footer",
            "first_page_header",
            "first_page_footer",
            "even_page_header",
            "even_page_footer",
        ):
            part = getattr(section, kind)
            if not part.is_linked_to_previous:
                paragraphs = part._element.iter(f"{_W}p")
                texts += ["".join(t.text or "" for t in paragraph.iter(f"{_W}t")) for paragraph in paragraphs]
    return texts


def _partitioned(document: Any) -> Iterator[Any]:
    load_unstructured()
    from unstructured.partition.docx import partition_docx

    for relation_id, relation in list(document.part.rels.items()):
        # Pictures hold no text and are most of the bytes.
        if relation.reltype.endswith("/image"):
            del document.part.rels[relation_id]
    saved = BytesIO()
    document.save(saved)
    saved.seek(0)
    yield from partition_docx(file=saved, languages=[""], include_page_breaks=False)


def _with_list_mark(element: Any) -> str:
    """The text with a list mark put in where `unstructured` found a list item and our marks say nothing."""
    text: str = element.text
    number, opened, rest = text.partition(mark("P"))
    if not opened or element.category != "ListItem":
        return text
    bullet = re.sub(r"\s+", "", number) or "-"
    if manual := list_mark(rest):
        bullet, rest = (manual[0], manual[1]) if bullet == "-" else (bullet, rest)
    # The number itself carries the nesting ("2.3.1."); bullets need theirs drawn.
    return mark("L", f"{min(element.metadata.category_depth or 0, 8)},{bullet}") + rest


def _table_of(element: Any) -> tuple[Table | None, str]:
    from lxml import html

    if element.metadata.text_as_html:
        return to_table(html.fragment_fromstring(element.metadata.text_as_html))
    # A table beyond unstructured's size limit has no cells; its text is better than nothing.
    return make_table([[line] for line in element.text.split("\n")], 0), ""


def _tidy(document: Any) -> tuple[str, ...]:
    body = document.element.body
    warnings = []
    if _accept_changes(body):
        warnings.append("The document has tracked changes; it was read as if all were accepted.")
    _drop_contents(body)
    _unwrap(body, "sdt", "sdtContent")
    for tag in ("smartTag", "customXml", "fldSimple"):
        _unwrap(body, tag)
    _lift_text_boxes(body)
    _open_frames(body)
    for page_break in list(body.iter(f"{_W}lastRenderedPageBreak")):
        page_break.getparent().remove(page_break)
    for line_break in list(body.iter(f"{_W}br")):
        # A page break would cut a paragraph in two.
        if line_break.get(f"{_W}type") in ("page", "column"):
            line_break.getparent().remove(line_break)
    for formula in list(body.iter(f"{_M}oMath")):
        _replace_by_text(formula, "".join(t.text or "" for t in formula.iter(f"{_M}t")))
    _write_out_notes(document)
    return tuple(warnings)


def _accept_changes(body: Any) -> bool:
    changed = False
    for tag in ("del", "moveFrom"):
        for element in list(body.iter(_W + tag)):
            changed = True
            # A deleted paragraph mark sits in the properties and holds no text.
            element.getparent().remove(element)
    for tag in ("ins", "moveTo"):
        changed = _unwrap(body, tag) or changed
    return changed


def _unwrap(body: Any, tag: str, content: str | None = None) -> bool:
    found = False
    for element in reversed(list(body.iter(_W + tag))):
        found = True
        inner = element if content is None else element.find(_W + content)
        parent = element.getparent()
        index = parent.index(element)
        children = [] if inner is None else [c for c in inner if not str(c.tag).endswith(("Pr", "}customXmlPr"))]
        for child in children:
            parent.insert(index, child)
            index += 1
        parent.remove(element)
    return found


def _drop_contents(body: Any) -> None:
    for control in list(body.iter(f"{_W}sdt")):
        galleries = {g.get(f"{_W}val") for g in control.iter(f"{_W}docPartGallery")}
        if "Table of Contents" in galleries and control.getparent() is not None:
            control.getparent().remove(control)


def _lift_text_boxes(body: Any) -> None:
    """Put the paragraphs of text boxes after the paragraph that anchors them."""
    for alternate in list(body.iter(f"{_MC}AlternateContent")):
        # The fallback repeats the choice for old versions of Word.
        choice, fallback = alternate.find(f"{_MC}Choice"), alternate.find(f"{_MC}Fallback")
        if choice is not None and fallback is not None:
            alternate.remove(fallback)
    for box in list(body.iter(f"{_W}txbxContent")):
        anchor = box.getparent()
        while anchor is not None and (anchor.tag != f"{_W}p"):
            anchor = anchor.getparent()
        if anchor is None:
            continue
        for block in reversed([child for child in box if child.tag in (f"{_W}p", f"{_W}tbl")]):
            anchor.addnext(block)


def _open_frames(body: Any) -> None:
    """Replace tables that only frame something by what is in them: notes, examples, other tables."""
    for table in list(body.iter(f"{_W}tbl")):
        cells = table.findall(f"{_W}tr/{_W}tc")
        rows = len(table.findall(f"{_W}tr"))
        holds_table = any(cell.find(f"{_W}tbl") is not None for cell in cells)
        if (len(cells) == 1 or (len(cells) == rows and holds_table)) and table.getparent() is not None:
            for cell in cells:
                for block in [child for child in cell if child.tag in (f"{_W}p", f"{_W}tbl")]:
                    table.addprevious(block)
            table.getparent().remove(table)


def _replace_by_text(element: Any, text: str) -> None:
    from docx.oxml import OxmlElement

    run, content = OxmlElement("w:r"), OxmlElement("w:t")
    content.text = text
    content.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    run.append(content)
    parent = element.getparent()
    # A display formula stands in an oMathPara, which python-docx does not read either.
    target = parent if parent.tag == f"{_M}oMathPara" and parent.getparent() is not None else element
    target.addprevious(run)
    element.getparent().remove(element)


def _write_out_notes(document: Any) -> None:
    """Append foot- and endnotes to the paragraphs that refer to them."""
    from docx.oxml import parse_xml

    for kind in ("footnote", "endnote"):
        part = next((r.target_part for r in document.part.rels.values() if r.reltype.endswith(f"/{kind}s")), None)
        if part is None:
            continue
        notes = {
            note.get(f"{_W}id"): " ".join("".join(t.text or "" for t in note.iter(f"{_W}t")).split())
            for note in parse_xml(part.blob).iter(_W + kind)
        }
        for reference in list(document.element.body.iter(f"{_W}{kind}Reference")):
            if text := notes.get(reference.get(f"{_W}id")):
                _append_note(reference, text)


def _append_note(reference: Any, text: str) -> None:
    from docx.oxml import OxmlElement

    paragraph = reference.getparent()
    while paragraph is not None and paragraph.tag != f"{_W}p":
        paragraph = paragraph.getparent()
    if paragraph is None:
        return
    run, content = OxmlElement("w:r"), OxmlElement("w:t")
    content.text = f" ({text})"
    content.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    run.append(content)
    paragraph.append(run)


def _mark_paragraphs(document: Any) -> None:
    from docx.text.paragraph import Paragraph

    # Those in table cells are read as cells, whatever their style.
    for element in document.element.body.xpath("./w:p"):
        paragraph = Paragraph(element, document._body)
        if not "".join(t.text or "" for t in element.iter(f"{_W}t")).strip():
            continue
        style = paragraph.style
        names = [] if style is None else _style_names(style)
        if any(_CONTENTS_STYLE.match(name) for name in names):
            element.getparent().remove(element)
            continue
        level = _heading_level(element, style, names)
        if level is not None:
            label = mark("H", level)
        elif _is_code(paragraph, names):
            label = mark("C")
        else:
            label = mark("P")
        _mark(element, label)


def _mark(paragraph: Any, label: str) -> None:
    for text in paragraph.iter(f"{_W}t"):
        # The first text may stand in a hyperlink; the mark goes where the reader will see it first.
        if text.text:
            text.text = label + text.text
            text.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
            return


def _style_names(style: Any) -> list[str]:
    names: list[str] = []
    while style is not None and len(names) < _DEEPEST_STYLE_CHAIN:
        names += [style.name or ""]
        style = style.base_style
    return names


def _heading_level(element: Any, style: Any, names: list[str]) -> int | None:
    own = element.xpath("./w:pPr/w:outlineLvl/@w:val")
    if own and own[0].isdecimal():
        return int(own[0]) + 1 if int(own[0]) < 9 else None
    for name in names:
        if match := _HEADING_STYLE.match(name):
            return int(match[1])
        if _TITLE_STYLE.fullmatch(name):
            return 1
        if _SUBTITLE_STYLE.fullmatch(name):
            return 2
    for _ in range(_DEEPEST_STYLE_CHAIN):
        if style is None:
            return None
        values = style.element.xpath("./w:pPr/w:outlineLvl/@w:val")
        if values and values[0].isdecimal():
            return int(values[0]) + 1 if int(values[0]) < 9 else None
        style = style.base_style
    return None


def _is_code(paragraph: Any, names: list[str]) -> bool:
    if any(_CODE_STYLE.search(name) for name in names):
        return True
    fonts = [run.font.name for run in paragraph.runs if run.text.strip()]
    return bool(fonts) and all(font and any(code in font.lower() for code in _CODE_FONTS) for font in fonts)
