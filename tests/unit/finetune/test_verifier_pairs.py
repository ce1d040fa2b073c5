"""Training pairs of the verifier from small sets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finetune.errors import DatasetError
from finetune.verifier_pairs import held_out, training_pairs

KEPT = next(title for title in map(str, range(99)) if not held_out(title))
AWAY = next(title for title in map(str, range(99)) if held_out(title))
TEXT = "The Tower was built in Leeds in 1901. It was sold to Anna Jones in 1950. Rain falls in Autumn."


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    documents = [{"doc_id": f"{title}#0", "title": title, "text": TEXT} for title in (KEPT, AWAY)]
    asked = [
        {"question": "In what year was the Tower built in Leeds?", "answers": ["1901"], "is_impossible": False},
        {
            "question": "Who sold the Tower?",
            "answers": [],
            "is_impossible": True,
            "plausible_wrong_answers": ["Anna Jones"],
        },
    ]
    write(tmp_path / "squad2" / "documents.jsonl", documents)
    write(tmp_path / "squad2" / "questions.jsonl", [{**q, "doc_id": d["doc_id"]} for d in documents for q in asked])
    faqs = [
        {"doc_id": f"h/{n}", "entity": "INN", "type": "faq", "question": q, "answer": a}
        for n, (q, a) in enumerate([("Is parking free?", "Yes."), ("Are pets welcome?", "No.")])
    ]
    said = [{"role": "user", "text": "Can I park there?"}]
    write(tmp_path / "dstc11_track5" / "knowledge.jsonl", faqs)
    write(tmp_path / "dstc11_track5" / "dialogues.jsonl", [{"history": said, "knowledge": ["h/0"]}])
    return tmp_path


def test_each_kind_of_pair_has_the_sentence_it_should(data: Path) -> None:
    pairs = training_pairs(data)
    found = {(p.kind, p.label): p for p in pairs if "Tower" in p.question and p.kind != "swapped"}
    gold = found["gold", True]
    assert (gold.text, gold.answer) == (f"{KEPT}: The Tower was built in Leeds in 1901.", "1901")
    assert found["twisted", False].text == f"{KEPT}: It was sold to Anna Jones in 1950."
    assert "1901" not in found["beside", False].text


def test_held_out_articles_give_no_pair(data: Path) -> None:
    assert not any(p.text.startswith(f"{AWAY}: ") for p in training_pairs(data))


def test_an_exchanged_question_asks_for_what_the_sentence_does_not_say(data: Path) -> None:
    for pair in training_pairs(data):
        if pair.kind == "swapped":
            assert not pair.label
            assert pair.question != "In what year was the Tower built in Leeds?"


def test_a_dialogue_is_answered_by_its_entry_and_by_no_other(data: Path) -> None:
    pairs = {p.label: p.text for p in training_pairs(data) if p.question == "Can I park there?"}
    if not held_out("INN"):
        assert pairs == {True: "Inn: Is parking free? Yes.", False: "Inn: Are pets welcome? No."}


def test_without_any_set_it_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="neither squad2"):
        training_pairs(tmp_path)
