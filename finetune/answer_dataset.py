"""Questions of a dataset with their right answers, as the evaluation of answers asks them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from finetune.errors import DatasetError
from finetune.evaluate import read_rows


@dataclass(frozen=True, slots=True)
class AnswerQuestion:
    """A question with what is right.

    documents:  ids of the documents that hold the answer; of an impossible question those that it seems to be about.
    answers:    right answers; none when it is impossible.
    label:      the right one of a set of labels; "" where the dataset has none.
    impossible: whether the right answer is a refusal.
    kind:       the dataset's own word for the sort of question; "" when it has none.
    """

    qid: str
    question: str
    documents: tuple[str, ...]
    answers: tuple[str, ...]
    label: str = ""
    impossible: bool = False
    kind: str = ""

    def as_json(self) -> dict[str, Any]:
        """As run files keep it."""
        return asdict(self)


def read_answer_questions(dataset: Path, limit: int | None = None) -> list[AnswerQuestion]:
    """Questions of a dataset; of those at most ``limit``, always the same ones, in the dataset's order.

    Raises:
        DatasetError: the file is missing, a row cannot be read, or it says neither what is right nor that nothing is.
    """
    path = dataset / "questions.jsonl"
    questions = [_question(row, f"{path}, question {n}", n) for n, row in enumerate(read_rows(path, ("question",)), 1)]
    if len({question.qid for question in questions}) != len(questions):
        raise DatasetError(f"{path} holds a qid twice: give each question of the dataset a qid of its own")
    if not questions:
        raise DatasetError(f"{path} holds no questions")
    if limit is None or limit >= len(questions):
        return questions
    # By hash, not the first ones: datasets are ordered by document.
    chosen = set(sorted((q.qid for q in questions), key=lambda qid: hashlib.sha256(qid.encode()).digest())[:limit])
    return [question for question in questions if question.qid in chosen]


def _question(row: dict[str, Any], where: str, number: int) -> AnswerQuestion:
    named = [row["doc_id"]] if row.get("doc_id") is not None else []
    answers = row.get("answers") or []
    if not isinstance(answers, list):
        raise DatasetError(f"{where}: answers is not a list")
    impossible, label = bool(row.get("is_impossible")), str(row.get("label") or "")
    if not impossible and not answers and not label:
        raise DatasetError(f"{where}: it has no answers; give it some, a label, or is_impossible: true")
    return AnswerQuestion(
        str(row.get("qid", number)),
        str(row["question"]),
        tuple(dict.fromkeys(map(str, [*named, *row.get("doc_ids", [])]))),
        () if impossible else tuple(map(str, answers or [label])),
        label,
        impossible,
        str(row.get("kind") or ""),
    )


def dataset_hash(dataset: Path, questions: Iterable[AnswerQuestion]) -> str:
    """SHA-256 over the documents as they lie there and the questions that are asked.

    Raises:
        DatasetError: the documents cannot be read.
    """
    try:
        with (dataset / "documents.jsonl").open("rb") as file:
            found = hashlib.file_digest(file, "sha256")
    except OSError as exc:
        raise DatasetError(f"{dataset / 'documents.jsonl'} cannot be read ({exc.strerror})") from exc
    for question in questions:
        found.update(json.dumps(question.as_json(), sort_keys=True, ensure_ascii=False).encode())
    return found.hexdigest()


def labels_of(questions: Sequence[AnswerQuestion]) -> list[str]:
    """The labels that a dataset's questions have."""
    return sorted({question.label for question in questions if question.label})
