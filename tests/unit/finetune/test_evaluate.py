"""Datasets are read with errors that name file and line; retrieval is ranked by document."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from finetune.errors import DatasetError
from finetune.evaluate import DatasetQuestion, evaluate_retrieval, read_documents, read_questions
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
    """Finds what it was given for a question."""

    def __init__(self, found: dict[str, str]) -> None:
        self._found = found

    def find(self, question: str, history: Sequence[Message] = ()) -> Sequence[str]:
        return list(self._found[question])


def test_a_document_found_by_several_chunks_counts_once() -> None:
    questions = [
        DatasetQuestion("1", "first", frozenset("a")),
        DatasetQuestion("2", "second", frozenset("a")),
        DatasetQuestion("3", "impossible", frozenset()),
    ]
    done: list[tuple[int, int]] = []
    report = evaluate_retrieval(
        questions, Shelf({"first": "abc", "second": "bbba"}), 1.234, lambda *step: done.append(step)
    )
    assert report.as_json() == {
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


def test_a_dataset_without_answerable_questions() -> None:
    report = evaluate_retrieval([DatasetQuestion("1", "impossible", frozenset())], Shelf({}), 0.0)
    assert (report.questions, report.recall_at_1, report.query_ms_p50) == (0, 0.0, 0.0)
