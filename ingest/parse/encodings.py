"""Bytes to text for formats that do not say their encoding: never a replacement character, never a guess in silence."""

from __future__ import annotations

import codecs
import re

from ingest.errors import DamagedFile

_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_BINARY = (b"%PDF-", b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"\x1f\x8b", b"\x7fELF")
# East Asian encodings with the lead bytes of their most used characters and of their punctuation.
_EAST_ASIAN = (
    ("gb18030", "gb2312", range(0xA1, 0xD8)),
    ("big5", "big5", range(0xA1, 0xC7)),
    ("shift_jis", "shift_jis", range(0x81, 0x98)),
    ("euc_kr", "euc_kr", range(0xA1, 0xC9)),
)
_WESTERN = ["cp1252", "cp1250", "cp1251", "cp1253", "cp1254", "iso8859_15", "koi8_r", "mac_roman"]
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1a\x1c-\x1f\x7f]")
_SAMPLE = 64 * 1024
# Of real text in the right encoding well over 90 % are everyday characters; of mojibake under 70 %.
_PLAUSIBLE = 0.85
_MOST_BAD_BYTES = 0.001


def decode(data: bytes, name: str, declared: str | None = None) -> str:
    """The text of ``data`` with line ends as ``\\n``; ``declared`` is what the file itself says, if it does.

    Raises DamagedFile when the bytes are not text in an encoding we know.
    """
    if data.startswith(_BINARY):
        raise DamagedFile(f"{name}: the file is not text although its name says so; save it as plain text.")
    text = _decode(data, declared)
    if text is None or _is_binary(text):
        raise DamagedFile(f"{name}: the file is not readable as text; save it again as UTF-8.")
    text = _CONTROL.sub("", text.replace("\x0c", "\n").replace("\ufffd", "").removeprefix("\ufeff"))
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _decode(data: bytes, declared: str | None) -> str | None:
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _strictly(data, encoding) or _strictly(data[: len(data) - len(data) % 2], encoding)
    if (text := _utf16_without_bom(data)) is not None:
        return text
    if b"\x00" in data:
        return None
    # UTF-8 refuses nearly everything else, so it is believed before what a page claims about itself.
    for claimed in ("utf-8", declared):
        if claimed and (text := _strictly(data, claimed)) is not None:
            return text
    return _east_asian(data) or _nearly_utf8(data) or _western(data)


def _strictly(data: bytes, encoding: str) -> str | None:
    # GB2312 and GBK are what pages claim; GB18030 is the superset that browsers use for both.
    encoding = "gb18030" if encoding.lower() in ("gb2312", "gbk", "gb_2312-80", "x-gbk") else encoding
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
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
        or "\u2010" <= c <= "\u2027"
        or "\u3000" <= c <= "\u30ff"
        or "\u4e00" <= c <= "\u9fff"
        or "\uff00" <= c <= "\uff65"
        for c in sample
    )
    return usual / max(len(sample), 1)


def _east_asian(data: bytes) -> str | None:
    best, text = _PLAUSIBLE, None
    for encoding, charset, usual in _EAST_ASIAN:
        candidate = _strictly(data, encoding)
        if candidate is None:
            continue
        foreign = [c for c in candidate[:_SAMPLE] if c > "\x7f"]
        score = sum(_lead_byte(c, charset) in usual for c in foreign) / max(len(foreign), 1)
        # Accented Western letters pair up into rare Chinese characters now and then, hardly ever into words.
        if score > best and _has_runs(candidate):
            best, text = score, candidate
    return text


def _lead_byte(character: str, charset: str) -> int:
    try:
        return character.encode(charset)[0]
    except UnicodeEncodeError:
        return -1


def _has_runs(text: str) -> bool:
    return re.search(r"[\u3000-\u9fff\uac00-\ud7af\uff00-\uffef]{2}", text) is not None


def _nearly_utf8(data: bytes) -> str | None:
    # A file cut off in the middle of a character, or with one stray byte, is still UTF-8.
    text = data.decode("utf-8", errors="ignore")
    lost = len(data) - len(text.encode())
    return text if lost <= max(3, _MOST_BAD_BYTES * len(data)) and not text.isascii() else None


def _western(data: bytes) -> str | None:
    from charset_normalizer import from_bytes

    best = from_bytes(data[:_SAMPLE], cp_isolation=_WESTERN).best()
    for encoding in (best.encoding if best else None, "cp1252"):
        if encoding and (text := _strictly(data, encoding)) is not None:
            return text
    return None


def _is_binary(text: str) -> bool:
    sample = text[:_SAMPLE]
    return len(_CONTROL.findall(sample)) > 0.01 * len(sample)
