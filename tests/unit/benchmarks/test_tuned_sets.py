"""What the shipped release is measured on: nothing of it was taught, and what was withheld is to be refused."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "squad2"
    folder.mkdir(parents=True)
    documents = [{"doc_id": f"s{n}", "title": f"Article {n // 10}", "text": f"Fact {n}."} for n in range(50)]
    asked = [{"qid": f"{n}", "question": f"Which fact {n}?", "doc_id": f"s{n}", "answers": [str(n)]} for n in range(50)]
    asked += [{**q, "qid": f"no{q['qid']}", "answers": [], "is_impossible": True} for q in asked]
    for name, rows in (("documents", documents), ("questions", asked)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder.parent


def test_what_was_withheld_has_no_document_and_is_to_be_refused(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As the command is run: its folder comes first.
    monkeypatch.setattr(sys, "path", [str(ROOT / "benchmarks"), *sys.path])
    from benchmarks.tuned_sets import prepare

    places = prepare(data, tmp_path / "sets", ["squad2", "withheld"])
    whole, left = (read(places[name] / "documents.jsonl") for name in ("squad2", "withheld"))
    assert 0 < len(left) < len(whole) == 20
    there = {row["doc_id"] for row in left}
    questions = read(places["withheld"] / "questions.jsonl")
    # The set's own unanswerable questions are no part of it.
    assert len(questions) == 20
    for question in questions:
        assert bool(question.get("is_impossible")) is (question["doc_id"] not in there)
        assert bool(question["answers"]) is (question["doc_id"] in there)
    before = places["squad2"].stat().st_mtime_ns
    assert prepare(data, tmp_path / "sets", ["squad2"])["squad2"].stat().st_mtime_ns == before
