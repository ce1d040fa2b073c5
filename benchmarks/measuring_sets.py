"""Bring the measuring sets into the DATASET form that `frontdesk eval` reads.

    python benchmarks/measuring_sets.py SOURCE TARGET [NAME ...]

SOURCE holds the sets as published (squad2, cmrc2018, drcd, xquad_en_zh, gitlab_handbook_qa, dstc11_track5); TARGET gets
one folder a set: documents.jsonl {doc_id,title,text} and questions.jsonl {qid,question,doc_id,answers[],is_impossible?}
(`doc_ids` beside `doc_id` where several documents hold the answer). What is left out is counted and printed.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Row = dict[str, Any]
Dataset = tuple[list[Row], list[Row]]


def read(path: Path) -> list[Row]:
    """Rows of a JSONL file."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def plain(folder: Path) -> Dataset:
    """squad2, cmrc2018, drcd: in the form already."""
    documents = [
        {"doc_id": d["doc_id"], "title": d["title"], "text": d["text"]} for d in read(folder / "documents.jsonl")
    ]
    keep = ("qid", "question", "doc_id", "answers", "is_impossible")
    return documents, [{k: q[k] for k in keep if k in q} for q in read(folder / "questions.jsonl")]


def xquad(language: str) -> Callable[[Path], Dataset]:
    """One language of xquad_en_zh: questions and documents in the same language."""

    def convert(folder: Path) -> Dataset:
        documents = [
            {"doc_id": d["doc_id"], "title": d["title"] if language == "en" else "", "text": d[f"text_{language}"]}
            for d in read(folder / "documents.jsonl")
        ]
        questions = [
            {
                "qid": q["qid"],
                "question": q[f"question_{language}"],
                "doc_id": q["doc_id"],
                "answers": q[f"answers_{language}"],
            }
            for q in read(folder / "questions.jsonl")
        ]
        return documents, questions

    return convert


def gitlab(folder: Path) -> Dataset:
    """Handbook pages whole; follow-ups are asked with the question before them.

    In anaphora and negation questions the earlier evidence entries are planted distractors: the last one is right.
    Multi-hop questions are answered by any of their pages.
    """
    root = folder / "documents"
    documents = []
    for path in sorted(root.rglob("*.md")):
        name = path.relative_to(root).as_posix()
        documents.append({"doc_id": name, "title": "", "text": path.read_text(encoding="utf-8")})
    known = {d["doc_id"] for d in documents}
    questions = []
    for q in read(folder / "questions.jsonl"):
        pages = [page for entry in q["evidence"] for page in entry if page in known]
        if not pages:
            continue
        if q["type"] in ("Contextual Anaphora", "Negation Exclusion"):
            pages = pages[-1:]
        previous = q["previous_question"]
        questions.append(
            {
                "qid": q["qid"],
                "question": f"{previous} {q['question']}" if previous else q["question"],
                "doc_id": pages[0],
                "doc_ids": sorted(set(pages)),
                "answers": [q["answer"]],
            }
        )
    return documents, questions


def dstc11(folder: Path) -> Dataset:
    """FAQs of hotels and restaurants; the last customer turn, after the name of the place the dialogue speaks of."""
    faqs = {k["doc_id"]: k for k in read(folder / "knowledge.jsonl") if k["type"] == "faq"}
    documents = [
        {"doc_id": k["doc_id"], "title": k["entity"], "text": f"{k['question']} {k['answer']}"} for k in faqs.values()
    ]
    questions = []
    for d in read(folder / "dialogues.jsonl"):
        gold = [doc for doc in d["knowledge"] if doc in faqs] if d["knowledge_seeking"] else []
        entities = {faqs[doc]["entity"] for doc in gold}
        if len(entities) != 1:
            continue
        questions.append(
            {
                "qid": d["id"],
                "question": f"{entities.pop().title()}: {d['history'][-1]['text']}",
                "doc_id": gold[0],
                "doc_ids": gold,
                "answers": [d["response"]] if d.get("response") else [],
            }
        )
    return documents, questions


SETS: dict[str, tuple[str, Callable[[Path], Dataset]]] = {
    "squad2": ("squad2", plain),
    "xquad_en": ("xquad_en_zh", xquad("en")),
    "gitlab_handbook": ("gitlab_handbook_qa", gitlab),
    "dstc11_faq": ("dstc11_track5", dstc11),
    "cmrc2018": ("cmrc2018", plain),
    "drcd": ("drcd", plain),
    "xquad_zh": ("xquad_en_zh", xquad("zh")),
}


def convert(source: Path, target: Path, names: list[str]) -> Iterator[tuple[str, int, int]]:
    """Write the named sets below ``target``; yields name, documents, questions."""
    for name in names:
        folder, converter = SETS[name]
        documents, questions = converter(source / folder)
        out = target / name
        out.mkdir(parents=True, exist_ok=True)
        for file, rows in (("documents.jsonl", documents), ("questions.jsonl", questions)):
            text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (out / file).write_text(text, encoding="utf-8")
        yield name, len(documents), len(questions)


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("names", nargs="*", choices=[[], *SETS], default=[])
    arguments = parser.parse_args()
    if not arguments.source.is_dir():
        print(f"skipped: no measuring data at {arguments.source}")
        return 0
    for name, documents, questions in convert(arguments.source, arguments.target, arguments.names or list(SETS)):
        print(f"{name:18} {documents:6} documents {questions:6} questions")
    return 0


if __name__ == "__main__":
    sys.exit(main())
