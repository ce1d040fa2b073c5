"""What is about to be published, looked at: furniture dropped, the doubtful flagged. Pure but for duplicates.py.

    document, warnings = clean(document)             # before it is cut into chunks
    chunks = flag(document, chunks)                  # after
    warnings += warnings_of(chunks)
    part = flag_across(near, kb.id, part)            # when it is written: near-duplicates across the knowledge base

Flags inform; nothing but running headers and footers is ever dropped. What they cost and how often they are right:
docs/experiments.md, benchmarks/cleaning.py. Importing this package loads no library.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.cleaning.boilerplate import drop_furniture
from ingest.cleaning.flags import flag_chunks, summary, warnings_of
from ingest.cleaning.pages import repeated_pages
from ingest.schema import Chunk, ParsedDocument

__all__ = ["CLEANING_VERSION", "clean", "flag", "flag_chunks", "summary", "warnings_of"]

# Part of the pipeline fingerprint: raise it when the same chunks get other flags.
CLEANING_VERSION = "1"
_SHOWN = 3


def clean(document: ParsedDocument) -> tuple[ParsedDocument, tuple[str, ...]]:
    """The document without its running headers and footers, and a warning that says which were dropped."""
    cleaned, lines = drop_furniture(document)
    if not lines:
        return document, ()
    shown = ", ".join(f'"{line[:60]}"' for line in lines[:_SHOWN]) + (", ..." if len(lines) > _SHOWN else "")
    return cleaned, (f"headers and footers that repeat on the pages were left out: {shown}",)


def flag(document: ParsedDocument, chunks: Sequence[Chunk]) -> list[Chunk]:
    """Chunks of a document with the flags of ingest/cleaning/flags.py, but for those that need other documents."""
    return flag_chunks(chunks, repeated_pages(document))
