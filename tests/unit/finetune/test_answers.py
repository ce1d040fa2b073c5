"""Answers are asked, scored, reported, kept and compared; who writes is a stand-in."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from finetune.answer_compare import compare_answers
from finetune.answer_dataset import AnswerQuestion, dataset_hash, read_answer_questions
from finetune.answer_report import percentiles, report_of
from finetune.answer_runs import About, AnswerRun, kept_runs, read_answer_run
from finetune.answers import AloneAnswerer, Scored, Written, evaluate_answers, score
from finetune.errors import DatasetError, RunMismatch
from finetune.evaluate import DatasetDocument
from finetune.general_ability import GeneralQuestion, evaluate_general, read_general
from serving.prompts import Message

DOCUMENTS = {"w": DatasetDocument("w", "Warranty", "The motor is guaranteed for 10 years.")}
ASKED = [
    AnswerQuestion("1", "How long is the motor guaranteed?", ("w",), ("10 years",)),
    AnswerQuestion("2", "电机保修多少年？", ("w",), ("十年",), kind="zh"),
    AnswerQuestion("3", "Who founded it?", ("w",), (), impossible=True),
    AnswerQuestion("4", "What colour is it?", ("w",), (), impossible=True),
    AnswerQuestion("5", "What is guaranteed?", ("w",), ("the motor",)),
]
SAID = ["The motor: 10 years [1].", "十年 [2]", "NOT_FOUND", "White [1].", "NOT_FOUND."]


class Parrot:
    """A batch writer that says what it was told, in order, and keeps what it was asked."""

    def __init__(self, said: Sequence[str]) -> None:
        self.said = list(said)
        self.asked: list[Sequence[Message]] = []

    def write(
        self, prompts: Sequence[Sequence[Message]], max_new_tokens: int, progress: Callable[[int, int], None]
    ) -> list[tuple[str, float]]:
        assert max_new_tokens == 64
        self.asked = list(prompts)
        return [(text, 10.0 * n) for n, text in enumerate(self.said[: len(prompts)], start=1)]

    def count_tokens(self, text: str) -> int:
        return len(text.split())


def alone(writer: Parrot, documents: dict[str, DatasetDocument] | None = DOCUMENTS) -> AloneAnswerer:
    parts = {"style": "short", "brief": False, "budget": 800, "release": "r", "engine": "packaged"}
    return AloneAnswerer(writer, documents, **parts)  # type: ignore[arg-type] # a table of arguments


def run_of(said: Sequence[str] = SAID, release: str = "r") -> AnswerRun:
    scored, _ = evaluate_answers(ASKED, alone(Parrot(said)))
    about = About("d", "hash", release, release, "packaged", "given", "short", "1", "2026-01-01")
    return AnswerRun(about, report_of(scored, 1.5).as_json(), scored)


def test_the_model_alone_is_shown_the_right_document_and_nothing_else() -> None:
    writer = Parrot(SAID)
    alone(writer).answer(ASKED, lambda *_: None)
    first = writer.asked[0][-1].content
    assert "[1] Warranty\nThe motor is guaranteed for 10 years." in first
    assert first.endswith("Question: How long is the motor guaranteed?")
    closed = Parrot(SAID)
    assert not alone(closed, None).answer(ASKED, lambda *_: None)[0].cited[0]
    assert closed.asked[0] == [Message("user", "How long is the motor guaranteed?")]


def test_a_question_without_a_document_cannot_be_given_one() -> None:
    with pytest.raises(DatasetError, match="'9' names no document"):
        alone(Parrot([])).answer([AnswerQuestion("9", "Q", ("gone",), ("a",))], lambda *_: None)


def test_a_question_about_no_document_is_asked_with_any_one_always_the_same() -> None:
    documents = {f"d{n}": DatasetDocument(f"d{n}", "", f"Text {n}.") for n in range(9)}
    strange = [AnswerQuestion(f"{n}", "Who?", (), (), impossible=True) for n in range(9)]
    writer = Parrot(["NOT_FOUND"] * 9)
    found = alone(writer, documents).answer(strange, lambda *_: None)
    shown = [prompt[-1].content for prompt in writer.asked]
    assert all("Text " in text for text in shown)
    assert len(set(shown)) > 1
    assert [each.cited for each in found] == [()] * 9
    again = Parrot(["White [1]."] * 9)
    assert alone(again, documents).answer(strange, lambda *_: None)[0].cited == ("",)
    assert [prompt[-1].content for prompt in again.asked] == shown


def test_the_figures_by_hand() -> None:
    report = run_of().report
    # Answerable: 1, 2, 5. F1: motor 10 years against 10 years 4/5; 十年 1 (marks are no words); refused 0.
    assert report["f1"] == pytest.approx((4 / 5 + 1 + 0) / 3, abs=1e-4)
    assert report["exact_match"] == pytest.approx(1 / 3, abs=1e-4)
    assert report["contains"] == pytest.approx(2 / 3, abs=1e-4)
    # Refused: 3 rightly, 5 wrongly; of two impossible ones one.
    assert (report["refusal_precision"], report["refusal_recall"]) == (0.5, 0.5)
    assert report["answerable_kept"] == pytest.approx(2 / 3, abs=1e-4)
    # Of what was answered and can be: 1 cites [1], which is right; 2 cites [2], which was never given.
    assert (report["citation_precision"], report["citation_recall"]) == (0.5, 0.5)
    assert [report[name] for name in ("questions", "answerable", "impossible", "refused", "sources")] == [5, 3, 2, 2, 2]
    assert (report["latency_ms_p50"], report["latency_ms_p95"], report["seconds"]) == (30.0, 50.0, 1.5)
    assert (report["by_language"]["zh"]["f1"], report["by_kind"]["zh"]["questions"]) == (1.0, 1)
    assert report["outcomes"] == {"answered": 3, "refused": 2}


def test_intervals_hold_the_means() -> None:
    report = run_of().report
    for name, (low, high) in report["intervals"].items():
        assert low <= report[name] <= high
    assert report["intervals"]["f1"][0] < report["f1"]


def test_a_refusal_scores_nothing_whatever_its_words_are() -> None:
    asked = AnswerQuestion("1", "How long?", ("w",), ("10 years",))
    found = score(asked, Written("We have nothing on 10 years", True, "refused"))
    assert set(found.scores.values()) == {0.0}


def test_labels_are_scored_where_the_dataset_has_them() -> None:
    asked = [
        AnswerQuestion("1", "Where is my card?", (), ("card_arrival",), label="card_arrival"),
        AnswerQuestion("2", "I want my money", (), ("refund",), label="refund"),
    ]
    scored = [score(q, Written(said, False, "answered"), ["card_arrival", "refund"]) for q, said in zip(asked, ["It is card arrival", "card arrival"], strict=True)]  # fmt: skip
    assert [each.predicted for each in scored] == ["card_arrival", "card_arrival"]
    labels = report_of(scored, 0.0).as_json()["labels"]
    assert labels == {"accuracy": 0.5, "precision": 0.25, "recall": 0.5, "f1": 0.3333}


def test_the_95th_percentile_is_of_nearest_rank() -> None:
    assert percentiles([float(n) for n in range(1, 101)]) == (50.5, 95.0)
    assert percentiles([7.0]) == (7.0, 7.0)
    assert percentiles([]) == (0.0, 0.0)


# datasets


def rows(folder: Path, *questions: object) -> Path:
    (folder / "documents.jsonl").write_text('{"doc_id": "w", "text": "t"}\n')
    (folder / "questions.jsonl").write_text("".join(json.dumps(each) + "\n" for each in questions))
    return folder


def test_questions_are_read_with_what_is_right(tmp_path: Path) -> None:
    dataset = rows(
        tmp_path,
        {"question": "Q", "doc_id": 7, "answers": ["a", 5], "kind": "k"},
        {"qid": "b", "question": "Q", "doc_id": "w", "answers": ["x"], "is_impossible": True},
        {"question": "Q", "label": "l", "doc_ids": ["w", "v"]},
    )
    assert read_answer_questions(dataset) == [
        AnswerQuestion("1", "Q", ("7",), ("a", "5"), kind="k"),
        AnswerQuestion("b", "Q", ("w",), (), impossible=True),
        AnswerQuestion("3", "Q", ("w", "v"), ("l",), label="l"),
    ]


@pytest.mark.parametrize(
    ("questions", "words"),
    [
        ([{"question": "Q", "doc_id": "w"}], "question 1: it has no answers"),
        ([{"question": "Q", "answers": "a"}], "answers is not a list"),
        ([{"qid": "a", "question": "Q", "answers": ["x"]}] * 2, "qid twice"),
        ([], "no questions"),
    ],
)
def test_questions_that_cannot_be_scored(tmp_path: Path, questions: list[object], words: str) -> None:
    with pytest.raises(DatasetError, match=words):
        read_answer_questions(rows(tmp_path, *questions))


def test_a_part_of_a_dataset_is_always_the_same_one(tmp_path: Path) -> None:
    dataset = rows(tmp_path, *({"qid": f"q{n}", "question": "Q", "answers": ["a"]} for n in range(50)))
    some = read_answer_questions(dataset, 10)
    assert some == read_answer_questions(dataset, 10)
    assert [q.qid for q in some] != [f"q{n}" for n in range(10)]
    assert set(some) <= set(read_answer_questions(dataset, 20))
    assert dataset_hash(dataset, some) != dataset_hash(dataset, read_answer_questions(dataset, 11))


# runs


def test_a_run_comes_back_as_it_was_kept(tmp_path: Path) -> None:
    run = run_of()
    path = run.keep(tmp_path)
    assert path.name == f"{run.id[:16]}.json"
    again = read_answer_run(path)
    assert (again.id, again.about, again.report) == (run.id, run.about, run.report)
    assert again.questions[0].asked == ASKED[0]
    assert [kept.id for kept in kept_runs(tmp_path)] == [run.id]


def test_a_run_that_was_changed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    run_of().write(path)
    path.write_text(path.read_text().replace('"f1": 0.6', '"f1": 0.9'))
    with pytest.raises(DatasetError, match="was changed"):
        read_answer_run(path)
    path.write_text('{"qid": "1"}\n')
    with pytest.raises(DatasetError, match="no run of answers"):
        read_answer_run(path)


def test_two_runs_are_compared_question_by_question() -> None:
    better = run_of(["10 years [1].", "十年 [1]", "NOT_FOUND", "NOT_FOUND", "It is white [1]."])
    found = compare_answers(better, run_of())
    assert found.differences["f1"].this == pytest.approx(2 / 3)
    assert found.differences["refusal_recall"].as_json()["difference"] == 0.5
    assert found.differences["answerable_kept"].this == 1.0
    assert [(each.qid, round(each.step, 2)) for each in found.won] == [("4", 1.0), ("1", 0.2)]
    assert found.lost == []


def test_runs_of_other_questions_are_not_compared() -> None:
    run = run_of()
    other = replace(run, about=replace(run.about, dataset_hash="other"))
    with pytest.raises(RunMismatch, match="another dataset"):
        compare_answers(run, other)
    fewer: Sequence[Scored] = run.questions[1:]
    with pytest.raises(RunMismatch, match="different questions"):
        compare_answers(run, replace(run, questions=fewer))


# general ability


def test_general_ability_is_the_share_that_contains_a_right_answer() -> None:
    asked = [
        GeneralQuestion("sum", "2 + 3?", ("5", "five"), "arithmetic"),
        GeneralQuestion("upper", "hello?", ("HELLO",), "format", exactly=True),
        GeneralQuestion("ten", "10?", ("10",), "arithmetic"),
    ]
    found = evaluate_general(Parrot(["It is Five.", "hello", "It is 100."]), lambda *_: None, asked)
    assert (found["contains"], found["questions"]) == (0.3333, 3)
    assert found["by_kind"] == {"arithmetic": 0.5, "format": 0.0}
    assert [each["right"] for each in found["answers"]] == [True, False, False]


def test_the_packaged_general_questions_are_whole() -> None:
    questions = read_general()
    assert len(questions) >= 36
    assert len({q.qid for q in questions}) == len(questions)
    # A right answer must not stand in its own question: repeating the question would score. Two ask for repeating.
    telling = {q.qid for q in questions if q.right(q.question)}
    assert telling <= {"yes", "repeat", "larger", "synonym", "next"}
