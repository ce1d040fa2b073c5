"""RTF, first half: bytes to paragraphs and table rows.

RTF is a stream of groups and control words; what a control word sets lasts to the end of its group. Text comes in the
code page of its font, or as UTF-16 units with a stand-in for old programs after each. striprtf was tried: it gives
plain text, without headings, lists and merged cells.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from dataclasses import dataclass, field

_TOKEN = re.compile(rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|([^\\{}\r\n]+)|[\r\n]+", re.S)
# fmt: off
_CHARSETS = {
    0: "", 1: "", 2: "symbol", 77: "mac_roman", 128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "cp950",
    161: "cp1253", 162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251",
    222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp437",
}
_CODEPAGES = {936: "gb18030", 10000: "mac_roman", 65001: "utf-8", 708: "cp1256", 1361: "johab"}
_SIGNS = {
    "emdash": "—", "endash": "–", "lquote": "‘", "rquote": "’", "ldblquote": "“", "rdblquote": "”", "bullet": "•",
    "tab": "\t", "line": "\n", "lbr": "\n", "emspace": " ", "enspace": " ", "qmspace": " ", "nestcell": " ",
    "nestrow": "\n", "softline": "\n",
}
_SYMBOLS = {"~": "\u00a0", "_": "-", "{": "{", "}": "}", "\\": "\\", "\t": "\t"}
_SKIPPED = frozenset((
    "colortbl", "pict", "themedata", "colorschememapping", "datastore", "latentstyles", "listtable", "revtbl",
    "listoverridetable", "rsidtbl", "generator", "filetbl", "xmlnstbl", "fldinst", "bkmkstart", "bkmkend", "atnid",
    "atnauthor", "annotation", "atnref", "atndate", "atnicn", "atntime", "nonshppict", "shppict", "pntxta", "pntxtb",
    "mmathPr", "ftnsep", "ftnsepc", "ftncn", "aftnsep", "aftnsepc", "aftncn", "xe", "tc", "rxe", "txe", "sp",
    "shprslt", "objdata", "objclass", "objname", "nonesttables", "nesttableprops", "formfield", "datafield", "docvar",
    "background", "panose", "falt", "operator", "author", "company", "category", "keywords", "comment", "doccomm",
    "hlinkbase", "manager", "creatim", "revtim", "printim", "buptim", "subject", "private", "objalias", "pntext_",
))
_ENTERED = frozenset(("shpinst", "do", "ud", "shptxt", "dptxbxtext", "moMath", "moMathPara", "shpgrp", "footnote"))
_RUNNING = frozenset((
    "header", "headerl", "headerr", "headerf", "footer", "footerl", "footerr", "footerf",
))
# fmt: on
_DEEPEST = 2000


@dataclass(slots=True)
class Paragraph:
    """A paragraph outside of tables.

    level:      heading level 1 to 9, or None.
    mark:       what is drawn before a list item, "" for none; depth: its nesting.
    bold, size: whether all of its text is bold; its largest letters in half points.
    """

    text: str
    level: int | None = None
    mark: str = ""
    depth: int = 0
    bold: bool = False
    size: int = 24
    font: str = ""


@dataclass(slots=True)
class Cell:
    """A cell's right edge in twips (None when not said) and how it is merged: "" or "left" or "above"."""

    text: str
    edge: int | None
    merged: str = ""


@dataclass(slots=True)
class Row:
    """A row of a table; ``header`` when it is repeated on each page."""

    cells: list[Cell]
    header: bool = False


@dataclass(slots=True)
class RtfText:
    """What is in an RTF file; ``running`` are the texts of page headers and footers."""

    items: list[Paragraph | Row] = field(default_factory=list)
    title: str = ""
    running: list[str] = field(default_factory=list)
    is_cut_off: bool = False


@dataclass(slots=True)
class _State:
    """What holds until the end of the group."""

    skipped: bool = False
    place: str = ""
    uc: int = 1
    font: int = -1
    bold: bool = False
    hidden: bool = False
    size: int = 24
    style: int = 0
    outline: int | None = None
    in_table: bool = False
    level: int = 0
    is_item: bool = False


