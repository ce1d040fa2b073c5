"""Live passages searched as an admin searches: all that hold the words, counted, in the order of the documents.

A scan of the points, not the sparse leg: the leg ranks and stems, knows no total and no pages, and drops a word that is in
no vocabulary; an admin who looks for "30 days" wants every passage that says so, and no other.
"""

from __future__ import annotations

import heapq
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from ingest.catalog import Catalog
from ingest.curation import Writing
from ingest.index.base import Hit, VectorIndex, writing_of
from ingest.records import KnowledgeBase

# Everything but the boxes, which are most of a payload and are shown beside one document only.
FIELDS = (
    "version",
    "generation",
    "document",
    "title",
    "ordinal",
    "text",
    "text_hash",
    "heading_path",
    "pages",
    "sheet",
    "language",
    "tokens",
    "flags",
    "edited",
    "original",
)


@dataclass(frozen=True, slots=True)
class Found:
    """Some passages with their documents; ``flags`` counts all that were found by their flags."""

    passages: list[tuple[Writing, Hit]]
    total: int
    flags: dict[str, int]


def find_passages(
    catalog: Catalog,
    index: VectorIndex,
    kb: KnowledgeBase,
    *,
    search: str = "",
    flag: str | None = None,
    document: str | None = None,
    limit: int = 50,
    offset: int = 0,
) -> Found:
    """Live passages whose text or headings hold every word of a search, in any order, upper and lower case alike.

    flag:     only passages with this flag; a kind alone ("personal_data") stands for all of its flags.
    document: only those of the document of this name.
    """
    exact = flag if flag is not None and ":" in flag else None
    words = _folded(search).split()
    writings = catalog.writings(kb.id)
    flags: Counter[str] = Counter()

    def matching() -> Iterator[tuple[Writing, Hit]]:
        for hit in index.payloads(kb.id, FIELDS, document=document, flag=exact, live=True):
            if flag is not None and exact is None and not _has_kind(hit, flag):
                continue
            writing = writings.get(writing_of(hit.payload))
            if writing is None or not writing.live:
                continue
            text = _folded("\n".join((*hit.payload["heading_path"], hit.payload["text"])))
            if all(word in text for word in words):
                flags.update(hit.payload.get("flags", ()))
                yield writing, hit

    total = 0

    def counted() -> Iterator[tuple[Writing, Hit]]:
        nonlocal total
        for entry in matching():
            total += 1
            yield entry

    # Holds one page and what is before it, whatever the number of passages.
    first = heapq.nsmallest(offset + limit, counted(), key=lambda entry: (entry[0].document, _ordinal(entry[1])))
    return Found(first[offset:], total, dict(sorted(flags.items())))


def _ordinal(hit: Hit) -> int:
    return int(hit.payload["ordinal"])


def _has_kind(hit: Hit, kind: str) -> bool:
    return any(flag.partition(":")[0] == kind for flag in hit.payload.get("flags", ()))


def _folded(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()
