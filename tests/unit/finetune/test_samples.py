"""Questions of a dataset: which passage holds the answer, which sentence is taught."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from finetune.samples import gold_of, holds, samples_of, sentence_of
from serving.passages import Passage

TEXTS = {
    "d1": ["The fridge is often used. It costs 429 pounds today.", "It is white."],
    "d2": ["Delivery takes ten days and costs 429 pounds."],
}
CHUNKS = {
    doc: [Passage(1, f"{doc}-{n}", doc, doc, "v", text) for n, text in enumerate(texts)] for doc, texts in TEXTS.items()
}


class Searcher:
    def chunks(self, question: str, limit: int) -> Sequence[tuple[str, Passage]]:
        return [("d2", CHUNKS["d2"][0]), ("d1", CHUNKS["d1"][0])][:limit]

    def passages_of(self, doc_id: str) -> Sequence[Passage]:
        return CHUNKS.get(doc_id, [])


def dataset(folder: Path, *rows: dict[str, Any]) -> Path:
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


def test_the_passage_and_the_sentence_that_hold_the_answer(tmp_path: Path) -> None:
    row = {"question": "Price?", "doc_id": "d1", "answers": ["about 429 pounds", "429  Pounds"]}
    (sample,), named, left = samples_of(dataset(tmp_path, row), Searcher())
    assert (sample.gold, sample.short, left) == (("d1-0",), "429 pounds", 0)
    assert sample.sentence == "It costs 429 pounds today."
    assert sample.found == ("d2-0", "d1-0")
    assert set(named) == {"d1-0", "d2-0"}


def test_a_sentence_of_the_row_is_taught_as_it_stands(tmp_path: Path) -> None:
    row = {"question": "Price?", "doc_id": "d1", "answers": ["429 pounds"], "sentence": "429 it is.", "long": True}
    (sample,), _, _ = samples_of(dataset(tmp_path, row), Searcher())
    assert (sample.short, sample.sentence) == ("", "429 it is.")


@pytest.mark.parametrize(
    "row",
    [
        {"question": "Price?", "doc_id": "d1", "answers": ["500 pounds"]},
        {"question": "Price?", "doc_id": "none", "answers": ["429 pounds"]},
        {"question": "Price?", "doc_id": "d1", "answers": []},
    ],
)
def test_what_no_passage_holds_is_left_and_counted(tmp_path: Path, row: dict[str, Any]) -> None:
    assert samples_of(dataset(tmp_path, row), Searcher()) == ([], {}, 1)


def test_what_cannot_be_answered_is_not_taught_from_a_dataset(tmp_path: Path) -> None:
    row = {"question": "Ice?", "doc_id": "d1", "answers": ["429 pounds"], "is_impossible": True}
    assert samples_of(dataset(tmp_path, row), Searcher()) == ([], {}, 0)


@pytest.mark.parametrize(
    ("text", "answer", "held"),
    [
        ("used often", "ten", False),
        ("ten days", "ten", True),
        ("Model FD-200B", "FD-200", False),
        ("保修期为两年。", "两年", True),
        ("It is\n429 pounds", "is 429", True),
        ("anything", "", False),
    ],
)
def test_an_answer_is_held_as_words_of_its_own(text: str, answer: str, held: bool) -> None:
    assert holds(text, answer) is held


def test_a_sentence_that_is_too_long_is_not_taught() -> None:
    long = Passage(1, "x", "x", "", "v", f"It {'really ' * 70}costs 5 pounds.")
    assert sentence_of(long, "5 pounds") == ""
    assert gold_of([long], ["5 pounds"]) == (long, "5 pounds")
