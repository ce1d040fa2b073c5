"""What benchmarks/tuned.py asks: datasets of documents that the shipped release never learnt from, and prompts beside them.

- squad2, clapnq: the test halves of `python -m finetune.support_data`.
- withheld: the answerable questions of squad2's test half, with every other of its passages left out of the index: what
  remains are neighbours, which do not hold the answer.
- gitlab_handbook: learnt from by nobody. Its answers are written freely, so that only part of their words can be met.
- company: the test side of the example company's own pairs.
"""

from __future__ import annotations

import hashlib
import os
import random
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from measuring_sets import gitlab, read

from app.evaluation import indexed
from app.training_material import DatasetSearcher
from finetune.answer_dataset import AnswerQuestion, read_answer_questions
from finetune.samples import FOUND, gold_of, holds
from finetune.support_data import clapnq, squad, write
from finetune.verifier_pairs import held_out
from serving.passages import Passage

ROOT = Path(__file__).parents[1]
# Passages of a prompt: the one that answers, or none that does, among what retrieval finds beside it.
SHOWN = 3


def prepare(data: Path, folder: Path, names: Iterable[str]) -> dict[str, Path]:
    """Dataset folders by name, written below ``folder`` where they are not there yet."""
    made = {}
    for name in names:
        place = folder / name
        if not (place / "questions.jsonl").exists():
            _MAKERS[name](data, place)
        made[name] = place
    return made


def _squad2(data: Path, place: Path) -> None:
    _write(place, *squad(data / "squad2")["test"])


def _clapnq(data: Path, place: Path) -> None:
    documents, questions = clapnq(data / "clapnq")["test"]
    # What was taught of a question is one sentence; what is right is the set's own answer.
    _write(place, documents, [{**q, "answers": q.get("reference") or q["answers"]} for q in questions])


def _gitlab(data: Path, place: Path) -> None:
    _write(place, *gitlab(data / "gitlab_handbook_qa"))


def _withheld(data: Path, place: Path) -> None:
    documents, questions = squad(data / "squad2")["test"]
    left_out = {d["doc_id"] for d in documents if int(hashlib.sha256(d["doc_id"].encode()).hexdigest(), 16) % 2}
    asked = [q for q in questions if not q.get("is_impossible")]
    rows = [{**q, "answers": [], "is_impossible": True} if q["doc_id"] in left_out else q for q in asked]
    _write(place, [d for d in documents if d["doc_id"] not in left_out], rows)


def _company(_data: Path, place: Path) -> None:
    home = place.with_name("company-home")
    environment = os.environ | {"FRONTDESK_HOME": str(home)}
    commands = (
        ("ingest", "examples/files"),
        ("pairs", "make"),
        ("pairs", "split"),
        ("pairs", "evalset", str(place.resolve())),
    )
    for command in commands:
        program = [sys.executable, "-m", "app.cli", *command]
        subprocess.run(program, cwd=ROOT, env=environment, check=True, stdout=subprocess.DEVNULL)


_MAKERS = {
    "squad2": _squad2,
    "withheld": _withheld,
    "clapnq": _clapnq,
    "gitlab_handbook": _gitlab,
    "company": _company,
}
SETS = tuple(_MAKERS)


def _write(place: Path, documents: list[dict[str, object]], questions: list[dict[str, object]]) -> None:
    write(place / "documents.jsonl", documents)
    write(place / "questions.jsonl", questions)


@dataclass(frozen=True, slots=True)
class Shown:
    """A question with the passages that stand before it; whether one of them answers."""

    asked: AnswerQuestion
    passages: tuple[Passage, ...]
    answered: bool


def neighbours(dataset: Path, limit: int) -> list[Shown]:
    """Each question twice: with its passage among what retrieval finds, and with what retrieval finds without it."""
    shown: list[Shown] = []
    draw = random.Random(7)
    questions = [q for q in read_answer_questions(dataset) if not q.impossible]
    chosen = sorted(questions, key=lambda q: hashlib.sha256(q.qid.encode()).digest())[:limit]
    with indexed(dataset, lambda *_: None) as corpus:
        searcher = DatasetSearcher(corpus)
        for question in chosen:
            found = gold_of(searcher.passages_of(question.documents[0]), sorted(question.answers, key=len))
            if found is None:
                continue
            others = [
                passage
                for document, passage in searcher.chunks(question.question, FOUND)
                if document not in question.documents and not any(holds(passage.text, a) for a in question.answers)
            ]
            for passages, answered in (([found[0], *others[: SHOWN - 1]], True), (others[:SHOWN], False)):
                if len(passages) < SHOWN:
                    continue
                draw.shuffle(passages)
                numbered = tuple(replace(each, n=n) for n, each in enumerate(passages, start=1))
                shown.append(Shown(question, numbered, answered))
    return shown


def twisted(dataset: Path, limit: int) -> list[Shown]:
    """Questions of squad2 with their own passage: those that it answers, and those that only look as if it did.

    Of articles that the verifier did not learn from, either.
    """
    documents = {row["doc_id"]: row for row in read(dataset / "documents.jsonl")}
    shown = []
    for kind in (False, True):
        questions = [
            q
            for q in read_answer_questions(dataset)
            if q.impossible is kind and held_out(documents[q.documents[0]]["title"])
        ]
        for question in sorted(questions, key=lambda q: hashlib.sha256(q.qid.encode()).digest())[:limit]:
            row = documents[question.documents[0]]
            passage = Passage(1, row["doc_id"], row["doc_id"], row["title"], "", row["text"])
            shown.append(Shown(question, (passage,), not kind))
    return shown
