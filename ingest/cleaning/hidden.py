"""Text that a person does not see and a model reads: invisible characters, look-alike letters, encoded words."""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata

# Unicode's tag block spells invisible ASCII; outside of flags of regions (behind a black flag) nobody has a use for it.
_TAGS = re.compile("(?<!\U0001f3f4)[\U000e0020-\U000e007e]{2,}")
_FLAG = re.compile("\U0001f3f4[\U000e0020-\U000e007e]+\U000e007f")
# A few belong to Indic scripts, emoji and line breaking; a run of them carries bits.
_INVISIBLE_RUN = re.compile("[\u200b-\u200f\u2060-\u2064\ufeff]{6,}")
_SELECTOR_RUN = re.compile("[\ufe00-\ufe0f\U000e0100-\U000e01ef]{4,}")
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufe00-\ufe0f\ufeff\U000e0000-\U000e01ef]"
)
_OVERRIDE = re.compile("[\u202d\u202e]")
_LETTERS_APART = re.compile(r"(?<!\w)(?:\w[ .\-_*]){5,}\w(?!\w)")
_WORD = re.compile(r"[A-Za-zͰ-ӿ]{3,}")
_LOOKALIKES = str.maketrans(
    "аеорсухіјѕԁһвкмнтАЕОРСУХІЈЅВКМНТοαενικρτυχΟΑΕΝΙΚΡΤΥΧ", "aeopcyxijsdhbkmhtAEOPCYXIJSBKMHToaevikptuxOAENIKPTYX"
)
_BASE64 = re.compile(r"(?<![A-Za-z0-9+/=_\-])[A-Za-z0-9+/]{40,}={0,2}(?![A-Za-z0-9+/=])")
_LONGEST_BLOB = 20_000


def revealed_tags(text: str) -> str:
    """What is written in invisible tag characters; "" when there is nothing of the kind."""
    if text.isascii():
        return ""
    found = _TAGS.findall(_FLAG.sub("", text))
    return " ".join("".join(chr(ord(char) - 0xE0000) for char in run) for run in found)


def carries_bits(text: str) -> bool:
    """Whether there are runs of invisible characters, in which bytes can be hidden, or text set backwards."""
    return not text.isascii() and bool(
        _INVISIBLE_RUN.search(text) or _SELECTOR_RUN.search(text) or _OVERRIDE.search(text)
    )


def as_read(text: str) -> str:
    """The text as a model takes it: invisible characters gone, wide and look-alike letters plain, l e t t e r s joined."""
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text))
        text = _WORD.sub(_plain, text)
    return _LETTERS_APART.sub(lambda match: re.sub(r"[ .\-_*]", "", match[0]), text)


def decoded(text: str) -> list[str]:
    """Readable texts that stand in the passage as Base64."""
    found = []
    for match in _BASE64.finditer(text):
        blob = match[0][:_LONGEST_BLOB].rstrip("=")
        try:
            plain = base64.b64decode(blob + "=" * (-len(blob) % 4), validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            continue
        if plain.isprintable() or sum(char.isprintable() or char.isspace() for char in plain) == len(plain):
            found.append(plain)
    return found


def _plain(match: re.Match[str]) -> str:
    """A word that mixes scripts, in Latin letters; a Russian or Greek word stays as it is."""
    word = match[0]
    mixed = any(char.isascii() for char in word) and not word.isascii()
    return word.translate(_LOOKALIKES) if mixed else word
