"""The public sets that `support` learns from: what is taught, what is kept for the test, what is left out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finetune.support_data import clapnq, dstc11, main, squad, xquad


def rows(path: Path, given: list[dict[str, object]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in given), encoding="utf-8")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data"
    articles = [{"doc_id": f"s{n}", "title": f"Article {n // 3}", "text": f"Fact {n}."} for n in range(15)]
    rows(folder / "squad2" / "documents.jsonl", articles)
    asked = [{"qid": str(n), "question": f"Which fact {n}?", "doc_id": f"s{n}", "answers": [str(n)]} for n in range(15)]
    rows(folder / "squad2" / "questions.jsonl", asked)
    texts = [
        {"doc_id": f"x{n}", "title": title, "text_en": f"Fact {n}.", "text_zh": "事实。"}
        for n, title in enumerate(("Article 0", "Rivers"))
    ]
    rows(folder / "xquad_en_zh" / "documents.jsonl", texts)
    both = {"answers_en": ["Fact"], "question_zh": "什么?", "answers_zh": ["事实"]}
    rows(
        folder / "xquad_en_zh" / "questions.jsonl",
        [{"qid": f"x{n}", "doc_id": f"x{n}", "question_en": f"What is {n}?", **both} for n in range(2)],
    )
    passage = {"title": "T", "gold_sentences": ["It is so.", "And so.", "Too much."], "answers": ["So it is."]}
    said = [{"qid": f"c{n}", "question": f"Is it {n}?", "passage": f"It is so. {n}", **passage} for n in range(20)]
    rows(folder / "clapnq" / "answerable.jsonl", said)
    nothing = {"qid": "u", "question": "Is it?", "title": "T", "passage": "Something else.", "answers": []}
    rows(folder / "clapnq" / "unanswerable.jsonl", [nothing])
    faqs = [
        {"doc_id": f"f{n}", "entity": f"Hotel {n // 4}", "type": kind, "question": "Is there a pool?", "answer": "Yes."}
        for n in range(160)
        for kind in (("faq",) if n % 4 else ("review",))
    ]
    rows(folder / "dstc11_track5" / "knowledge.jsonl", faqs)
    return folder


def test_an_article_is_on_one_side(data: Path) -> None:
    sides = squad(data / "squad2")
    titles = {name: {row["title"] for row in documents} for name, (documents, _) in sides.items()}
    assert len(titles["test"]) == 2
    assert not titles["test"] & titles["train"]
    assert len(titles["train"]) == 3
    for documents, questions in sides.values():
        assert {q["doc_id"] for q in questions} == {d["doc_id"] for d in documents}


def test_articles_of_xquad_that_squad2_has_too_are_left_out(data: Path) -> None:
    documents, questions = xquad(data / "xquad_en_zh", data / "squad2")
    assert documents == [{"doc_id": "x1", "title": "Rivers", "text": "Fact 1."}]
    assert questions == [{"qid": "x1", "question": "What is 1?", "doc_id": "x1", "answers": ["Fact"]}]


def test_what_is_taught_of_clapnq_stands_in_its_passage(data: Path) -> None:
    sides = clapnq(data / "clapnq")
    taught = [q for q in sides["train"][1] if not q.get("is_impossible")]
    assert taught
    assert all((q["answers"], q["sentence"], q["long"]) == (["It is so."], "It is so. And so.", True) for q in taught)
    # The set's own wording stays what is right.
    assert all(q["reference"] == ["So it is."] for q in taught)
    assert sum(q.get("is_impossible", False) for side in sides.values() for q in side[1]) == 1


def test_of_the_faqs_a_part_is_taught_and_another_tested_by_whole_places(data: Path) -> None:
    sides = dstc11(data / "dstc11_track5")
    places = {name: {row["title"] for row in documents} for name, (documents, _) in sides.items()}
    assert places["train"]
    assert places["test"]
    assert not places["train"] & places["test"]
    # Reviews are no FAQs, and half of the places are neither taught nor tested.
    assert sum(len(questions) for _, questions in sides.values()) < 120
    question = sides["train"][1][0]
    assert question["question"].startswith("Is there a pool at Hotel ")
    assert (question["answers"], question["sentence"]) == (["Yes."], "Yes.")


def test_folders_are_written_and_a_missing_set_is_named(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(data), str(tmp_path / "out")]) == 0
    for name in ("squad2", "clapnq", "dstc11_track5"):
        for side in ("train", "test"):
            assert (tmp_path / "out" / name / side / "questions.jsonl").read_text(encoding="utf-8")
    assert (tmp_path / "out" / "xquad_en" / "train" / "questions.jsonl").read_text(encoding="utf-8")
    (data / "clapnq" / "answerable.jsonl").unlink()
    assert main([str(data), str(tmp_path / "again")]) == 1
    assert "answerable.jsonl" in capsys.readouterr().err
