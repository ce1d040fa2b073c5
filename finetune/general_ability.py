"""General ability: what a model knew before it was tuned, asked without passages. A release that forgets it shows here.

The questions are the project's own (finetune/general/questions.jsonl): sums, common knowledge, words, formats. An answer
counts when it contains one of the right ones; with ``exactly`` letter by letter, else by normalised words.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.answer_metrics import contains, tokens
from finetune.answers import MAX_NEW_TOKENS
from finetune.evaluate import read_rows
from finetune.metrics import mean
from finetune.significance import interval
from serving.batches import BatchWriter
from serving.prompts import render_alone

PACKAGED = Path(__file__).parent / "general" / "questions.jsonl"


@dataclass(frozen=True, slots=True)
class GeneralQuestion:
    """A question, its right answers, and whether case and punctuation matter."""

    qid: str
    question: str
    answers: tuple[str, ...]
    kind: str
    exactly: bool = False

    def right(self, written: str) -> bool:
        """Whether one of the answers stands in what was written."""
        if self.exactly:
            return any(answer in written for answer in self.answers)
        found = tokens(written)
        return any(contains(found, tokens(answer)) for answer in self.answers)


def read_general(path: Path = PACKAGED) -> list[GeneralQuestion]:
    """The packaged questions.

    Raises:
        DatasetError: the file cannot be read.
    """
    needed = ("qid", "question", "answers", "kind")
    return [
        GeneralQuestion(row["qid"], row["question"], tuple(row["answers"]), row["kind"], bool(row.get("exactly")))
        for row in read_rows(path, needed)
    ]


def evaluate_general(
    writer: BatchWriter, progress: Callable[[int, int], None], questions: Sequence[GeneralQuestion] | None = None
) -> dict[str, Any]:
    """The value of ``general``: share of right answers with its interval, by kind, and each answer."""
    asked = list(questions if questions is not None else read_general())
    written = writer.write([render_alone(each.question) for each in asked], MAX_NEW_TOKENS, progress)
    answers = [(each, text, float(each.right(text))) for each, (text, _) in zip(asked, written, strict=True)]
    values = [right for _, _, right in answers]
    kinds = {kind: [right for each, _, right in answers if each.kind == kind] for kind in {q.kind for q in asked}}
    return {
        "contains": round(mean(values), 4),
        "interval": [round(bound, 4) for bound in interval(values)],
        "questions": len(asked),
        "by_kind": {kind: round(mean(kinds[kind]), 4) for kind in sorted(kinds)},
        "answers": [{"qid": each.qid, "right": bool(right), "answer": text} for each, text, right in answers],
    }
