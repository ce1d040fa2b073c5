"""Flags on chunks: what a person should look at before a document is published, and the same as warnings in words.

boilerplate                    mostly menu, banner or legal lines
duplicate_page:3               all of its pages repeat earlier ones, the first of them page 3
personal_data:identity_card    something that looks like a person's; kinds in ingest/cleaning/personal.py
contact                        an address or telephone number of the company: to be seen, no worry
instructions                   orders to a language model
garbled, low_information       decoded wrongly; digits and signs without words
near_duplicate:a.md#4          repeats passage 4 of a.md (set when the index is written: duplicates.flag_across)
conflict:a.md#4                the same, but for a number, a code or a negation
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from ingest.cleaning.boilerplate import is_boilerplate, repeated_paragraphs
from ingest.cleaning.findings import CONTACT
from ingest.cleaning.instructions import FLAGGED, instruction_score
from ingest.cleaning.personal import personal_kinds
from ingest.cleaning.quality import is_garbled, says_little
from ingest.schema import Chunk

_MOST = 8
_KINDS = {
    "identity_card": "identity card",
    "bank_card": "bank card",
    "iban": "IBAN",
    "mobile": "mobile number",
    "phone": "telephone number",
    "email": "e-mail",
    "order_number": "order number",
    "passport": "passport",
    "licence": "driving licence",
    "ip_address": "IP address",
    "ssn": "social security number",
    "nino": "National Insurance number",
    "tax_number": "tax number",
    "health_number": "health number",
    "identity_number": "identity number",
}
_WORDS = {
    "instructions": "read like orders to a language model",
    "conflict": "differ from a passage of the same words in a number, a code or a negation",
    "near_duplicate": "repeat a passage that is in the knowledge base already",
    "duplicate_page": "are on pages that repeat earlier ones",
    "garbled": "hold text that was decoded wrongly",
    "boilerplate": "are mostly menu, banner or legal lines",
    "low_information": "hold next to no words",
}


def flag_chunks(chunks: Sequence[Chunk], repeated: Mapping[int, int] | None = None) -> list[Chunk]:
    """The chunks of one document with every flag that needs no other document.

    repeated: pages that repeat an earlier one, with that one (pages.repeated_pages).
    """
    texts = [chunk.text for chunk in chunks]
    again = repeated_paragraphs(texts)
    kinds = personal_kinds(["\n".join((*chunk.heading_path, chunk.text)) for chunk in chunks])
    return [
        replace(chunk, flags=_flags(chunk, own, again, repeated or {}))
        for chunk, own in zip(chunks, kinds, strict=True)
    ]


def _flags(chunk: Chunk, kinds: Sequence[str], again: frozenset[str], repeated: Mapping[int, int]) -> tuple[str, ...]:
    heading = " ".join(chunk.heading_path)
    flags = [f"personal_data:{kind}" for kind in kinds if kind != CONTACT]
    if instruction_score(f"{heading}\n{chunk.text}") >= FLAGGED:
        flags.insert(0, "instructions")
    if is_garbled(chunk.text):
        flags.append("garbled")
    if chunk.pages and all(page in repeated for page in chunk.pages):
        flags.append(f"duplicate_page:{repeated[chunk.pages[0]]}")
    if is_boilerplate(chunk.text, again):
        flags.append("boilerplate")
    if says_little(chunk.text, heading):
        flags.append("low_information")
    if CONTACT in kinds:
        flags.append(CONTACT)
    return tuple([*chunk.flags, *flags][:_MOST])


def reflagged(wording: Chunk, before: Sequence[str]) -> tuple[str, ...]:
    """Flags of a passage that a person has put in other words; those of its page stay, likeness to others was the old text's."""
    (kinds,) = personal_kinds(["\n".join((*wording.heading_path, wording.text))])
    own = _flags(replace(wording, flags=(), pages=()), kinds, frozenset(), {})
    return (*(flag for flag in before if flag.startswith("duplicate_page:")), *own)[:_MOST]


def summary(chunks: Iterable[Chunk]) -> dict[str, int]:
    """How many chunks have each kind of flag ("personal_data", "conflict", ...)."""
    counts: Counter[str] = Counter()
    for chunk in chunks:
        counts.update({flag.partition(":")[0] for flag in chunk.flags})
    return dict(counts)


def warnings_of(chunks: Sequence[Chunk]) -> tuple[str, ...]:
    """The flags of a document in words, a line a kind; the company's own contacts are no warning."""
    counts = summary(chunks)
    lines = []
    if personal := counts.get("personal_data"):
        found = Counter(flag for chunk in chunks for flag in set(chunk.flags) if flag.startswith("personal_data:"))
        kinds = (flag.partition(":")[2] for flag, _ in found.most_common())
        names = ", ".join(_KINDS.get(kind, kind) for kind in kinds)
        lines.append(_line(personal, "hold what looks like personal data") + f" ({names})")
    return (*lines, *in_words(counts))


def in_words(counts: Mapping[str, int]) -> tuple[str, ...]:
    """Counts of chunks by kind of flag as sentences for an admin."""
    return tuple(_line(counts[kind], words) for kind, words in _WORDS.items() if counts.get(kind))


def _line(count: int, words: str) -> str:
    if count > 1:
        return f"{count} passages {words}"
    verb, _, rest = words.partition(" ")
    singular = {"are": "is", "differ": "differs", "repeat": "repeats", "hold": "holds", "read": "reads"}[verb]
    return f"1 passage {singular} {rest}"
