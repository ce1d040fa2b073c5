"""The test side as a dataset that `frontdesk eval` takes (finetune/evaluate.py has its form).

A document of the dataset is a section of a live document: the unit that the split keeps on one side, and short enough to be
given to a model as a whole. All sections are written, for a test among the tested ones alone would be too easy.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from ingest.pairs.records import Pair, PairKind, SourceChunk

DOCUMENTS, QUESTIONS = "documents.jsonl", "questions.jsonl"


@dataclass(frozen=True, slots=True)
class EvalSet:
    """What was written; ``left_out``: pairs whose section is not among the live ones that customers are shown."""

    documents: int
    questions: int
    impossible: int
    left_out: int


def write_evalset(folder: Path, chunks: Iterable[SourceChunk], pairs: Iterable[Pair]) -> EvalSet:
    """Write a dataset folder.

    chunks: all passages, document by document and in order.
    pairs:  those of the test side.

    Raises:
        OSError: the folder cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    places: dict[str, list[str]] = {}
    documents = questions = impossible = left_out = 0
    with (folder / DOCUMENTS).open("w", encoding="utf-8") as lines:
        for doc_id, title, text, hashes in sections(chunks):
            lines.write(json.dumps({"doc_id": doc_id, "title": title, "text": text}, ensure_ascii=False) + "\n")
            documents += 1
            for each in hashes:
                places.setdefault(each, []).append(doc_id)
    with (folder / QUESTIONS).open("w", encoding="utf-8") as lines:
        for pair in pairs:
            row = question_row(pair, places)
            if row is None:
                left_out += 1
                continue
            lines.write(json.dumps(row, ensure_ascii=False) + "\n")
            questions += 1
            impossible += bool(row.get("is_impossible"))
    return EvalSet(documents, questions, impossible, left_out)


def sections(chunks: Iterable[SourceChunk]) -> Iterator[tuple[str, str, str, list[str]]]:
    """(id, title, text, hashes of its passages) of each section; passages of one section that are parted are one."""
    for document, of_document in groupby(chunks, key=lambda chunk: chunk.document):
        by_path: dict[tuple[str, ...], list[SourceChunk]] = {}
        for chunk in of_document:
            by_path.setdefault(chunk.heading_path, []).append(chunk)
        for path, found in by_path.items():
            # A text with headings is read as Markdown, so that the section is indexed below them.
            heads = [
                f"{'#' * min(level, 6)} {' '.join(name.split())}" for level, name in enumerate(path, start=1) if name
            ]
            text = "\n\n".join([*heads, *(chunk.text for chunk in found)])
            yield "#".join((document, *path)), found[0].title, text, [chunk.text_hash for chunk in found]


def question_row(pair: Pair, places: Mapping[str, list[str]]) -> dict[str, Any] | None:
    """A pair as a row of questions.jsonl; None where the passage of its answer is in none of the sections.

    places: ids of the sections that hold a text, by its hash.
    """
    answerable = pair.kind is PairKind.ANSWERABLE
    first = [places.get(ref.text_hash, []) for ref in pair.sources]
    found = list(dict.fromkeys(doc_id for ids in first for doc_id in ids))
    if answerable and not (first and first[0]):
        return None
    row: dict[str, Any] = {
        "qid": pair.id,
        "question": pair.question,
        "doc_id": found[0] if found else "",
        "answers": list(dict.fromkeys(text for text in (pair.short, pair.answer) if text)) if answerable else [],
        "is_impossible": not answerable,
        "language": pair.language,
        "style": pair.style.value,
    }
    if answerable and len(found) > 1:
        row["doc_ids"] = found
    if pair.history:
        row["history"] = [{"role": turn.role, "text": turn.text} for turn in pair.history]
    return row
