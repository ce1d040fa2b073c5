"""Passages that say nothing: decoded wrongly, or digits and signs without words."""

from __future__ import annotations

import re

_BROKEN = re.compile("[\ufffd\u0080-\u009f]")
# What a PDF gives where its font does not say which character a glyph is.
_GLYPHS = re.compile(r"\(cid:\d+\)|[\ue000-\uf8ff]")
# UTF-8 read as a Western code page, in its commonest shapes: "Ã©", "â€™", "ä¸­".
_WESTERN_RUN = re.compile(
    "[\u00a0-\u00ff\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a\u20ac\u2122]{2,}"
)
# Replacement characters of UTF-8 read as GBK; memory fresh from a Chinese debugger.
_CHINESE_BROKEN = re.compile(r"锟斤拷|烫烫烫|屯屯屯")
_HAN_RUN = re.compile(r"[\u3400-\u9fff\ue000-\uf8ff€]{4,}")
_HAN = re.compile(r"[\u3400-\u9fff]")
_ACCENTED = re.compile("[\u00a1-\u00ff]")
_LETTER = re.compile(r"[^\W\d_]")
_SHORT = 12


def is_garbled(text: str) -> bool:
    """Whether a passage was decoded wrongly somewhere (mojibake), or holds characters that are no text."""
    if text.isascii():
        return len(_GLYPHS.findall(text)) >= 3
    size = max(len(text), 1)
    broken = len(_BROKEN.findall(text))
    if broken >= 3 or broken * 50 >= size or _CHINESE_BROKEN.search(text):
        return True
    if len(_GLYPHS.findall(text)) * 10 >= size:
        return True
    return _misread_western(text) or _misread_chinese(text)


def says_little(text: str, heading: str) -> bool:
    """Whether a passage has next to no words: digits, signs, rules; its headings count with it."""
    letters = len(_LETTER.findall(text))
    visible = sum(not char.isspace() and char not in "|-" for char in text)
    if letters == 0:
        # "$ 19.90" below "Price of the FD-200" says all there is to say.
        return not (any(char.isdigit() for char in text) and len(_LETTER.findall(heading)) >= 4)
    return visible >= _SHORT and letters * 10 < visible


def _misread_western(text: str) -> bool:
    found = 0
    for match in _WESTERN_RUN.finditer(text):
        for codec in ("cp1252", "latin-1"):
            try:
                plain = match[0].encode(codec).decode("utf-8")
            except (UnicodeEncodeError, UnicodeDecodeError):
                continue
            found += len(match[0]) - len(plain)
            break
    if found >= 2:
        return True
    # GB18030 or Big5 read as Latin-1: nearly every letter is an accented one, which no language has.
    accented = len(_ACCENTED.findall(text))
    return accented >= 8 and accented * 10 >= 6 * sum(not char.isspace() for char in text)


def _misread_chinese(text: str) -> bool:
    """UTF-8 read as GB18030: its Han characters, written in that code again, are UTF-8 that makes sense."""
    runs = _HAN_RUN.findall(text)
    if not runs:
        return False
    original = "".join(runs).encode("gb18030", errors="ignore")
    plain = original.decode("utf-8", errors="replace")
    # Right Chinese is hardly ever UTF-8 by chance: of its bytes, most decode to the replacement character.
    return len(_HAN.findall(plain)) >= 3 and plain.count("\ufffd") * 5 < 2 * len(plain)
