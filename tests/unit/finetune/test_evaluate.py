"""Datasets are read with errors that name file and line; retrieval is ranked by document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from finetune.errors import DatasetError
from finetune.evaluate import DatasetQuestion, FoundPassage, evaluate_retrieval, read_documents, read_questions
from serving.prompts import Message


@pytest.mark.parametrize(
    ("row", "relevant"),
    [
        ('{"qid": "q", "question": "Q", "doc_id": "a"}', {"a"}),
        ('{"qid": "q", "question": "Q", "doc_id": 7}', {"7"}),
        ('{"qid": "q", "question": "Q", "doc_id": "a", "doc_ids": ["a", "b"]}', {"a", "b"}),
        pytest.param(
            '{"qid": "q", "question": "Q", "doc_id": "a", "doc_ids": ["b"]}',
            {"a", "b"},
        ),
        ('{"qid": "q", "question": "Q", "doc_id": "a", "is_impossible": true}', set()),
        ('{"qid": "q", "question": "Q", "doc_id": null}', set()),
        ('{"qid": "q", "question": "Q"}', set()),
    ],
)
def test_questions(tmp_path: Path, row: str, relevant: set[str]) -> None:
    (tmp_path / "questions.jsonl").write_text(f"\n{row}\n\n")
    assert read_questions(tmp_path) == [DatasetQuestion("q", "Q", frozenset(relevant))]


def test_a_follow_up_comes_with_its_history_and_rewrite(tmp_path: Path) -> None:
    (tmp_path / "questions.jsonl").write_text(
        '{"question": "And in Wales?", "doc_id": "a", "rewrite": "Do you deliver in Wales?", '
        '"history": [{"role": "user", "text": "Do you deliver?"}, {"role": "assistant", "text": "Yes."}]}'
    )
    (question,) = read_questions(tmp_path)
    assert question.history == (Message("user", "Do you deliver?"), Message("assistant", "Yes."))
    assert question.rewrite == "Do you deliver in Wales?"


@pytest.mark.parametrize("history", ['"Do you deliver?"', '["Do you deliver?"]', '[{"role": "system", "text": "x"}]', '[{"role": "user"}]'])  # fmt: skip
def test_a_history_that_cannot_be_read(tmp_path: Path, history: str) -> None:
    (tmp_path / "questions.jsonl").write_text(f'{{"question": "And in Wales?", "history": {history}}}')
    with pytest.raises(DatasetError, match="question 1"):
        read_questions(tmp_path)


def test_documents(tmp_path: Path) -> None:
    (tmp_path / "documents.jsonl").write_text(
        '{"doc_id": 1, "title": null, "text": "一"}\n{"doc_id": "b", "text": "two"}\n'
    )
    assert [(d.doc_id, d.title, d.text) for d in read_documents(tmp_path)] == [("1", "", "一"), ("b", "", "two")]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "documents.jsonl cannot be read (No such file or directory)"),
        ('{"doc_id": "a", "text": "x"}\n{"doc_id": "b"}\n', "documents.jsonl, line 2: no field 'text'"),
        ('{"doc_id": "a", "text": "x"}\n\n["b"]\n', "documents.jsonl, line 3: no field 'doc_id'"),
        pytest.param(
            '{"doc_id": "a", "text": "x"}\n\n{"doc_id": }\n',
            "documents.jsonl, line 3",
        ),
        ("\xff\xfe", "documents.jsonl"),
    ],
)
def test_a_dataset_that_cannot_be_read(tmp_path: Path, content: str | None, words: str) -> None:
    if content is not None:
        (tmp_path / "documents.jsonl").write_bytes(content.encode("latin-1"))
    with pytest.raises(DatasetError) as caught:
        read_documents(tmp_path)
    assert words in str(caught.value)
    assert str(tmp_path) in str(caught.value)


class Shelf:
    """Finds what it was given for a question: a letter a passage, of the document of that name."""

    def __init__(self, found: dict[str, str]) -> None:
        self._found = found

    def find(self, question: str, history: Sequence[Message] = ()) -> Sequence[FoundPassage]:
        found = self._found[question]
        return [FoundPassage(doc_id, 1 / rank, f"{doc_id}\n at  {rank}") for rank, doc_id in enumerate(found, start=1)]


QUESTIONS = [
    DatasetQuestion("1", "When is it?", frozenset("a")),
    DatasetQuestion("2", "多少钱？", frozenset("a")),
    DatasetQuestion("3", "impossible", frozenset()),
]


def test_a_document_found_by_several_chunks_counts_once() -> None:
    done: list[tuple[int, int]] = []
    report = evaluate_retrieval(
        QUESTIONS, Shelf({"When is it?": "abc", "多少钱？": "bbba"}), 1.234, lambda *step: done.append(step)
    )
    values = report.as_json()
    assert {name: values[name] for name in list(values)[:8]} == {
        "recall@1": 0.5,
        "recall@5": 1.0,
        "recall@20": 1.0,
        "mrr@10": 0.75,
        "ndcg@10": round((1 + 0.6309297535714575) / 2, 4),
        "questions": 2,
        "index_seconds": 1.23,
        "query_ms_p50": round(report.query_ms_p50, 2),
    }
    assert done == [(0, 2), (1, 2)]
    assert [question.ranking for question in report.run] == [("a", "b", "c"), ("b", "a")]


def test_figures_are_broken_down() -> None:
    report = evaluate_retrieval(QUESTIONS, Shelf({"When is it?": "abc", "多少钱？": "bbba"}), 0.0).as_json()
    assert report["intervals"]["recall@1"] == [0.0, 1.0]
    assert report["intervals"]["recall@5"] == [1.0, 1.0]
    assert {name: (group["questions"], group["mrr@10"]) for name, group in report["by_language"].items()} == {
        "en": (1, 1.0),
        "zh": (1, 0.5),
    }
    assert {name: (group["questions"], group["mrr@10"]) for name, group in report["by_type"].items()} == {
        "when": (1, 1.0),
        "how many": (1, 0.5),
    }
    assert report["by_type"]["when"]["intervals"]["mrr@10"] == [1.0, 1.0]


def test_a_miss_says_what_was_found_instead() -> None:
    questions = [DatasetQuestion(str(n), f"question {n}", frozenset("a")) for n in range(4)]
    found = {"question 0": "ab", "question 1": "bcdaa", "question 2": "bc", "question 3": "bba"}
    report = evaluate_retrieval(questions, Shelf(found), 0.0)
    assert [(miss.asked.qid, miss.rank) for miss in report.misses] == [("2", None), ("1", 4), ("3", 2)]
    assert report.as_json()["misses"][2] == {
        "qid": "3",
        "question": "question 3",
        "relevant": ["a"],
        "rank": 2,
        # The best passage of a document, whose score is the document's.
        "found": [
            {"document": "b", "score": 1.0, "snippet": "b at 1"},
            {"document": "a", "score": 0.3333, "snippet": "a at 3"},
        ],
    }
    assert [found.doc_id for found in report.misses[1].found] == ["b", "c", "d"]


def test_a_dataset_without_answerable_questions() -> None:
    report = evaluate_retrieval([DatasetQuestion("1", "impossible", frozenset())], Shelf({}), 0.0).as_json()
    assert (report["questions"], report["recall@1"], report["query_ms_p50"]) == (0, 0.0, 0.0)
    assert (report["intervals"]["mrr@10"], report["by_language"], report["misses"]) == ([0.0, 0.0], {}, [])
