"""Texts of strangers made safe to show: answers, passages, places. Pure: no Streamlit in here.

Everything that comes from files or models is untrusted. It is shown as markdown with every active character escaped,
but for the tables that our own parser wrote.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

from ui.texts import Translate
from ui.wire import Citation

# Punctuation that markdown, Streamlit's own directives (:red[..], :material/..:, $..$) or HTML could read as more.
_ACTIVE = re.compile(r"([\\`*_{}\[\]()<>#+\-!|$~:&=^@])")
# What Streamlit makes links, icons and typographic signs of after it has undone the backslashes ("https://", "www.", "@",
# ":material/", ">=", "<-", "->"): one character in a span of its own leaves it as it stands. An invisible character would
# do so, too, but would travel along when a customer copies an address.
_TRIGGER = re.compile(r"(?i):(?=//)|(?<=www)\.|@|(?<=:)(?:m(?=aterial[/-])|s(?=treamlit:))|(?<=[<>~])[=-]|(?<=-)[->]")
# Four spaces at a line's start are a block of code, in which backslashes are seen.
_INDENT = re.compile(r"(?m)^[ \t]+")
_MARK = re.compile(r"\s*\[(\d{1,2})\]")
_RULE = re.compile(r"\|(?:---\|)+")
_BULLET = re.compile(r"^(\s*)[-*•]\s+")
_NUMBERED = re.compile(r"^(\s*)(\d{1,3})[.)]\s+")
# The engine of answers that persons wrote, and the folder that their sources are named in.
CURATED = "curated"
_ASIAN_END = "。！？；”』」）…"


def escaped(text: str) -> str:
    """Text in which markdown, HTML and Streamlit find nothing to do; it looks as it was written."""
    return _plain(_INDENT.sub("", text))


def answer_markdown(text: str) -> str:
    """An answer with its [n] marks as small raised numbers; nothing else of it is markup."""
    text = _INDENT.sub("", text)
    parts: list[str] = []
    at = 0
    for mark in _MARK.finditer(text):
        parts += [_lines(text[at : mark.start()]), f":small[:primary-badge[{mark.group(1)}]]"]
        at = mark.end()
    return "".join([*parts, _lines(text[at:])])


def curated_markdown(text: str) -> str:
    """An answer that the company's staff wrote in Markdown, with its [n] marks as small raised numbers; HTML stays text."""
    return _MARK.sub(lambda mark: f" :small[:primary-badge[{mark.group(1)}]]", text)


def shown_answer(text: str, engine: str | None) -> str:
    """An answer as markdown, by who wrote it."""
    return curated_markdown(text) if engine == CURATED else answer_markdown(text)


def source_name(citation: Citation) -> str:
    """What a source is called: a file by its last name, a page by its address, a curated answer by its question."""
    if citation.document.startswith(f"{CURATED}/"):
        return citation.title
    address = citation.document.startswith(("http://", "https://"))
    return citation.document if address else citation.document.rsplit("/", 1)[-1]


def passage_markdown(text: str) -> str:
    """A passage: its tables as tables, its lists as lists, all else as plain text."""
    blocks: list[str] = []
    lines = text.split("\n")
    i = 0
    while i < len(lines):
        if _is_row(lines[i]) and i + 1 < len(lines) and _RULE.fullmatch(lines[i + 1]):
            table = []
            while i < len(lines) and _is_row(lines[i]):
                table.append(lines[i] if _RULE.fullmatch(lines[i]) else _row(lines[i]))
                i += 1
            blocks.append("\n" + "\n".join(table) + "\n")
        else:
            blocks.append(_line(lines[i]))
            i += 1
    return "\n".join(blocks)


def place(citation: Citation, t: Translate) -> str:
    """Where a source stands, for people: page, sheet, heading."""
    parts = []
    if citation.page is not None:
        parts.append(t("page_n", n=citation.page))
    if citation.sheet:
        parts.append(t("sheet_n", name=citation.sheet))
    if citation.heading and citation.heading != citation.sheet:
        parts.append(citation.heading)
    return " · ".join(parts)


def joined(sentences: Sequence[str]) -> str:
    """Sentences as one text: Chinese needs no space in between."""
    text = ""
    for sentence in sentences:
        space = " " if text and text[-1] not in _ASIAN_END else ""
        text += space + sentence
    return text


def html_text(text: str) -> str:
    """Text inside our own HTML."""
    return html.escape(text, quote=True)


def _plain(text: str) -> str:
    parts: list[str] = []
    at = 0
    for trigger in _TRIGGER.finditer(text):
        parts += [_inert(text[at : trigger.start()]), f":color[{_inert(trigger.group())}]"]
        at = trigger.end()
    return "".join([*parts, _inert(text[at:])])


def _inert(text: str) -> str:
    return _ACTIVE.sub(r"\\\1", text)


def _lines(text: str) -> str:
    # Two spaces at a line's end keep the line break.
    return "  \n".join(_plain(line) for line in text.split("\n"))


def _line(line: str) -> str:
    if match := _BULLET.match(line):
        return f"{_indent(match.group(1))}- {escaped(line[match.end() :])}"
    if match := _NUMBERED.match(line):
        return f"{_indent(match.group(1))}{match.group(2)}. {escaped(line[match.end() :])}"
    return f"{escaped(line)}  " if line.strip() else ""


def _indent(space: str) -> str:
    # Enough for a list within a list.
    return " " * min(len(space.expandtabs(4)), 3)


def _is_row(line: str) -> bool:
    return line.startswith("|") and line.endswith("|")


def _row(line: str) -> str:
    # Cells are parted by bars that are not escaped; what is in them is a stranger's.
    cells = re.split(r"(?<!\\)\|", line)[1:-1]
    return "|" + "|".join(escaped(cell.replace("\\|", "|").strip()) for cell in cells) + "|"
