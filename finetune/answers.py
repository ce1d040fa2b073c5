"""Evaluation of answers: questions of a dataset are asked, and what was written is held against what is right.

Who writes is handed in (``Answerer``): the model alone with the right document before it, or the product.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from finetune.answer_dataset import AnswerQuestion, labels_of
from finetune.answer_metrics import by_characters, label_of, scores
from finetune.errors import DatasetError
from finetune.evaluate import DatasetDocument
from serving.batches import BatchWriter
from serving.citations import marks_of, strip_marks
from serving.passages import Passage
from serving.prompts import NOT_FOUND, Message, Style, render_alone, render_answer

Progress = Callable[[int, int], None]
# Tokens that an answer may have when it is scored.
MAX_NEW_TOKENS = 64


@dataclass(frozen=True, slots=True)
class Written:
    """What was answered to a question.

    text:    as it was written, marks included.
    refused: nothing was answered: refused, asked back, or handed off.
    cited:   ids of the documents cited, one a source; "" for a source that was never given.
    release, engine: None when nobody wrote.
    ms:      milliseconds that it took; of a batch, its part.
    """

    text: str
    refused: bool
    outcome: str
    cited: tuple[str, ...] = ()
    release: str | None = None
    engine: str | None = None
    ms: float = 0.0
    fallen: tuple[str, ...] = ()


class Answerer(Protocol):
    """Who answers; the composition root hands it in."""

    def answer(self, questions: Sequence[AnswerQuestion], progress: Progress) -> Sequence[Written]:
        """An answer to each question, in their order."""
        ...


@dataclass(frozen=True, slots=True)
class Scored:
    """A question with its answer and what that is worth: each of ANSWER_METRICS, 0.0 where it was refused."""

    asked: AnswerQuestion
    written: Written
    scores: Mapping[str, float] = field(default_factory=dict)
    predicted: str = ""

    @property
    def right_sources(self) -> int:
        """Sources cited that are of a right document."""
        return sum(document in self.asked.documents for document in self.written.cited)

    def as_json(self) -> dict[str, Any]:
        """A line of a run file."""
        return {
            "asked": self.asked.as_json(),
            "written": asdict(self.written),
            "scores": {name: round(value, 6) for name, value in self.scores.items()},
            "predicted": self.predicted,
        }


def evaluate_answers(
    questions: Sequence[AnswerQuestion],
    answerer: Answerer,
    progress: Progress = lambda _done, _total: None,
) -> tuple[list[Scored], float]:
    """Ask every question; what was answered, scored, and the seconds it took."""
    clock = time.perf_counter()
    written = answerer.answer(questions, progress)
    seconds = time.perf_counter() - clock
    labels = labels_of(questions)
    return [score(asked, answer, labels) for asked, answer in zip(questions, written, strict=True)], seconds


def score(asked: AnswerQuestion, written: Written, labels: Sequence[str] = ()) -> Scored:
    """Hold an answer against what is right; marks do not count as words of it."""
    text = "" if written.refused else strip_marks(written.text)
    found = scores(text, asked.answers, characters=by_characters(asked.question))
    if written.refused:
        found = dict.fromkeys(found, 0.0)
    return Scored(asked, written, found, label_of(text, labels) if asked.label else "")


class AloneAnswerer:
    """The model alone, by the prompt that serving writes: no verdict, no ladder, no repair.

    documents: by id; None asks without any passage ("closed book").
    brief:     whether the release is asked by the short instruction.
    budget:    tokens that a prompt may have; a longer document is cut as serving cuts it.
    """

    def __init__(
        self,
        writer: BatchWriter,
        documents: Mapping[str, DatasetDocument] | None,
        *,
        style: Style,
        brief: bool,
        budget: int,
        release: str,
        engine: str,
    ) -> None:
        self._writer = writer
        self._documents = documents
        self._style: Style = style
        self._brief = brief
        self._budget = budget
        self._release, self._engine = release, engine

    def answer(self, questions: Sequence[AnswerQuestion], progress: Progress) -> Sequence[Written]:
        """An answer to each question.

        Raises:
            DatasetError: a question names no document of the dataset.
        """
        prompts = [self.prompt(question) for question in questions]
        found = self._writer.write(prompts, MAX_NEW_TOKENS, progress)
        return [self._written(question, text, ms) for question, (text, ms) in zip(questions, found, strict=True)]

    def prompt(self, question: AnswerQuestion) -> list[Message]:
        """What the model is asked."""
        if self._documents is None:
            return render_alone(question.question)
        document = next((self._documents[d] for d in question.documents if d in self._documents), None)
        if document is None and question.impossible and self._documents:
            # About nothing that the files hold: any of them will do, always the same one.
            ranked = sorted(self._documents, key=lambda d: hashlib.sha256(f"{question.qid}/{d}".encode()).digest())
            document = self._documents[ranked[0]]
        if document is None:
            raise DatasetError(
                f"question {question.qid!r} names no document of the dataset: with --passages given each needs a doc_id"
            )
        passage = Passage(1, document.doc_id, document.doc_id, document.title, "", document.text)
        return render_answer(
            question.question,
            [passage],
            style=self._style,
            brief=self._brief,
            budget=self._budget,
            count_tokens=self._writer.count_tokens,
        )

    def _written(self, question: AnswerQuestion, text: str, ms: float) -> Written:
        refused = NOT_FOUND in text
        given = question.documents[0] if question.documents and self._documents is not None else ""
        cited = tuple(given if mark == 1 else "" for mark in marks_of(text)) if not refused else ()
        outcome = "refused" if refused else "answered"
        return Written(text, refused, outcome, cited, self._release, self._engine, ms)
