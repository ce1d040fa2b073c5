"""Runs of retrieval: what was found for each question of a dataset, kept in a file so that two runs can be compared.

A run file is JSON lines, one a question: {"qid", "question", "relevant": [ids], "ranking": [ids, best first]}.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from finetune.errors import DatasetError, RunMismatch


@dataclass(frozen=True, slots=True)
class RankedQuestion:
    """A question, the documents that hold its answer, and those found, best first and once each."""

    qid: str
    question: str
    relevant: frozenset[str]
    ranking: tuple[str, ...]


def write_run(path: Path, run: Iterable[RankedQuestion]) -> None:
    """Keep a run.

    Raises:
        DatasetError: the file cannot be written.
    """
    lines = [
        json.dumps(
            {"qid": q.qid, "question": q.question, "relevant": sorted(q.relevant), "ranking": q.ranking},
            ensure_ascii=False,
        )
        for q in run
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    except OSError as exc:
        raise DatasetError(f"{path} cannot be written ({exc.strerror}): choose another file for the run") from exc


def read_run(path: Path) -> list[RankedQuestion]:
    """A run as `write_run` kept it.

    Raises:
        DatasetError: the file cannot be read, or is no run.
    """
    try:
        # Not splitlines(): a question may hold U+2028, which JSON leaves as it is.
        lines = path.read_text(encoding="utf-8").rstrip("\n").split("\n")
    except OSError as exc:
        raise DatasetError(
            f"{path} cannot be read ({exc.strerror}): a run is a file that `eval retrieval --save FILE` wrote"
        ) from exc
    except UnicodeDecodeError as exc:
        raise DatasetError(f"{path} is no run: it is not UTF-8 text") from exc
    if lines == [""]:
        raise DatasetError(f"{path} is no run: it holds no questions")
    run = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            run.append(
                RankedQuestion(
                    str(row["qid"]),
                    str(row["question"]),
                    frozenset(map(str, row["relevant"])),
                    tuple(map(str, row["ranking"])),
                )
            )
        except (ValueError, TypeError, KeyError) as exc:
            raise DatasetError(
                f"{path}, line {number}: not a line of a run written by `eval retrieval --save`"
            ) from exc
    return run


def same_questions(run: list[RankedQuestion], other: list[RankedQuestion]) -> list[RankedQuestion]:
    """The other run's questions in the first run's order.

    Raises:
        RunMismatch: they are not the same questions with the same right documents.
    """
    by_qid = {question.qid: question for question in other}
    mine = {question.qid for question in run}
    for one, several in (("this run", run), ("the other run", other)):
        if len({question.qid for question in several}) != len(several):
            raise RunMismatch(f"{one} holds a qid twice: give each question of the dataset a qid of its own")
    missing, added = sorted(mine - by_qid.keys()), sorted(by_qid.keys() - mine)
    if missing or added:
        first = f"{missing[0]!r} is not in the other run" if missing else f"{added[0]!r} is only in the other run"
        raise RunMismatch(
            f"the runs hold different questions ({len(run)} and {len(other)}; {first}): "
            "evaluate both on the same dataset folder"
        )
    for question in run:
        twin = by_qid[question.qid]
        if (twin.question, twin.relevant) != (question.question, question.relevant):
            raise RunMismatch(
                f"question {question.qid!r} differs between the runs (its text or its right documents): "
                "evaluate both on the same dataset folder"
            )
    return [by_qid[question.qid] for question in run]
