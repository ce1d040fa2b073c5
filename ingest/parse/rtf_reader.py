"""RTF, first half: bytes to paragraphs and table rows.

RTF is a stream of groups and control words; what a control word sets lasts to the end of its group. Text comes in the
code page of its font, or as UTF-16 units with a stand-in for old programs after each. striprtf was tried: it gives
plain text, without headings, lists and merged cells.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy

from ingest.parse.rtf_model import CONTENTS_STYLE, Paragraph, Row, RowShape, RtfText, heading_level
from ingest.parse.rtf_state import Flow, State
from ingest.parse.rtf_words import CHARSETS, CODEPAGES, ENTERED, RUNNING, SIGNS, SKIPPED, SYMBOLS

_TOKEN = re.compile(rb"\\([a-zA-Z]{1,32})(-?\d{1,10})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])|([^\\{}\r\n]+)|[\r\n]+", re.S)
_DEEPEST = 2000


class RtfReader:
    """Reads one file; use once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._state = State()
        self._groups: list[tuple[State, Callable[[], None] | None]] = []
        self._flows = [Flow()]
        self._bytes = bytearray()
        self._units: list[int] = []
        self._skip = 0
        self._starred = False
        self._default = "cp1252"
        self._default_font = 0
        self._fonts: dict[int, str] = {}
        self._font_names: dict[int, str] = {}
        self._styles: dict[int, tuple[str, int | None]] = {}
        self._rows = {False: RowShape(), True: RowShape()}
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

    def _enter_flow(self, ended: Callable[[Flow], None]) -> None:
        """Read the rest of the group into a stream of its own."""
        outer = copy(self._state)
        self._flows.append(Flow())

        def end() -> None:
            self._flush()
            self._end_paragraph()
            ended(self._flows.pop())

        self._enter("", end)
        self._state.in_table = self._state.is_item = False
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
        elif symbol in SYMBOLS:
            self._add(SYMBOLS[symbol])

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
        # A program before us may have lost a character.
        text = text.replace("\ufffd", "")
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
        if word in SKIPPED or (starred and word not in ENTERED) or (word[0] == "m" and word.endswith("Pr")):
            state.skipped = True
        elif word in SIGNS:
            self._put(SIGNS[word])
        elif not (self._destination(word) or self._property(word, value) or self._table_word(word, value)):
            if word in ("par", "sect", "page"):
                self._end_paragraph(word == "par")
            elif word == "ansicpg" and value:
                self._default = CODEPAGES.get(value, f"cp{value}") if value else "cp1252"
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
        elif word in RUNNING:
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
            state.depth = 1
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
        elif word == "itap":
            state.depth = value if value is not None else 1
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
            self._fonts[self._state.font] = CODEPAGES.get(value, f"cp{value}")
            return
        codec = CHARSETS.get(value, "")
        # Charset 0 is Western; East Asian programs write it over their own code page all the same.
        if value == 0 and self._default not in ("gb18030", "cp950", "cp932", "cp949"):
            codec = "cp1252"
        self._fonts[self._state.font] = codec

    def _table_word(self, word: str, value: int | None) -> bool:
        # The row that stands in a cell has its own definition, after its cells.
        inner = self._state.inner
        if word == "trowd":
            self._rows[inner] = RowShape()
        elif word == "trhdr":
            self._rows[inner].header = True
        elif word in ("clmrg", "clvmrg"):
            self._rows[inner].merged = "left" if word == "clmrg" else "above"
        elif word == "cellx":
            self._rows[inner].edges.append((value or 0, self._rows[inner].merged))
            self._rows[inner].merged = ""
        elif word == "nesttableprops":
            self._state.inner = True
        elif word == "cell":
            self._end_inner_row()
            self._end_cell(self._flows[-1].cell, self._flows[-1].cells)
        elif word == "nestcell":
            self._end_cell(self._flows[-1].inner_cell, self._flows[-1].inner_cells)
        elif word == "nestrow":
            self._end_inner_row()
        elif word == "row":
            self._end_row()
        else:
            return False
        return True

    def _end_cell(self, items: list[Paragraph | Row], cells: list[list[Paragraph | Row]]) -> None:
        flow = self._flows[-1]
        text = "".join(flow.parts).strip()
        if text:
            items.append(self._paragraph(flow, self._state, text))
        cells.append([*items, *flow.after])
        items.clear()
        flow.begin_paragraph()

    def _end_inner_row(self) -> None:
        flow = self._flows[-1]
        if flow.inner_cells:
            flow.cell.append(self._rows[True].row(flow.inner_cells))
        flow.inner_cells = []

    def _end_row(self) -> None:
        flow = self._flows[-1]
        if flow.cells:
            flow.items.append(self._rows[False].row(flow.cells))
        flow.cells = []

    # Paragraphs --------------------------------------------------------------------------------------------------------

    def _end_paragraph(self, is_par: bool = True) -> None:
        flow, state = self._flows[-1], self._state
        text = "".join(flow.parts).strip()
        items = flow.items
        if is_par and (state.in_table or flow.cells):
            items = flow.inner_cell if state.depth > 1 else flow.cell
        if text:
            items.append(self._paragraph(flow, state, text))
        items += flow.after
        flow.begin_paragraph()

    def _paragraph(self, flow: Flow, state: State, text: str) -> Paragraph:
        name, of_style = self._styles.get(state.style, ("", None))
        is_contents = bool(CONTENTS_STYLE.match(name))
        outline = state.outline if state.outline is not None else of_style
        level = outline + 1 if outline is not None and 0 <= outline < 9 else heading_level(name)
        mark = flow.mark.strip() or ("-" if state.is_item else "")
        font = self._font_names.get(flow.font if flow.font >= 0 else self._default_font, "")
        return Paragraph(text, level, mark, state.level, flow.all_bold, flow.size or 24, font, is_contents)

    def _end_note(self, flow: Flow) -> None:
        text = " ".join(" ".join(i.text for i in flow.items if isinstance(i, Paragraph)).split())
        if text:
            self._flows[-1].parts.append(f" ({text})")

    def _end_box(self, flow: Flow) -> None:
        self._flows[-1].after += flow.items

    def _end_running(self, flow: Flow) -> None:
        self._out.running += [item.text for item in flow.items if isinstance(item, Paragraph)]
