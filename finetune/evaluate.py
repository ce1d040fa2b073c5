"""Evaluation of retrieval on a DATASET folder, over the very path that customers use.

DATASET: documents.jsonl {doc_id,title,text}, questions.jsonl {qid,question,doc_id,answers[],is_impossible?}; an optional
`doc_ids` names further documents that hold the answer, `history` [{role,text}] the turns before a follow-up.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from finetune.errors import DatasetError
from finetune.metrics import mean, ndcg_at, recall_at, reciprocal_rank_at
from serving.prompts import Message


@dataclass(frozen=True, slots=True)
class DatasetDocument:
    """A document of a dataset."""

    doc_id: str
    title: str
    text: str


@dataclass(frozen=True, slots=True)
class DatasetQuestion:
    """A question and the documents that hold its answer; none when it is impossible.

    history: the messages before it, oldest first.
    rewrite: the question as a person made it stand alone; "" when the dataset has none.
    """

    qid: str
    question: str
    relevant: frozenset[str]
    history: tuple[Message, ...] = ()
    rewrite: str = ""


class PassageFinder(Protocol):
    """What evaluation asks of retrieval; the composition root hands it in."""

    def find(self, question: str, history: Sequence[Message] = ()) -> Sequence[str]:
        """Ids of the documents found, best first; a document may come several times."""
        ...


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """Means over the answerable questions of a dataset."""

    recall_at_1: float
    recall_at_5: float
    recall_at_20: float
    mrr_at_10: float
    ndcg_at_10: float
    questions: int
    index_seconds: float
    query_ms_p50: float

    def as_json(self) -> dict[str, Any]:
        """Keys that scripts rely on."""
        return {
            "recall@1": round(self.recall_at_1, 4),
            "recall@5": round(self.recall_at_5, 4),
            "recall@20": round(self.recall_at_20, 4),
            "mrr@10": round(self.mrr_at_10, 4),
            "ndcg@10": round(self.ndcg_at_10, 4),
            "questions": self.questions,
            "index_seconds": round(self.index_seconds, 2),
            "query_ms_p50": round(self.query_ms_p50, 2),
        }


def read_documents(dataset: Path) -> list[DatasetDocument]:
    """Documents of a dataset.

    Raises:
        DatasetError: the file is missing or a row cannot be read.
    """
    return [
        DatasetDocument(str(row["doc_id"]), str(row.get("title") or ""), str(row["text"]))
        for row in _rows(dataset / "documents.jsonl", ("doc_id", "text"))
    ]


def read_questions(dataset: Path) -> list[DatasetQuestion]:
    """Questions of a dataset; those that are impossible have nothing relevant.

    Raises:
        DatasetError: the file is missing or a row cannot be read.
    """
    questions = []
    for number, row in enumerate(_rows(dataset / "questions.jsonl", ("question",)), start=1):
        named = [row["doc_id"]] if row.get("doc_id") else []
        relevant = frozenset(map(str, [*named, *row.get("doc_ids", [])]))
        if row.get("is_impossible"):
            relevant = frozenset()
        questions.append(
            DatasetQuestion(
                str(row.get("qid", number)),
                str(row["question"]),
                relevant,
                _history(row.get("history") or [], f"{dataset / 'questions.jsonl'}, question {number}"),
                str(row.get("rewrite") or ""),
            )
        )
    return questions


def _history(turns: object, where: str) -> tuple[Message, ...]:
    if not isinstance(turns, list):
        raise DatasetError(f"{where}: history is not a list of messages")
    messages = []
    for turn in turns:
        if not isinstance(turn, dict) or turn.get("role") not in ("user", "assistant") or "text" not in turn:
            raise DatasetError(f"{where}: a message of its history needs a role (user or assistant) and a text")
        messages.append(Message(turn["role"], str(turn["text"])))
    return tuple(messages)


def evaluate_retrieval(
    questions: Iterable[DatasetQuestion],
    finder: PassageFinder,
    index_seconds: float,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> RetrievalReport:
    """Ask every answerable question and rank by document.

    progress: called with (done, total).
    """
    asked = [question for question in questions if question.relevant]
    milliseconds: list[float] = []
    rankings: list[list[str]] = []
    for done, question in enumerate(asked):
        progress(done, len(asked))
        clock = time.perf_counter()
        found = finder.find(question.question, question.history)
        milliseconds.append(1e3 * (time.perf_counter() - clock))
        rankings.append(list(dict.fromkeys(found)))
    pairs = list(zip(rankings, (question.relevant for question in asked), strict=True))
    return RetrievalReport(
        recall_at_1=mean([recall_at(ranking, gold, 1) for ranking, gold in pairs]),
        recall_at_5=mean([recall_at(ranking, gold, 5) for ranking, gold in pairs]),
        recall_at_20=mean([recall_at(ranking, gold, 20) for ranking, gold in pairs]),
        mrr_at_10=mean([reciprocal_rank_at(ranking, gold, 10) for ranking, gold in pairs]),
        ndcg_at_10=mean([ndcg_at(ranking, gold, 10) for ranking, gold in pairs]),
        questions=len(asked),
        index_seconds=index_seconds,
        query_ms_p50=statistics.median(milliseconds) if milliseconds else 0.0,
    )


def _rows(path: Path, needed: Sequence[str]) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as exc:
                    raise DatasetError(f"{path}, line {number}: not JSON ({exc})") from exc
                missing = [key for key in needed if not isinstance(row, dict) or key not in row]
                if missing:
                    raise DatasetError(f"{path}, line {number}: no field {missing[0]!r}")
                yield row
    except OSError as exc:
        raise DatasetError(
            f"{path} cannot be read ({exc.strerror}): a dataset is a folder with documents.jsonl and questions.jsonl"
        ) from exc
    except UnicodeDecodeError as exc:
        raise DatasetError(f"{path} is not UTF-8 text: {exc}") from exc
