"""Passages as pair tests need them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from ingest.pairs.records import Draft, FoundChunk, SourceChunk


def passage(
    text: str, *path: str, title: str = "", document: str = "shop.md", language: str = "", ordinal: int = 0
) -> SourceChunk:
    """A live passage; its language by its script where it is not given."""
    language = language or ("zh" if any("\u4e00" <= char <= "\u9fff" for char in text) else "en")
    digest = hashlib.sha256("\n".join((*path, text)).encode()).hexdigest()[:32]
    return SourceChunk(f"id-{digest[:8]}", digest, "v1", document, title, text, path, language, ordinal)


def fact(**changes: object) -> Draft:
    """A pair that passes every filter, with some fields changed."""
    chunk = passage(
        "The delivery of a large appliance costs £29.00 on the mainland. It takes 3 days.", "Delivery charges"
    )
    fields: dict[str, object] = {
        "question": "How much does the delivery of a large appliance cost on the mainland?",
        "answer": "The delivery of a large appliance costs £29.00 on the mainland.",
        "sources": (chunk,),
        "writer": "rule:fact",
        "language": "en",
        "evidence": "The delivery of a large appliance costs £29.00 on the mainland.",
        "short": "£29.00",
    }
    return Draft(**{**fields, **changes})  # type: ignore[arg-type]  # the names are those of Draft


class WordFinder:
    """Retrieval by shared words over a few passages; a PassageFinder."""

    def __init__(self, chunks: Sequence[SourceChunk]) -> None:
        self.chunks = list(chunks)
        self.asked: list[str] = []

    def find(self, question: str, limit: int = 5) -> Sequence[FoundChunk]:
        from ingest.pairs.likeness import overlap

        self.asked.append(question)
        scored = [(overlap(question, "\n".join((*c.heading_path, c.text))), c) for c in self.chunks]
        scored.sort(key=lambda entry: -entry[0])
        return [FoundChunk(c.id, c.text_hash, c.text, score) for score, c in scored[:limit] if score > 0]
