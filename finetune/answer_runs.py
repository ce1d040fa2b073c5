"""Runs of the evaluation of answers: what was asked, written and scored, kept in a file under the hash of what it holds.

A run file is one JSON object: {"format", "id", "about", "report", "questions"}. ``id`` is the SHA-256 of the rest, so a
file that was changed by hand is noticed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from finetune.answer_dataset import AnswerQuestion
from finetune.answers import Scored, Written
from finetune.errors import DatasetError, RunMismatch

FORMAT = "frontdesk-answers-1"
# Below FRONTDESK_HOME.
RUNS = Path("runs", "evaluations")


@dataclass(frozen=True, slots=True)
class About:
    """What a run was made with: all that must be equal for two runs to be told apart by their release alone.

    dataset:      its folder's name; dataset_hash what is in it and asked of it (``answer_dataset.dataset_hash``).
    release:      as answers name it; release_id the hash of its manifest.
    settings:     whatever else could change a figure.
    """

    dataset: str
    dataset_hash: str
    release: str
    release_id: str
    engine: str
    passages: str
    style: str
    prompt_version: str
    made: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """The run's name for people."""
        return f"{self.release}, passages {self.passages}, {self.style}"


@dataclass(frozen=True, slots=True)
class AnswerRun:
    """A run: what it was made with, its figures as the command printed them, its questions."""

    about: About
    report: Mapping[str, Any]
    questions: Sequence[Scored]

    @property
    def id(self) -> str:
        """SHA-256 of what the run holds."""
        return _hash(self._body())

    def _body(self) -> dict[str, Any]:
        questions = [each.as_json() for each in self.questions]
        return {"format": FORMAT, "about": asdict(self.about), "report": dict(self.report), "questions": questions}

    def write(self, path: Path) -> None:
        """Keep it.

        Raises:
            DatasetError: the file cannot be written.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            half = path.with_name(f".{path.name}.part")
            half.write_text(json.dumps({"id": self.id, **self._body()}, ensure_ascii=False, indent=1), encoding="utf-8")
            half.replace(path)
        except OSError as exc:
            raise DatasetError(f"{path} cannot be written ({exc.strerror}): choose another file for the run") from exc

    def keep(self, home: Path) -> Path:
        """Keep it among the runs of a data folder, named after what it holds; returns where."""
        path = home / RUNS / f"{self.id[:16]}.json"
        self.write(path)
        return path


def read_answer_run(path: Path) -> AnswerRun:
    """A run as ``write`` kept it.

    Raises:
        DatasetError: the file cannot be read, is no run, or was changed.
    """
    said = "a run is a file that `eval answers --save FILE` wrote"
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise DatasetError(f"{path} cannot be read ({exc.strerror}): {said}") from exc
    except ValueError as exc:
        raise DatasetError(f"{path} is no run of answers: {said}") from exc
    if not isinstance(kept, dict) or kept.get("format") != FORMAT:
        raise DatasetError(f"{path} is no run of answers: {said}")
    stated = kept.pop("id", None)
    if stated != _hash(kept):
        raise DatasetError(f"{path} was changed since it was written: its content does not match its id")
    try:
        questions = [
            Scored(
                AnswerQuestion(**{**each["asked"], **_tuples(each["asked"], "documents", "answers")}),
                Written(**{**each["written"], **_tuples(each["written"], "cited", "fallen")}),
                each["scores"],
                each["predicted"],
            )
            for each in kept["questions"]
        ]
        return AnswerRun(About(**kept["about"]), kept["report"], questions)
    except (TypeError, KeyError) as exc:
        raise DatasetError(f"{path} was written by another version of frontdesk: evaluate again") from exc


def kept_runs(home: Path) -> Iterator[AnswerRun]:
    """Runs kept in a data folder, the newest first; what cannot be read is left out."""
    paths = sorted((home / RUNS).glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in paths:
        try:
            yield read_answer_run(path)
        except DatasetError:
            # A run of an earlier format is no reason to stop: it is not the one that is looked for.
            continue


def paired(run: AnswerRun, other: AnswerRun) -> list[tuple[Scored, Scored]]:
    """Both runs' answers to each question.

    Raises:
        RunMismatch: they are not over the same questions.
    """
    check_same(run.about.dataset_hash, other)
    twins = {each.asked.qid: each for each in other.questions}
    if twins.keys() != {each.asked.qid for each in run.questions}:
        raise RunMismatch("the runs hold different questions: evaluate both on the same dataset folder")
    return [(each, twins[each.asked.qid]) for each in run.questions]


def check_same(dataset_hash: str, other: AnswerRun) -> None:
    """See that another run is of the same questions and documents.

    Raises:
        RunMismatch: it is not.
    """
    if other.about.dataset_hash != dataset_hash:
        raise RunMismatch(
            f"the other run is of another dataset, or of another part of it ({other.about.dataset}): "
            "evaluate both on the same folder with the same --limit"
        )


def _hash(body: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _tuples(values: Mapping[str, Any], *names: str) -> dict[str, tuple[str, ...]]:
    return {name: tuple(values[name]) for name in names}
