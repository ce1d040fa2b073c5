"""HTML pages: boilerplate dropped, blocks marked, walked by `unstructured`.

`partition_html` joins inline content, folds white space and finds the paragraphs as a browser would. Set aside and put
back afterwards are the things it loses: tables (column and row spans, header rows), code blocks inside lists, list
marks and nesting, definition lists; see `ingest.parse.partition`.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.errors import DamagedFile
from ingest.parse.blocks import Blocks
from ingest.parse.encodings import decode
from ingest.parse.html_tables import is_layout, text_of, to_table, unwrap
from ingest.parse.partition import MarkedReader, is_marked, load_unstructured, mark
from ingest.schema import Element, ParsedDocument, Table

if TYPE_CHECKING:
    from lxml.html import HtmlElement

_META_CHARSET = re.compile(rb"<meta[^>]+charset\s*=\s*[\"']?\s*([\w-]+)|<\?xml[^>]+encoding=[\"']([\w-]+)", re.I)
_HAS_TAG = re.compile(r"<[a-zA-Z!/?][^>]*>")
# fmt: off
_DROPPED = (
    "script", "style", "noscript", "template", "svg", "canvas", "iframe", "object", "embed", "audio", "video", "map",
    "head", "nav", "footer", "aside", "input", "select", "textarea", "dialog",
)
# fmt: on
_DROPPED_ROLES = {"navigation", "banner", "contentinfo", "search", "complementary", "menu", "menubar", "dialog"}
_BOILERPLATE = re.compile(
    r"(?:^|[\s_-])(?:nav|navbar|navbox|navigation|menu|sidebar|breadcrumbs?|footer|cookies?|consent|share|social|advert\w*|"
    r"ads|skip-?link|editsection|pagination|pager|newsletter|toc|related)(?:$|[\s_-])",
    re.I,
)
# Left out by the partitioner, but an FAQ stands in <details>, a picture's explanation in <figure>, and some content
# systems wrap the whole page into a <form>.
_SKIPPED_BY_PARTITIONER = {"details": "div", "figure": "div", "form": "div", "label": "span", "button": "span"}
_PERMALINKS = {"¶", "#", "§", "🔗", "[edit]"}
_BLOCK_CHILDREN = "p|ul|ol|pre|table|div|dl|h1|h2|h3|h4|h5|h6|blockquote"
# Below this share of the page's text, <main> is a wrapper for something else.
_LEAST_MAIN = 0.3


def parse_html(path: Path, name: str) -> ParsedDocument:
    """An HTML file in any encoding; raises DamagedFile when there is no markup in it."""
    data = path.read_bytes()
    match = _META_CHARSET.search(data[:4096])
    declared = (match[1] or match[2]).decode("ascii") if match else None
    text = decode(data, name, declared)
    if text.strip() and not _HAS_TAG.search(text):
        raise DamagedFile(f"{name}: there is no HTML in this file; rename it to .txt if it is plain text.")
    title, elements = read_html(text)
    return ParsedDocument("html", elements, title)


def read_html(text: str) -> tuple[str, tuple[Element, ...]]:
    """The <title> and the elements of a page given as text."""
    root = _tree(text)
    if root is None:
        return "", ()
    title = root.find(".//title")
    title_text = text_of(title) if title is not None else ""
    elements = _elements(_main(_without_boilerplate(root)))
    # Some pages put all they have to say into an <aside> or a form; then nothing is boilerplate.
    if not elements and (root := _tree(text)) is not None:
        elements = _elements(_without_boilerplate(root, only_tags=("script", "style", "head", "template")))
    return title_text, elements


def _tree(text: str) -> HtmlElement | None:
    from lxml import etree, html

    # The text is decoded already; an XML declaration that names another encoding would only confuse lxml.
    text = re.sub(r"^\s*<\?xml[^>]*\?>", "", text)
    parser = html.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    try:
        return html.document_fromstring(text.encode("utf-8", errors="ignore"), parser=parser)
    except (etree.ParserError, ValueError):
        return None


def _without_boilerplate(root: HtmlElement, only_tags: tuple[str, ...] = ()) -> HtmlElement:
    whole = len(text_of(root)) or 1
    for element in list(root.iter(*(only_tags or _DROPPED))):
        _drop(element)
    if only_tags:
        return root
    for element in list(root.iterdescendants()):
        if isinstance(element.tag, str) and _is_boilerplate(element, whole):
            _drop(element)
    return root


def _is_boilerplate(element: HtmlElement, whole: int) -> bool:
    if element.tag in ("html", "body", "main", "article"):
        return False
    if element.get("role") in _DROPPED_ROLES:
        return True
    if element.tag == "header" and not element.xpath("ancestor::article|ancestor::main|.//h1"):
        return True
    # Many an FAQ keeps its questions in buttons that open the answers.
    if element.tag == "button" and not element.xpath(
        "ancestor::h1|ancestor::h2|ancestor::h3|ancestor::h4|ancestor::dt"
    ):
        return True
    if element.tag == "a" and text_of(element) in _PERMALINKS:
        return True
    if element.tag == "sup" and "reference" in element.get("class", ""):
        return True
    if not _BOILERPLATE.search(f"{element.get('class', '')} {element.get('id', '')}"):
        return False
    text = text_of(element)
    links = sum(len(text_of(link)) for link in element.iter("a"))
    # A class name alone may lie; a menu is short, or made of links.
    return len(text) < 0.5 * whole and (links > 0.5 * len(text) or len(text) < 300)


def _drop(element: HtmlElement) -> None:
    if element.getparent() is not None:
        element.drop_tree()


def _main(root: HtmlElement) -> HtmlElement:
    whole = len(text_of(root))
    for main in root.xpath("//main|//*[@role='main']"):
        if len(text_of(main)) >= _LEAST_MAIN * whole:
            # The page's own heading often stands just above its <main>.
            heading = root.find(".//h1")
            if heading is not None and main.find(".//h1") is None:
                main.insert(0, heading)
            return main
    return root


def _elements(root: HtmlElement) -> tuple[Element, ...]:
    from lxml import html

    codes = _set_code_aside(root)
    tables = _set_tables_aside(root)
    _part_at_double_breaks(root)
    _mark_definitions(root)
    _mark_blocks(root)
    marked = html.tostring(root, encoding="unicode")
    if not text_of(root):
        return ()
    load_unstructured()
    from unstructured.partition.html import partition_html

    blocks = Blocks()
    # languages=[""] switches its language detection off: it costs much and we have our own.
    MarkedReader(blocks, tables, codes).read(partition_html(text=f"<html><body>{marked}</body></html>", languages=[""]))
    return blocks.elements()


def _set_code_aside(root: HtmlElement) -> list[str]:
    codes: list[str] = []
    for pre in list(root.iter("pre")):
        # Code in a table cell stays there: a row must be readable by itself.
        if pre.getparent() is None or pre.xpath("ancestor::table[not(.//table)]"):
            continue
        for line_break in list(pre.iter("br")):
            line_break.tail = "\n" + (line_break.tail or "")
        code = pre.text_content().replace("\r\n", "\n")
        _replace(pre, mark("B", len(codes)))
        codes.append(code)
    return codes


def _set_tables_aside(root: HtmlElement) -> list[tuple[Table | None, str]]:
    tables: list[tuple[Table | None, str]] = []
    for table in list(root.iter("table")):
        if is_layout(table):
            unwrap(table)
            continue
        read = to_table(table)
        _replace(table, mark("T", len(tables)))
        tables.append(read)
    return tables


def _replace(element: HtmlElement, text: str) -> None:
    tail = element.tail
    element.clear()
    element.tag, element.text, element.tail = "p", text, tail


def _mark_definitions(root: HtmlElement) -> None:
    for definitions in list(root.iter("dl")):
        term: list[str] = []
        for child in list(definitions.iter("dt", "dd")):
            if child.getparent() is None:
                continue
            simple = not child.xpath(f".//*[self::{'|self::'.join(_BLOCK_CHILDREN.split('|'))}]")
            if child.tag == "dt":
                term = (
                    [*term, text_of(child)]
                    if term and child.getprevious() is not None and child.getprevious().tag == "dt"
                    else [text_of(child)]
                )
                _replace(child, "")
            elif simple:
                joined = " / ".join(filter(None, term))
                text = text_of(child)
                _replace(child, mark("L", "0,-") + (f"{joined}: {text}" if joined else text))
                term = []
            elif term:
                _mark_first_text(child, mark("P"))
                label = child.makeelement("p")
                label.text = mark("P") + " / ".join(filter(None, term))
                child.insert(0, label)
                label.tail, child.text = child.text, None
                term = []
            child.tag = "div" if child.tag in ("dt", "dd") else child.tag
        definitions.tag = "div"


def _part_at_double_breaks(root: HtmlElement) -> None:
    """Two line breaks in a row are how old pages begin a paragraph."""
    for line_break in list(root.iter("br")):
        before = line_break.getprevious()
        if before is not None and before.tag == "br" and not (before.tail or "").strip():
            line_break.tail = f"{mark('P')}{line_break.tail or ''}"


def _mark_blocks(root: HtmlElement) -> None:
    for element in root.iter(*_SKIPPED_BY_PARTITIONER):
        element.tag = _SKIPPED_BY_PARTITIONER[element.tag]
    # Innermost first, so that the mark nearest to a text is its own and outer ones come out empty.
    for element in reversed(list(root.iter("h1", "h2", "h3", "h4", "h5", "h6", "li", "summary", "figcaption"))):
        if element.tag == "li":
            depth = len(element.xpath("ancestor::ul|ancestor::ol"))
            _mark_first_text(element, mark("L", f"{max(depth - 1, 0)},{_item_mark(element)}"))
        elif element.tag in ("summary", "figcaption"):
            # Inline to the partitioner, a block to the reader.
            element.tag = "p"
        else:
            _mark_first_text(element, mark("H", element.tag[1]))
    for element in root.iter("p", "div", "section", "blockquote", "address", "center"):
        # The partitioner drops paragraphs of a single character; with a mark none is that short.
        if element.text and element.text.strip() and not is_marked(element.text):
            element.text = mark("P") + element.text.lstrip()


def _item_mark(item: HtmlElement) -> str:
    parent = item.getparent()
    if parent is None or parent.tag != "ol":
        return "-"
    start = parent.get("start", "1")
    first = int(start) if re.fullmatch(r"\d{1,6}", start) else 1
    return f"{first + len(item.xpath('preceding-sibling::li'))}."


def _mark_first_text(element: HtmlElement, text: str) -> None:
    for node in element.iter():
        if not isinstance(node.tag, str):
            continue
        if node.text and node.text.strip():
            node.text = text + node.text.lstrip()
            return
        for child in node:
            if child.tag == "br" and child.tail and child.tail.strip():
                child.tail = text + child.tail.lstrip()
                return
            if len(child) or (child.text and child.text.strip()):
                break
            if child.tail and child.tail.strip():
                child.tail = text + child.tail.lstrip()
                return
