"""Bytes to text for formats that do not say their encoding: never a replacement character, never a guess in silence."""

from __future__ import annotations

import codecs
import re

from ingest.errors import DamagedFile
from ingest.parse import charsets

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = (b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b", b"\x7fELF")
# Encodings that are ASCII to look at and change their meaning with a mark of their own.
_SHIFTED = ((b"\x1b$)C", "iso2022_kr"), (b"\x1b$", "iso2022_jp_2"), (b"\x1b(", "iso2022_jp_2"), (b"~{", "hz"))
# What files claim, and the superset that is really written under that name (as browsers read it).
_WRITTEN_AS = {
    "gb2312": "gb18030", "gbk": "gb18030", "gb_2312-80": "gb18030", "x-gbk": "gb18030", "cp936": "gb18030",
    "big5": "cp950", "x-x-big5": "cp950", "cn-big5": "cp950", "shift_jis": "cp932", "x-sjis": "cp932", "sjis": "cp932",
    "shift-jis": "cp932", "euc-kr": "cp949", "ks_c_5601-1987": "cp949", "ksc5601": "cp949", "iso-8859-1": "cp1252",
    "latin1": "cp1252", "latin-1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252", "iso-8859-9": "cp1254",
    "iso-8859-8-i": "cp1255", "unicode": "utf-16", "unicode-1-1-utf-7": "utf-7", "x-unknown": "utf-8",
}  # fmt: skip
# Declared like this, nearly any bytes decode, so the claim proves nothing.
_PROVES_NOTHING = re.compile(r"cp125\d|cp8\d\d|iso-?8859|windows-125\d|koi8|mac|ascii|latin", re.I)
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_SAMPLE = 64 * 1024
_MOST_BAD_BYTES = 0.001
_FEW_BAD_BYTES = 3
# Each bad byte costs a new attempt at the rest of its line.
_MOST_IN_LINE = 200
_FEW_LETTERS = 6
# Two bytes of GB18030 may be one letter of UTF-8; in a text of some length that never lasts.
_SHORT = 200


def decode(data: bytes, name: str, declared: str | None = None) -> str:
    """The text of ``data`` with line ends as ``\\n``; ``declared`` is what the file itself says, if it does.

    Raises DamagedFile when the bytes are not text in an encoding we know.
    """
    if data.startswith(_BINARY):
        raise DamagedFile(f"{name}: the file is not text although its name says so; save it as plain text.")
    text = _decode(data, declared)
    if text is None or _is_binary(text):
        raise DamagedFile(f"{name}: the file is not readable as text; save it again as UTF-8.")
    # U+FFFD can only come from the file here: somebody before us lost the character.
    text = _CONTROL.sub("", text.replace("\x0c", "\n").replace("\ufffd", "").replace("\ufeff", ""))
    return text.replace("\x1b", "").replace("\r\n", "\n").replace("\r", "\n")


def text_sample(head: bytes) -> str | None:
    """The beginning of a file as rough text, good enough to look for markup in; None where it is no text at all."""
    if head.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return head[: len(head) - len(head) % 4].decode("utf-32", errors="ignore")
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return head[: len(head) - len(head) % 2].decode("utf-16", errors="ignore")
    if b"\x00" in head and (text := _utf16_without_bom(head[: len(head) - len(head) % 2])) is not None:
        return text
    if _has_many_zeros(head):
        return None
    rough = head.removeprefix(codecs.BOM_UTF8).decode("latin-1")
    return None if _is_binary(rough) else rough


def _decode(data: bytes, declared: str | None) -> str | None:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            whole = data[: len(data) - len(data) % 2] if encoding == "utf-16" else data
            text = _strictly(whole, encoding)
            return _nearly_utf8(data) if text is None and encoding == "utf-8-sig" else text
    if (text := _utf16_without_bom(data)) is not None:
        return text
    if _has_many_zeros(data):
        return None
    # A program that pads its fields leaves zero bytes in a text.
    data = data.replace(b"\x00", b"")
    if (text := _shifted(data)) is not None:
        return text
    claimed = _WRITTEN_AS.get(declared.lower().strip(), declared.strip()) if declared else ""
    believed = claimed if claimed and not _PROVES_NOTHING.search(claimed) else ""
    # UTF-8 refuses nearly everything else, so it is believed before what a page claims about itself.
    if (text := _strictly(data, "utf-8")) is not None:
        return text if text.isascii() else _unless_short(data, text, believed)
    for text in (_strictly(data, believed) if believed else None, _nearly_utf8(data)):
        if text is not None:
            return text
    if believed and (text := _nearly(data, believed)) is not None:
        return text
    if (text := charsets.east_asian(data, _nearly)) is not None:
        # Two marked letters in a row may pair up with their neighbours into a word.
        few = sum(c > "\u2e7f" and c.isalpha() for c in text) < _FEW_LETTERS < len(text) / 20
        return (charsets.latin(data, _strictly) if few else None) or text
    if claimed and (text := _strictly(data, claimed)) is not None:
        return text
    for detect in (charsets.marks_alone, charsets.other_script, charsets.latin):
        if (text := detect(data, _strictly)) is not None:
            return text
    return None


def _unless_short(data: bytes, text: str, claimed: str) -> str:
    """The UTF-8 text, unless it is a few letters of no language that are common words in what is claimed or in Chinese."""
    if len(data) > _SHORT or max(text) > "\u07ff":
        return text
    other = _strictly(data, claimed) if claimed else charsets.east_asian(data, _strictly)
    return other if other and sum(c in charsets.COMMON for c in other) > 0 else text


def _strictly(data: bytes, encoding: str) -> str | None:
    try:
        return data.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _nearly(data: bytes, encoding: str) -> str | None:
    """Decoded, with at most a stray byte in a thousand dropped: one bad byte must not make a page unreadable."""
    if (text := _strictly(data, encoding)) is not None:
        return text
    # By lines: in none of these encodings is a line end a part of a character.
    lines, bad, most = [], 0, max(min(_FEW_BAD_BYTES, len(data) // 40), _MOST_BAD_BYTES * len(data))
    for line in data.split(b"\n"):
        if (text := _strictly(line, encoding)) is None:
            text, lost = _mended(line, encoding)
            bad += lost
            if text is None or bad > most:
                return None
        lines.append(text)
    return "\n".join(lines)


def _mended(line: bytes, encoding: str) -> tuple[str | None, int]:
    """A line without its bad characters, and how many there were; no text where there are too many."""
    parts: list[str] = []
    position = 0
    for bad in range(_MOST_IN_LINE):
        try:
            return "".join([*parts, line[position:].decode(encoding)]), bad
        except UnicodeDecodeError as exc:
            parts.append(line[position : position + exc.start].decode(encoding, errors="ignore"))
            position += exc.start
        except (UnicodeError, LookupError):
            break
        # A lost half of a character would pair all that follow wrongly: go on where it reads better.
        position += max((1, 2), key=lambda skip: _common(line[position + skip : position + skip + 80], encoding))
    return None, _MOST_IN_LINE


def _common(data: bytes, encoding: str) -> int:
    return sum(c in charsets.COMMON for c in data.decode(encoding, errors="ignore"))


def _has_many_zeros(data: bytes) -> bool:
    return data.count(0) > max(_FEW_BAD_BYTES, _MOST_BAD_BYTES * len(data))


def _shifted(data: bytes) -> str | None:
    if data.isascii():
        for mark, encoding in _SHIFTED:
            if mark in data and (text := _strictly(data, encoding)) is not None and not text.isascii():
                return text
    return None


def _utf16_without_bom(data: bytes) -> str | None:
    # Every line end and every Latin letter has a zero byte in it; read the wrong way round, text is exotic.
    if len(data) % 2 or b"\x00" not in data:
        return None
    texts = [text for encoding in ("utf-16-le", "utf-16-be") if (text := _strictly(data, encoding)) is not None]
    best = max(texts, key=_usual_share, default="")
    return best if _usual_share(best) >= 0.9 and not _is_binary(best) else None


def _usual_share(text: str) -> float:
    sample = text[:_SAMPLE]
    usual = sum(
        "\t" <= c < "\u0250"
        or "\u0370" <= c <= "\u05ff"
        or "\u2010" <= c <= "\u2027"
        or "\u3000" <= c <= "\u30ff"
        or "\u4e00" <= c <= "\u9fff"
        or "\uac00" <= c <= "\ud7a3"
        or "\uff00" <= c <= "\uff65"
        for c in sample
    )
    return usual / max(len(sample), 1)


def _nearly_utf8(data: bytes) -> str | None:
    """UTF-8 with a few bad bytes: cut off in the middle of a character, or lines of another file pasted in."""
    lines, bad, most = [], 0, max(_FEW_BAD_BYTES, _MOST_BAD_BYTES * len(data))
    for line in data.split(b"\n"):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            text, lost = _mended_utf8(line)
            lines.append(text)
            bad += lost
            if bad > most:
                return None
    text = "\n".join(lines)
    sequences = sum(c > "\x7f" for c in text)
    is_cut_off = bad <= _FEW_BAD_BYTES and _strictly(data[:-bad], "utf-8") is not None
    return text if sequences >= 3 * bad or (sequences and is_cut_off) else None


def _mended_utf8(line: bytes) -> tuple[str, int]:
    parts: list[str] = []
    position, bad = 0, 0
    while position < len(line) and bad < _MOST_IN_LINE:
        try:
            parts.append(line[position:].decode())
            break
        except UnicodeDecodeError as exc:
            parts.append(line[position : position + exc.start].decode())
            parts.append(_stray(line, position + exc.start, position + exc.end))
            bad += exc.end - exc.start
            position += exc.end
    # What is left of a line given up is not counted as read.
    return "".join(parts), bad if bad < _MOST_IN_LINE else len(line)


def _stray(data: bytes, start: int, end: int) -> str:
    # A lone quotation mark or letter of Windows between ASCII; anything else is a piece of a lost character.
    around = data[max(start - 1, 0) : start] + data[end : end + 1]
    if end - start == 1 and around.isascii() and len(around) == 2 and data[start] not in (0xFE, 0xFF):
        return data[start:end].decode("cp1252", errors="ignore")
    return ""


def _is_binary(text: str) -> bool:
    sample = text[:_SAMPLE]
    return len(_CONTROL.findall(sample)) > 0.01 * len(sample)
