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
from finetune.retrieval_report import FoundDocument, RetrievalReport, by_language, by_type, figures_of, misses_of
from finetune.runs import RankedQuestion
from serving.prompts import Message

# Documents shown of a miss, and characters of each.
SHOWN = 3
SNIPPET = 160


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


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage as retrieval ranks it, and the document of the dataset that it is from."""

    doc_id: str
    score: float
    text: str


class PassageFinder(Protocol):
    """What evaluation asks of retrieval; the composition root hands it in."""

    def find(self, question: str, history: Sequence[Message] = ()) -> Sequence[FoundPassage]:
        """Passages found, best first; several may be of one document."""
        ...


def read_documents(dataset: Path) -> list[DatasetDocument]:
    """Documents of a dataset.

    Raises:
        DatasetError: the file is missing or a row cannot be read.
    """
    return [
        DatasetDocument(str(row["doc_id"]), str(row.get("title") or ""), str(row["text"]))
        for row in read_rows(dataset / "documents.jsonl", ("doc_id", "text"))
    ]


def read_questions(dataset: Path) -> list[DatasetQuestion]:
    """Questions of a dataset; those that are impossible have nothing relevant.

    Raises:
        DatasetError: the file is missing or a row cannot be read.
    """
    questions = []
    for number, row in enumerate(read_rows(dataset / "questions.jsonl", ("question",)), start=1):
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
    relevant = [question for question in questions if question.relevant]
    milliseconds: list[float] = []
    asked: list[tuple[RankedQuestion, list[FoundDocument]]] = []
    for done, question in enumerate(relevant):
        progress(done, len(relevant))
        clock = time.perf_counter()
        found = finder.find(question.question, question.history)
        milliseconds.append(1e3 * (time.perf_counter() - clock))
        # The first passage of a document is its best.
        best = {passage.doc_id: passage for passage in reversed(found)}
        ranking = tuple(dict.fromkeys(passage.doc_id for passage in found))
        ranked = RankedQuestion(question.qid, question.question, question.relevant, ranking)
        shown = (best[doc_id] for doc_id in ranking[:SHOWN])
        asked.append((ranked, [FoundDocument(p.doc_id, p.score, _snippet(p.text)) for p in shown]))
    run = [question for question, _ in asked]
    return RetrievalReport(
        run=run,
        figures=figures_of(run),
        by_language=by_language(run),
        by_type=by_type(run),
        misses=misses_of(asked),
        index_seconds=index_seconds,
        query_ms_p50=statistics.median(milliseconds) if milliseconds else 0.0,
    )


def _snippet(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SNIPPET else f"{line[: SNIPPET - 1]}…"


def read_rows(path: Path, needed: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Rows of a JSONL file, each with the needed fields.

    Raises:
        DatasetError: the file cannot be read, or a row of it.
    """
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
