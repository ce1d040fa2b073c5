"""Markdown and MDX: front matter and JSX taken off, rendered to HTML, read by the HTML parser.

`unstructured.partition_md` takes the same road by way of another renderer, but reads front matter as text, JSX tags as
raw HTML blocks (so the Markdown inside them stays unparsed), and indented component bodies as code.
"""

from __future__ import annotations

import re
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from ingest.parse.encodings import decode
from ingest.parse.html import read_html
from ingest.schema import ParsedDocument

if TYPE_CHECKING:
    from markdown_it import MarkdownIt

_FRONT_MATTER = re.compile(r"\A\s*---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S)
_TITLE_LINE = re.compile(r"^title:[ \t]*(.+?)[ \t]*$", re.M)
_FENCED = (
    r"^[ \t>]*(?:[-*+][ \t]+|\d+[.)][ \t]+)?(?P<fence>`{3,}|~{3,})[^\n]*\n(?:.*?\n)??[ \t>]*(?P=fence)[`~]*[ \t]*$"
)
_INLINE_CODE = r"(?P<ticks>`+)(?!`)[^\n]*?[^`\n](?P=ticks)(?!`)"
_ATTRIBUTES = r"""(?:\s(?:"[^"]*"|'[^']*'|\{(?:[^{}]|\{[^{}]*\})*\}|[^"'{}<>])*)?"""
# A component's name has a lower-case letter: <YOUR_KEY> and <API> in a text are placeholders of its author.
_JSX = r"</?(?P<component>[A-Z][A-Za-z0-9.]*[a-z][A-Za-z0-9.]*)(?P<attributes>" + _ATTRIBUTES + r")/?>|</?>"
_COMMENT = r"\{/\*.*?\*/\}|<!--.*?-->"
_MODULE_LINE = (
    r"^(?:import\s[^\n]*?from\s+['\"][^\n]*|import\s+['\"][^\n]*|export\s+(?:const|default|function)\s[^\n]*)$"
)
_MARKUP = re.compile(f"{_FENCED}|{_INLINE_CODE}|(?P<gone>{_COMMENT}|{_MODULE_LINE})|{_JSX}", re.S | re.M)
_JSX_TEST = re.compile(_JSX)
_LABEL = re.compile(
    r"""\b(?:title|label|header|question|summary|caption)\s*=\s*\{?\s*(?:"([^"]*)"|'([^']*)'|`([^`]*)`)"""
)
_TAG = re.compile(r"<(/?)([A-Za-z][\w-]*)(?=[\s/>])|<(?=[A-Za-z][\w.-]*>)")
_BLOCK_TAGS = "div|details|summary|center|section|article|figure|figcaption|span|p|main"
_BLOCK_TAG_LINE = re.compile(
    rf"^[ \t]*(?:</?(?:{_BLOCK_TAGS})\b[^<>]*>|<summary>[^\n]*</summary>|<br\s*/?>)+[ \t]*$", re.M
)
_BLOCK_END = re.compile(r"(</(?:table|ul|ol|dl|blockquote)>)[ \t]*\n", re.I)
_UNPARSED_BOLD = re.compile(r"\*\*(?=\S)(.+?)(?<=\S)\*\*")
# fmt: off
_HTML_TAGS = frozenset((
    "a", "abbr", "address", "article", "aside", "audio", "b", "blockquote", "br", "button", "caption", "center",
    "cite", "code", "col", "colgroup", "dd", "del", "details", "dfn", "div", "dl", "dt", "em", "figcaption",
    "figure", "font", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "html", "body", "head", "i",
    "iframe", "img", "input", "ins", "kbd", "label", "li", "main", "mark", "nav", "ol", "option", "p", "path",
    "picture", "pre", "q", "s", "samp", "script", "section", "select", "small", "source", "span", "strike",
    "strong", "style", "sub", "summary", "sup", "svg", "table", "tbody", "td", "textarea", "tfoot", "th", "thead",
    "time", "title", "tr", "tt", "u", "ul", "var", "video",
))
# fmt: on


def parse_markdown(path: Path, name: str) -> ParsedDocument:
    """A Markdown or MDX file; the front matter's title becomes the document's."""
    title, body = _split_front_matter(decode(path.read_bytes(), name))
    is_mdx = name.lower().endswith(".mdx") or _JSX_TEST.search(body) is not None
    html = _renderer(is_mdx).render(_prepared(body))
    _, elements = read_html(f"<body>{html}</body>")
    return ParsedDocument("md", elements, title)


def _split_front_matter(text: str) -> tuple[str, str]:
    match = _FRONT_MATTER.match(text)
    if not match:
        return "", text
    import yaml

    try:
        fields = yaml.safe_load(match[1])
    except yaml.YAMLError:
        # An unquoted colon breaks YAML and nobody notices; the title line still says the title.
        line = _TITLE_LINE.search(match[1])
        return (line[1].strip("\"'") if line else ""), text[match.end() :]
    if not isinstance(fields, dict):
        # Two rules with a text between them, not front matter.
        return "", text
    title, description = fields.get("title"), fields.get("description")
    body = text[match.end() :]
    if isinstance(description, str):
        body = f"{description}\n\n{body}"
    return (str(title) if title is not None else ""), body


def _prepared(body: str) -> str:
    """The Markdown without JSX, with HTML blocks standing alone so that what they hold is parsed too."""
    return _MARKUP.sub(_without_jsx, body).replace("\u00a0", " ")


def _without_jsx(match: re.Match[str]) -> str:
    if match["fence"] or match["ticks"]:
        return match.group()
    if match["gone"]:
        return ""
    label = next((value for value in _label_of(match["attributes"] or "") if value), "")
    alone = not _line_around(match).strip()
    indent = re.match(r"[ \t]*", _line_start(match))
    before = indent.group() if indent else ""
    if label:
        return f"\n\n{before}**{label.strip()}**\n\n{before}" if alone else f" {label.strip()} "
    return f"\n{before}" if alone else ""


def _label_of(attributes: str) -> tuple[str, ...]:
    match = _LABEL.search(attributes)
    return match.groups("") if match else ()


def _line_start(match: re.Match[str]) -> str:
    return match.string[match.string.rfind("\n", 0, match.start()) + 1 : match.start()]


def _line_around(match: re.Match[str]) -> str:
    end = match.string.find("\n", match.end())
    line = _line_start(match) + match.string[match.end() : end if end >= 0 else None]
    return re.sub(_JSX, "", line)


def _renderer(is_mdx: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt
    from markdown_it.rules_core import StateCore

    renderer = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    if is_mdx:
        # MDX has no indented code: the body of a component is indented for the eye.
        renderer.disable("code")

    def open_blocks(state: StateCore) -> None:
        state.src = _outside_code(state.src)

    def unparsed_bold(state: StateCore) -> None:
        # CommonMark does not see the end of **注意：**请 before a Chinese letter; its authors do.
        for token in state.tokens:
            for child in token.children or ():
                if child.type == "text":
                    child.content = _UNPARSED_BOLD.sub(r"\1", child.content)

    renderer.core.ruler.before("block", "open_blocks", open_blocks)
    renderer.core.ruler.push("unparsed_bold", unparsed_bold)
    return renderer


_CODE = re.compile(f"{_FENCED}|{_INLINE_CODE}", re.S | re.M)


def _outside_code(text: str) -> str:
    parts, end = [], 0
    for match in _CODE.finditer(text):
        parts += [_open_blocks(text[end : match.start()]), match.group()]
        end = match.end()
    return "".join([*parts, _open_blocks(text[end:])])


def _open_blocks(text: str) -> str:
    text = _BLOCK_TAG_LINE.sub(lambda match: f"\n{match.group()}\n", text)
    # An HTML block lasts until a blank line; what follows its last tag is Markdown again.
    text = _BLOCK_END.sub(r"\1\n\n", text)
    return _TAG.sub(_known_or_escaped, text)


def _known_or_escaped(match: re.Match[str]) -> str:
    name = match[2]
    return match.group() if name and name.lower() in _HTML_TAGS else escape(match.group())
