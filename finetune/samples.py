"""Questions of a dataset -> samples: which chunk holds the answer, which sentence says it, what else retrieval brings. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from finetune.evaluate import read_rows
from finetune.examples import Sample
from serving.passages import Passage, windows

# Words of a sentence that is taught as an answer.
LONGEST = 60
# Passages kept of what retrieval finds for a question.
FOUND = 10


class Searcher(Protocol):
    """What samples ask of retrieval; the composition root hands it in."""

    def chunks(self, question: str, limit: int) -> Sequence[tuple[str, Passage]]:
        """(document of the dataset, passage) found for a question, best first."""
        ...

    def passages_of(self, doc_id: str) -> Sequence[Passage]:
        """Every passage of a document, in order."""
        ...


def samples_of(dataset: Path, searcher: Searcher) -> tuple[list[Sample], dict[str, Passage], int]:
    """Samples of a dataset's questions, the passages that they name by id, and how many questions could not be used.

    A question is of use when a passage of its document holds one of its answers word for word. ``sentence`` of a row, where
    there is one, is taught as it stands; else the sentence of the passage that holds the answer.

    Raises:
        DatasetError: a row cannot be read.
    """
    samples: list[Sample] = []
    named: dict[str, Passage] = {}
    left = 0
    for row in read_rows(dataset / "questions.jsonl", ("question",)):
        if row.get("is_impossible"):
            continue
        question, document = str(row["question"]), str(row.get("doc_id") or "")
        answers = sorted({str(a).strip() for a in row.get("answers", ()) if str(a).strip()}, key=len)
        holding = gold_of(searcher.passages_of(document), answers) if document else None
        said = str(row.get("sentence") or "").strip()
        if holding is None:
            left += 1
            continue
        passage, short = holding
        sentence = said or sentence_of(passage, short)
        found = searcher.chunks(question, FOUND)
        named |= {passage.chunk_id: passage} | {each.chunk_id: each for _, each in found}
        # A neighbour that says the answer, too, is not one that does not.
        gold = [passage.chunk_id]
        gold += [p.chunk_id for d, p in found if d == document and p.chunk_id not in gold and holds(p.text, short)]
        keeps_short = short if not row.get("long") else ""
        samples.append(
            Sample(question, tuple(gold), keeps_short, sentence, tuple(p.chunk_id for _, p in found), document)
        )
    return samples, named, left


def gold_of(passages: Sequence[Passage], answers: Sequence[str]) -> tuple[Passage, str] | None:
    """The first passage that holds one of the answers, and that answer as the passage writes it."""
    for answer in answers:
        for passage in passages:
            if found := _place(passage.text, answer):
                return passage, found
    return None


def sentence_of(passage: Passage, answer: str) -> str:
    """The sentence or row of a passage that holds an answer; "" where it is too long to be taught."""
    for window in windows(passage):
        if holds(window.text, answer):
            text = " ".join(window.text.split())
            return text if len(text.split()) <= LONGEST and len(text) <= 8 * LONGEST else ""
    return ""


def holds(text: str, answer: str) -> bool:
    """Whether a text says an answer word for word; white space and case do not count."""
    return bool(_place(text, answer))


def _place(text: str, answer: str) -> str:
    words = r"\s+".join(re.escape(word) for word in answer.split())
    if not words:
        return ""
    # As a word of its own: "ten" is not held by "often".
    head = r"(?<![A-Za-z0-9])" if answer[:1].isascii() and answer[:1].isalnum() else ""
    tail = r"(?![A-Za-z0-9])" if answer[-1:].isascii() and answer[-1:].isalnum() else ""
    found = re.search(head + words + tail, text, re.IGNORECASE)
    return " ".join(found.group().split()) if found else ""


def distribution(samples: Sequence[Sample]) -> Mapping[str, int]:
    """Samples by what they can teach."""
    return {
        "samples": len(samples),
        "short": sum(bool(s.short) for s in samples),
        "sentence": sum(bool(s.sentence) for s in samples),
    }
