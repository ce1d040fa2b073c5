"""Pairs of a question and a sentence for the verifier: does the sentence hold the answer? Pure, but for reading the sets.

What it learns to tell apart, by ``kind``:

- gold:      the sentence that holds the answer, or the entry of an FAQ that the dialogue was answered from;
- twisted:   squad2's own impossible questions with the sentence that seems to answer them;
- swapped:   an answerable question with a name or number of it exchanged, and the sentence that answered it before;
- beside:    the best other sentence of the same document, which does not hold the answer;
- neighbour: the best sentence of all other documents.

Whole articles are held out (by the hash of their title), never single paragraphs or questions: paragraphs of one article
tell each other's answers.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from finetune.errors import DatasetError
from serving.passages import Passage, Window, content_tokens, windows
from serving.verifier import shown

Row = dict[str, Any]
# One in so many articles is held out.
HELD_OUT_SHARE = 4
# Dialogues that pairs are made of; more would outweigh the other sets.
DIALOGUES = 900
# A name (or a run of names) or a number within a question: what can be exchanged for another.
_EXCHANGED = re.compile(r"(?<=\s)(?:[A-Z][\w'-]+(?:\s[A-Z][\w'-]+)*|\d[\d,.]*\d|\d)(?=\W|$)")


@dataclass(frozen=True, slots=True)
class Pair:
    """A question with a sentence as the verifier reads it.

    answer: the words in ``text`` that answer; "" when there are none.
    """

    question: str
    text: str
    label: bool
    kind: str
    answer: str = ""


@dataclass(frozen=True, slots=True)
class Document:
    """A paragraph with its sentences and their words."""

    id: str
    title: str
    windows: tuple[Window, ...]
    words: tuple[frozenset[int], ...]


def held_out(title: str) -> bool:
    """Whether an article is kept for measuring."""
    return int(hashlib.sha256(title.encode()).hexdigest(), 16) % HELD_OUT_SHARE == 0


def document(doc_id: str, title: str, text: str) -> Document:
    """A paragraph, split as the verdict splits it."""
    found = tuple(windows(Passage(1, doc_id, doc_id, title, "", text)))
    return Document(doc_id, title, found, tuple(content_tokens(f"{title}\n{w.text}") for w in found))


def training_pairs(data: Path, seed: int = 7) -> list[Pair]:
    """Pairs of squad2, xquad (English) and dstc11_track5 below ``data``, shuffled; held-out articles left out.

    Raises:
        DatasetError: none of the sets is there.
    """
    chance = random.Random(seed)  # noqa: S311 - a sample, no secret
    documents, questions = _reading_sets(data)
    kept = {doc.id: doc for doc in documents if not held_out(doc.title)}
    asked = [q for q in questions if q["doc_id"] in kept]
    pairs = [*_of_reading(kept, asked, chance), *_of_dialogues(data / "dstc11_track5", chance)]
    if not pairs:
        raise DatasetError(f"{data}: neither squad2 nor xquad_en_zh nor dstc11_track5 is in there")
    chance.shuffle(pairs)
    return pairs


def _reading_sets(data: Path) -> tuple[list[Document], list[Row]]:
    documents, questions = [], []
    for row in read(data / "squad2" / "documents.jsonl"):
        documents.append(document(row["doc_id"], row["title"], row["text"]))
    questions += read(data / "squad2" / "questions.jsonl")
    for row in read(data / "xquad_en_zh" / "documents.jsonl"):
        documents.append(document(f"xquad/{row['doc_id']}", row["title"], row["text_en"]))
    for row in read(data / "xquad_en_zh" / "questions.jsonl"):
        found = {"doc_id": f"xquad/{row['doc_id']}", "question": row["question_en"], "answers": row["answers_en"]}
        questions.append(found)
    return documents, questions


def _of_reading(documents: dict[str, Document], questions: Sequence[Row], chance: random.Random) -> Iterator[Pair]:
    rare = rarity(documents.values())
    everything = [(doc, i) for doc in documents.values() for i in range(len(doc.windows))]
    names = sorted({name for q in questions for name in _EXCHANGED.findall(q["question"])})
    for q in questions:
        doc, question, asked = documents[q["doc_id"]], q["question"], content_tokens(q["question"])
        if q.get("is_impossible"):
            i = _best(doc, asked, rare, q.get("plausible_wrong_answers") or ())
            i = _best(doc, asked, rare, ()) if i is None else i
            if i is not None:
                yield Pair(question, shown(doc.windows[i]), False, "twisted")
            continue
        i = _best(doc, asked, rare, q["answers"])
        if i is None:
            continue
        text = shown(doc.windows[i])
        yield Pair(question, text, True, "gold", next(a for a in q["answers"] if _holds(text, [a])))
        other = _exchanged(question, text, names, chance)
        if other:
            yield Pair(other, text, False, "swapped")
        beside = [j for j, w in enumerate(doc.windows) if not _holds(w.text, q["answers"])]
        if beside:
            j = max(beside, key=lambda j: covered(asked, doc.words[j], rare))
            yield Pair(question, shown(doc.windows[j]), False, "beside")
        if chance.random() < 0.4:
            far = ((d, j) for d, j in everything if d.id != doc.id and not _holds(d.windows[j].text, q["answers"]))
            best, j = max(far, key=lambda at: covered(asked, at[0].words[at[1]], rare))
            yield Pair(question, shown(best.windows[j]), False, "neighbour")


def _of_dialogues(folder: Path, chance: random.Random) -> Iterator[Pair]:
    faqs = {row["doc_id"]: row for row in read(folder / "knowledge.jsonl") if row["type"] == "faq"}
    of_entity: dict[str, list[Row]] = {}
    for row in faqs.values():
        of_entity.setdefault(row["entity"], []).append(row)
    dialogues = [d for d in read(folder / "dialogues.jsonl") if any(k in faqs for k in d["knowledge"])]
    chance.shuffle(dialogues)
    for d in [d for d in dialogues if not held_out(_entity(d, faqs))][:DIALOGUES]:
        gold = faqs[next(k for k in d["knowledge"] if k in faqs)]
        question = d["history"][-1]["text"]
        asked = content_tokens(question)
        others = [row for row in of_entity[gold["entity"]] if row["doc_id"] not in d["knowledge"]]
        yield Pair(question, _entry(gold), True, "gold")
        if others:
            best = max(others, key=lambda row: len(asked & content_tokens(_entry(row))))
            yield Pair(question, _entry(best), False, "beside")
            yield Pair(question, _entry(chance.choice(others)), False, "neighbour")


def _entity(dialogue: Row, faqs: dict[str, Row]) -> str:
    return str(faqs[next(k for k in dialogue["knowledge"] if k in faqs)]["entity"])


def _entry(row: Row) -> str:
    return f"{row['entity'].title()}: {row['question']} {row['answer']}"


def rarity(documents: Iterable[Document]) -> dict[int, float]:
    """Inverse document frequency of words, by sentence."""
    found: Counter[int] = Counter()
    total = 0
    for doc in documents:
        for words in doc.words:
            found.update(words)
            total += 1
    return {word: math.log(1 + total / held) for word, held in found.items()}


def covered(asked: frozenset[int], words: frozenset[int], rare: dict[int, float]) -> float:
    """Weight of the question's words that stand in a sentence."""
    return sum(rare.get(word, 0.0) for word in asked & words)


def _best(doc: Document, asked: frozenset[int], rare: dict[int, float], answers: Sequence[str]) -> int | None:
    """The sentence of a document that shares most with a question, of those that hold one of the answers if any are given."""
    places = [i for i, w in enumerate(doc.windows) if not answers or _holds(w.text, answers)]
    return max(places, key=lambda i: covered(asked, doc.words[i], rare), default=None)


def _holds(text: str, answers: Sequence[str]) -> bool:
    low = text.casefold()
    return any(answer.casefold() in low for answer in answers)


def _exchanged(question: str, text: str, names: Sequence[str], chance: random.Random) -> str | None:
    """The question with a name or number of the sentence exchanged for one that is not in it; None when it has none."""
    own = [m for m in _EXCHANGED.finditer(question) if _holds(text, [m.group()])]
    if not own or not names:
        return None
    match = chance.choice(own)
    alike = [n for n in names if n[0].isdigit() == match.group()[0].isdigit() and not _holds(text, [n])]
    if not alike:
        return None
    return question[: match.start()] + chance.choice(alike) + question[match.end() :]


def read(path: Path) -> list[Row]:
    """Rows of a JSONL file; none when it is not there."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.strip()]
