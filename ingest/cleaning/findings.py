"""What the searches for personal data give back, and how it is shown without being repeated."""

from __future__ import annotations

import re
from dataclasses import dataclass

# The company's own address or hotline: to be seen, and no person's.
CONTACT = "contact"
# Full-width digits and letters, and the ideographic space, one character for one: offsets stay as they are.
_NARROW = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20, 0xA0: 0x20}


@dataclass(frozen=True, slots=True)
class Finding:
    """Something found in a passage.

    kind:       what it is, e.g. "identity_card", "email"; "contact" for what belongs to the company.
    start, end: where it stands, in characters of the passage.
    sample:     it, masked, for the admin's view.
    value:      it, in one spelling (no separators), to tell whether two places name the same; never shown or stored.
    """

    kind: str
    start: int
    end: int
    sample: str
    value: str


def finding(kind: str, text: str, start: int, end: int) -> Finding:
    """A finding in a text, white space at its edges left out."""
    found = text[start:end]
    start += len(found) - len(found.lstrip())
    found = found.strip()
    return Finding(kind, start, start + len(found), masked(found), re.sub(r"[\s\-.()]", "", found).lower())


def masked(value: str) -> str:
    """A value of which only the ends can be read: "110***********002X" shows 3 and 2; short ones show less."""
    if "@" in value:
        name, _, domain = value.partition("@")
        return f"{name[:1]}***@{domain}"
    head, tail = (3, 2) if len(value) >= 10 else (1, 1)
    return value[:head] + "".join("*" if c.isalnum() else c for c in value[head:-tail]) + value[-tail:]


def narrowed(text: str) -> str:
    """The text with full-width forms made narrow; as long as before."""
    return text.translate(_NARROW)


def header_of(text: str, position: int) -> str:
    """The header of the table that a place of a passage is in; "" outside of tables. It names what the cells hold."""
    rule = text.rfind("\n|---", 0, position)
    if rule < 0 or not text[text.rfind("\n", 0, position) + 1 :].startswith("|"):
        return ""
    return text[text.rfind("\n", 0, rule) + 1 : rule]


def without_overlaps(findings: list[Finding]) -> list[Finding]:
    """In order of place; of those that overlap, the one that was put in first stays."""
    kept: list[Finding] = []
    for candidate in findings:
        if all(candidate.end <= other.start or candidate.start >= other.end for other in kept):
            kept.append(candidate)
    return sorted(kept, key=lambda f: f.start)


def wordset(words: str) -> frozenset[str]:
    """Words of a list that is long."""
    return frozenset(words.split())