@dataclass(slots=True)
class _Flow:
    """A stream of paragraphs: the body, a text box, a note, a page header."""

    items: list[Paragraph | Row] = field(default_factory=list)
    parts: list[str] = field(default_factory=list)
    # What is put after the paragraph that is being read: its text boxes.
    after: list[Paragraph | Row] = field(default_factory=list)
    cell: list[str] = field(default_factory=list)
    cells: list[str] = field(default_factory=list)
    mark: str = ""
    all_bold: bool = True
    size: int = 0
    font: int = -1


class RtfReader:
    """Reads one file; use once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._state = _State()
        self._groups: list[tuple[_State, Callable[[], None] | None]] = []
        self._flows = [_Flow()]
        self._bytes = bytearray()
        self._units: list[int] = []
        self._skip = 0
        self._starred = False
        self._default = "cp1252"
        self._default_font = 0
        self._fonts: dict[int, str] = {}
        self._font_names: dict[int, str] = {}
        self._styles: dict[int, tuple[str, int | None]] = {}
        self._edges: list[tuple[int, str]] = []
        self._merged = ""
        self._header_row = False
        self._out = RtfText()

    def read(self) -> RtfText:
        """All of the text."""
        position, data = 0, self._data
        while match := _TOKEN.match(data, position):
            position = match.end()
            word, number, code, symbol, brace, text = match.groups()
            if text is not None:
                self._plain(text)
            elif brace is not None:
                self._flush()
                self._skip = 0
                if not self._brace(brace):
                    break
            elif code is not None:
                self._code(int(code, 16))
            elif word is not None:
                value = int(number) if number else None
                if word == b"bin":
                    position += max(value or 0, 0)
                elif self._skip:
                    self._skip -= 1
                else:
                    self._word(word.decode("ascii"), value)
            elif symbol is not None:
                self._symbol(symbol.decode("latin-1"))
        self._flush()
        self._out.is_cut_off = bool(self._groups)
        while len(self._flows) > 1:
            self._flows.pop()
        self._end_paragraph()
        self._out.items = self._flows[0].items
        return self._out

    # Groups ------------------------------------------------------------------------------------------------------------

    def _brace(self, brace: bytes) -> bool:
        """Open or close a group; False after the last one."""
        self._starred = False
        if brace == b"{":
            if len(self._groups) >= _DEEPEST:
                raise ValueError("nested too deep")
            self._groups.append((self._state, None))
            self._state = copy(self._state)
            return True
        if not self._groups:
            return False
        state, ended = self._groups.pop()
        if ended is not None:
            ended()
        self._state = state
        return bool(self._groups)

    def _enter(self, place: str, ended: Callable[[], None] | None = None) -> None:
        self._state.place = place
        if ended is not None and self._groups:
            self._groups[-1] = (self._groups[-1][0], ended)

    def _enter_flow(self, ended: Callable[[_Flow], None]) -> None:
        """Read the rest of the group into a stream of its own."""
        outer = copy(self._state)
        self._flows.append(_Flow())

        def end() -> None:
            self._flush()
            self._end_paragraph()
            ended(self._flows.pop())

        self._enter("", end)
        self._state.in_table = False
        self._state.is_item = False
        self._state.outline = None
        self._state.hidden = outer.hidden

    # Text --------------------------------------------------------------------------------------------------------------

    def _plain(self, text: bytes) -> None:
        if self._skip:
            used = min(self._skip, len(text))
            self._skip -= used
            text = text[used:]
        if text and not self._state.skipped:
            self._end_units()
            self._bytes += text

    def _code(self, value: int) -> None:
        if self._skip:
            self._skip -= 1
        elif not self._state.skipped:
            self._end_units()
            self._bytes.append(value)

    def _symbol(self, symbol: str) -> None:
        if self._skip and symbol != "*":
            self._skip -= 1
        elif symbol == "*":
            self._starred = True
        elif symbol in "\r\n":
            self._word("par", None)
        elif symbol in _SYMBOLS:
            self._add(_SYMBOLS[symbol])

    def _add(self, text: str) -> None:
        """Text that needs no decoding."""
        self._flush()
        self._put(text)

    def _flush(self) -> None:
        self._end_units()
        if self._bytes:
            data, self._bytes = bytes(self._bytes), bytearray()
            self._put(self._decoded(data))

    def _end_units(self) -> None:
        if self._units:
            data = b"".join(unit.to_bytes(2, "little") for unit in self._units)
            self._units.clear()
            self._put(data.decode("utf-16-le", errors="ignore"))

    def _decoded(self, data: bytes) -> str:
        if data.isascii():
            return data.decode("ascii")
        font = self._state.font if self._state.font >= 0 else self._default_font
        codec = self._fonts.get(font) or self._default
        if codec == "symbol":
            return "•" if len(data) == 1 else data.decode("ascii", errors="ignore")
        for candidate in (codec, self._default):
            try:
                return data.decode(candidate)
            except (UnicodeDecodeError, LookupError):
                continue
        return data.decode(codec, errors="ignore")

    def _put(self, text: str) -> None:
        state = self._state
        if state.skipped or state.hidden or not text:
            return
        if state.place == "fonttbl":
            self._font_names[state.font] = self._font_names.get(state.font, "") + text
        elif state.place == "style":
            name, level = self._styles.get(state.style, ("", None))
            self._styles[state.style] = (name + text, level)
        elif state.place == "title":
            self._out.title += text
        elif state.place == "mark":
            self._flows[-1].mark += text
        elif state.place == "":
            flow = self._flows[-1]
            flow.parts.append(text)
            if text.strip():
                flow.all_bold = flow.all_bold and state.bold
                flow.size = max(flow.size, state.size)
                flow.font = state.font

    # Control words -----------------------------------------------------------------------------------------------------

    def _word(self, word: str, value: int | None) -> None:
        starred, self._starred = self._starred, False
        state = self._state
        if word == "u" and value is not None:
            if not state.skipped:
                self._flush_bytes()
                self._units.append(value & 0xFFFF)
            self._skip = state.uc
            return
        if state.skipped:
            return
        self._flush()
        if word in _SKIPPED or (starred and word not in _ENTERED) or (word[0] == "m" and word.endswith("Pr")):
            state.skipped = True
        elif word in _SIGNS:
            self._put(_SIGNS[word])
        elif not (self._destination(word) or self._property(word, value) or self._table_word(word, value)):
            if word in ("par", "sect", "page"):
                self._end_paragraph(word == "par")
            elif word == "ansicpg" and value:
                self._default = _CODEPAGES.get(value, f"cp{value}") if value else "cp1252"
            elif word in ("mac", "pc", "pca"):
                self._default = {"mac": "mac_roman", "pc": "cp437", "pca": "cp850"}[word]

    def _flush_bytes(self) -> None:
        if self._bytes:
            self._flush()

    def _destination(self, word: str) -> bool:
        if word in ("fonttbl", "info"):
            self._enter(word)
        elif word == "stylesheet":
            self._enter("style")
        elif word == "title" and self._state.place == "info":
            self._enter("title")
        elif word in ("listtext", "pntext"):
            self._flows[-1].mark = ""
            self._enter("mark")
        elif word == "footnote":
            self._enter_flow(self._end_note)
        elif word in ("shptxt", "dptxbxtext"):
            self._enter_flow(self._end_box)
        elif word in _RUNNING:
            self._enter_flow(self._end_running)
        elif word == "upr":
            # The same text twice; the second time it is in Unicode.
            self._state.place = "upr"
        elif word == "ud":
            self._state.place = ""
        else:
            return False
        return True

    def _property(self, word: str, value: int | None) -> bool:
        state = self._state
        if word == "f":
            state.font = value or 0
        elif word == "b":
            state.bold = value != 0
        elif word == "fs":
            state.size = value or 24
        elif word in ("v", "deleted"):
            state.hidden = value != 0
        elif word == "plain":
            state.bold, state.hidden, state.size, state.font = False, False, 24, -1
        elif word == "pard":
            state.in_table, state.is_item, state.level, state.outline, state.style = False, False, 0, None, 0
        elif word == "uc":
            state.uc = max(value or 0, 0) if value is not None else 1
        elif word == "s":
            state.style = value or 0
            if state.place == "style":
                self._styles[state.style] = ("", None)
        elif word == "outlinelevel":
            state.outline = value
            if state.place == "style":
                self._styles[state.style] = (self._styles.get(state.style, ("", None))[0], value)
        elif word == "intbl":
            state.in_table = True
        elif word == "ls":
            state.is_item = bool(value)
        elif word == "ilvl":
            state.level = value or 0
        elif word == "deff":
            self._default_font = value or 0
        elif word in ("fcharset", "cpg") and state.place == "fonttbl":
            self._set_charset(word, value or 0)
        else:
            return False
        return True

    def _set_charset(self, word: str, value: int) -> None:
        if word == "cpg":
            self._fonts[self._state.font] = _CODEPAGES.get(value, f"cp{value}")
            return
        codec = _CHARSETS.get(value, "")
        # Charset 0 is Western; East Asian programs write it over their own code page all the same.
        if value == 0 and self._default not in ("gb18030", "cp950", "cp932", "cp949"):
            codec = "cp1252"
        self._fonts[self._state.font] = codec

    def _table_word(self, word: str, value: int | None) -> bool:
        if word == "trowd":
            self._edges, self._merged, self._header_row = [], "", False
        elif word == "trhdr":
            self._header_row = True
        elif word in ("clmrg", "clvmrg"):
            self._merged = "left" if word == "clmrg" else "above"
        elif word == "cellx":
            self._edges.append((value or 0, self._merged))
            self._merged = ""
        elif word == "cell":
            flow = self._flows[-1]
            flow.cells.append("\n".join(filter(None, [*flow.cell, "".join(flow.parts).strip()])))
            flow.cell, flow.parts, flow.mark, flow.all_bold, flow.size = [], [], "", True, 0
        elif word == "row":
            self._end_row()
        else:
            return False
        return True

    def _end_row(self) -> None:
        flow = self._flows[-1]
        cells = []
        for position, text in enumerate(flow.cells):
            edge, merged = self._edges[position] if position < len(self._edges) else (None, "")
            cells.append(Cell(text, edge, merged))
        if cells:
            flow.items.append(Row(cells, self._header_row))
        flow.cells = []
        flow.items += flow.after
        flow.after = []

    # Paragraphs --------------------------------------------------------------------------------------------------------

    def _end_paragraph(self, is_par: bool = True) -> None:
        flow, state = self._flows[-1], self._state
        text = "".join(flow.parts).strip()
        if (state.in_table or flow.cells) and is_par and len(self._flows) == 1:
            mark = f"{flow.mark.strip()} " if flow.mark.strip().isalnum() else ""
            if text:
                flow.cell.append(mark + text)
        elif text:
            flow.items.append(self._paragraph(flow, state, text))
            flow.items += flow.after
            flow.after = []
        elif flow.after and not flow.cells:
            flow.items += flow.after
            flow.after = []
        flow.parts, flow.mark, flow.all_bold, flow.size = [], "", True, 0

    def _paragraph(self, flow: _Flow, state: _State, text: str) -> Paragraph:
        name, of_style = self._styles.get(state.style, ("", None))
        outline = state.outline if state.outline is not None else of_style
        level = outline + 1 if outline is not None and 0 <= outline < 9 else heading_level(name)
        mark = flow.mark.strip() or ("-" if state.is_item else "")
        font = self._font_names.get(flow.font if flow.font >= 0 else self._default_font, "")
        return Paragraph(text, level, mark, state.level, flow.all_bold, flow.size or 24, font)

    def _end_note(self, flow: _Flow) -> None:
        text = " ".join(" ".join(i.text for i in flow.items if isinstance(i, Paragraph)).split())
        if text:
            self._flows[-1].parts.append(f" ({text})")

    def _end_box(self, flow: _Flow) -> None:
        self._flows[-1].after += flow.items

    def _end_running(self, flow: _Flow) -> None:
        self._out.running += [item.text for item in flow.items if isinstance(item, Paragraph)]


_HEADING_STYLE = re.compile(r"\s*(?:heading|标题|標題|überschrift|titre|título|見出し|제목)\s*([1-9])\b", re.I)


def heading_level(style: str) -> int | None:
    """The level of a heading by its style's name, else None."""
    if match := _HEADING_STYLE.match(style):
        return int(match[1])
    return 1 if re.fullmatch(r"\s*(?:title|titel|标题|標題)\s*;?", style, re.I) else None
