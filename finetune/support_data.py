"""The public sets that `support` learns from, as dataset folders: `python -m finetune.support_data DATA OUT`.

DATA holds squad2, xquad_en_zh, clapnq and dstc11_track5 as published. OUT gets, for each, a folder ``train`` and a folder ``test`` with
documents.jsonl and questions.jsonl. The split is by article (squad2, xquad), passage (clapnq) and hotel or restaurant (dstc11), so
that nothing that is evaluated on was learnt from; gitlab_handbook_qa is not learnt from at all. Licences: CC-BY-SA-4.0
(squad2, xquad; clapnq's texts, its questions Apache-2.0), CDLA-Sharing-1.0 (dstc11_track5).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from finetune.errors import DatasetError
from finetune.evaluate import read_rows
from ingest.errors import FrontdeskError

Row = dict[str, Any]
# Of ten.
TEST_SHARE = {"squad2": 2, "clapnq": 5, "dstc11_track5": 3}
# Of ten, beside those that are tested: the FAQs are short and alike, and all of them would outweigh the rest.
FAQ_TAUGHT = 2
# Every one of them: no hash of ten articles gives two.
SQUAD_TEST = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args(arguments)
    try:
        for name, read in (("squad2", squad), ("clapnq", clapnq), ("dstc11_track5", dstc11)):
            for side, rows in read(given.data / name).items():
                _keep(given.out / name / side, rows)
        _keep(given.out / "xquad_en" / "train", xquad(given.data / "xquad_en_zh", given.data / "squad2"))
    except FrontdeskError as exc:
        sys.stderr.write(f"{exc}\n")
        return 1
    return 0


Rows = tuple[list[Row], list[Row]]
Sides = dict[str, Rows]


def _keep(folder: Path, rows: Rows) -> None:
    documents, questions = rows
    write(folder / "documents.jsonl", documents)
    write(folder / "questions.jsonl", questions)
    sys.stdout.write(f"{folder}: {len(documents)} documents, {len(questions)} questions\n")


def squad(folder: Path) -> Sides:
    """squad2: articles are one side's; questions that its passage does not answer are tested, not taught."""
    documents = list(read_rows(folder / "documents.jsonl", ("doc_id", "title", "text")))
    titles = sorted({row["title"] for row in documents}, key=_hash)
    if len(titles) <= SQUAD_TEST:
        raise DatasetError(f"{folder}: too few articles to keep {SQUAD_TEST} of them for the test")
    tested = set(titles[:SQUAD_TEST])
    sides = {row["doc_id"]: "test" if row["title"] in tested else "train" for row in documents}
    questions = list(read_rows(folder / "questions.jsonl", ("qid", "question", "doc_id")))
    return _sides(documents, questions, sides)


def xquad(folder: Path, squad2: Path) -> Rows:
    """xquad's English side, to learn from: more articles than squad2 has, without those that squad2 has, too."""
    known = {row["title"] for row in read_rows(squad2 / "documents.jsonl", ("doc_id", "title"))}
    documents = [
        {"doc_id": row["doc_id"], "title": row["title"], "text": row["text_en"]}
        for row in read_rows(folder / "documents.jsonl", ("doc_id", "title", "text_en"))
        if row["title"] not in known
    ]
    taught = {row["doc_id"] for row in documents}
    questions = [
        {"qid": row["qid"], "question": row["question_en"], "doc_id": row["doc_id"], "answers": row["answers_en"]}
        for row in read_rows(folder / "questions.jsonl", ("qid", "question_en", "doc_id", "answers_en"))
        if row["doc_id"] in taught
    ]
    return documents, questions


def clapnq(folder: Path) -> Sides:
    """clapnq: one passage a question, answers of some sentences; the sentences that hold them are taught."""
    documents: dict[str, Row] = {}
    questions: list[Row] = []
    for name in ("answerable", "unanswerable"):
        for row in read_rows(folder / f"{name}.jsonl", ("qid", "question", "title", "passage")):
            identity = hashlib.sha256(row["passage"].encode()).hexdigest()[:16]
            documents[identity] = {"doc_id": identity, "title": row["title"], "text": row["passage"]}
            said = [str(s).strip() for s in row.get("gold_sentences") or [] if str(s).strip()]
            question = {
                "qid": row["qid"],
                "question": row["question"],
                "doc_id": identity,
                "answers": row.get("answers") or [],
            }
            if row.get("is_impossible") or name == "unanswerable":
                questions.append({**question, "answers": [], "is_impossible": True})
            else:
                # What is taught stands in the passage word for word, and holds what is looked for there.
                taught = {"answers": said[:1], "sentence": " ".join(said[:2]), "long": True} if said else {}
                questions.append({**question, "reference": question["answers"], **taught})
    sides = {identity: _side(identity, TEST_SHARE["clapnq"]) for identity in documents}
    return _sides(list(documents.values()), questions, sides)


def dstc11(folder: Path) -> Sides:
    """dstc11_track5's FAQs: a document a hotel or restaurant; answers are the company's own sentences."""
    pages: dict[str, list[Row]] = {}
    for row in read_rows(folder / "knowledge.jsonl", ("doc_id", "entity", "type")):
        if row["type"] == "faq" and row.get("question") and row.get("answer"):
            pages.setdefault(str(row["entity"]), []).append(row)
    documents, questions = [], []
    for entity, rows in sorted(pages.items()):
        for row in rows:
            identity = str(row["doc_id"])
            documents.append({"doc_id": identity, "title": entity, "text": f"{row['question']}\n\n{row['answer']}"})
            asked = str(row["question"])
            if entity.casefold() not in asked.casefold():
                asked = f"{asked.rstrip('?')} at {entity}?"
            said = str(row["answer"]).strip()
            questions.append(
                {
                    "qid": identity,
                    "question": asked,
                    "doc_id": identity,
                    "answers": [said],
                    "sentence": said,
                    "long": True,
                }
            )
    tested = TEST_SHARE["dstc11_track5"]
    sides = {d["doc_id"]: _side(d["title"], tested) for d in documents if _tenth(d["title"]) < tested + FAQ_TAUGHT}
    return _sides([d for d in documents if d["doc_id"] in sides], questions, sides)


def _sides(documents: Iterable[Row], questions: Iterable[Row], sides: dict[str, str]) -> Sides:
    made: Sides = {"train": ([], []), "test": ([], [])}
    for row in documents:
        made[sides[row["doc_id"]]][0].append(row)
    for row in questions:
        if row["doc_id"] in sides:
            made[sides[row["doc_id"]]][1].append(row)
    return made


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _side(text: str, of_ten: int) -> str:
    return "test" if _tenth(text) < of_ten else "train"


def _tenth(text: str) -> int:
    return int(_hash(text)[:8], 16) % 10


def write(path: Path, rows: Iterable[Row]) -> None:
    """Rows as JSONL."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
