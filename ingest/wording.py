"""When two wordings are the same question, letter by letter. Pure: no I/O."""

from __future__ import annotations

import re
import unicodedata

# What ends a sentence says nothing about which question it is.
_END = re.compile(r"[\s.!?。…]+$")
# Characters that NFKC would turn into other numbers: "10²" is not "102", "1½" is not "11/2".
_RAISED = ("<super>", "<sub>", "<fraction>")


def normal_question(text: str) -> str:
    """A question as caches compare it: NFKC, case folded, white space and final punctuation collapsed, nothing else.

    Raised and lowered figures and fractions stay as they are. "" for a text that holds nothing.
    """
    folded = unicodedata.normalize("NFKC", text) if text.isascii() else _folded(text)
    return _END.sub("", " ".join(folded.casefold().split()))


def _folded(text: str) -> str:
    parts: list[str] = []
    plain = ""
    for char in text:
        if unicodedata.decomposition(char).startswith(_RAISED):
            parts += [unicodedata.normalize("NFKC", plain), char]
            plain = ""
        else:
            plain += char
    return "".join([*parts, unicodedata.normalize("NFKC", plain)])
