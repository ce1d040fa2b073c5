"""Follow-up questions: what is found by the question as it was asked, by ours made standalone, and by plain concatenation.

    python benchmarks/follow_ups.py DATA [--sets mtrag_un dstc11_faq ...] [--half report|tune|all] [--keep FOLDER]

DATA holds the sets as published: mtrag_un (reference passages of all four collections in one knowledge base), dstc11_track5
(its FAQs), kdconv (the travel knowledge base, one document a sight). Questions are halved by a hash of their dialogue: rules
were chosen on `tune`. squad2 and cmrc2018 questions stand alone; asked after unrelated turns they must be found as before.
`--keep` leaves the indexes in FOLDER and uses those that are there.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measuring_sets import read

from app.rag.followup import FollowUps
from app.rag.question import Wording, wordings_of
from app.rag.retrieve import HybridSearch
from app.workspace import Settings, Workspace, open_workspace
from finetune.evaluate import DatasetDocument
from finetune.metrics import mean, recall_at
from ingest.errors import FrontdeskError, NotFound
from ingest.pipeline import Pipeline, Upload
from ingest.records import KnowledgeBase, State
from serving.prompts import Message

UNRELATED = 400
# Passages a set: all that answer a question, and others drawn at random up to this many.
MOST = 1200


@dataclass(frozen=True, slots=True)
class Turn:
    """A question with the turns before it.

    kind:   which row of the table it counts to.
    oracle: the question with the right place's name before it, where the set tells it; "" elsewhere.
    """

    dialogue: str
    kind: str
    history: tuple[Message, ...]
    question: str
    relevant: frozenset[str]
    oracle: str = ""


Set = tuple[list[DatasetDocument], list[Turn]]


def mtrag(data: Path) -> Set:
    """Tasks with reference passages; no human rewrite is published with them."""
    documents: dict[str, DatasetDocument] = {}
    turns = []
    for task in read(data / "mtrag_un" / "tasks.jsonl"):
        ids = [f"{task['collection']}/{context['document_id']}" for context in task["contexts"]]
        for doc_id, context in zip(ids, task["contexts"], strict=True):
            documents[doc_id] = DatasetDocument(doc_id, "", context["text"])
        if ids and task["history"]:
            history = tuple(Message(m["role"], m["text"]) for m in task["history"])
            # Tasks of one conversation share their first question.
            turns.append(Turn(history[0].content, task["multi_turn"][0], history, task["question"], frozenset(ids)))
    return list(documents.values()), turns


def dstc11(data: Path) -> Set:
    """Last turns that a FAQ answers; only the turns before tell which hotel or restaurant is meant."""
    rows = read(data / "dstc11_track5" / "knowledge.jsonl")
    faqs = {row["doc_id"]: row for row in rows if row["type"] == "faq"}
    documents = [
        DatasetDocument(doc_id, row["entity"].title(), f"{row['question']} {row['answer']}")
        for doc_id, row in faqs.items()
    ]
    turns = []
    for row in read(data / "dstc11_track5" / "dialogues.jsonl"):
        gold = [doc for doc in row["knowledge"] if doc in faqs] if row["knowledge_seeking"] else []
        if not gold:
            continue
        *history, last = [Message(m["role"], m["text"]) for m in row["history"]]
        names = sorted({faqs[doc]["entity"].title() for doc in gold})
        named = any(name.lower() in last.content.lower() for name in names)
        kind = "names it" if named else "points back"
        oracle = f"{' '.join(names)}: {last.content}"
        turns.append(Turn(history[0].content, kind, tuple(history), last.content, frozenset(gold), oracle))
    return documents, turns


def kdconv(data: Path) -> Set:
    """Questions of travel dialogues, whoever asks them, whose reply uses one sight's entry."""
    documents = []
    for row in read(data / "kdconv" / "kb_travel.jsonl"):
        text = "\n".join(f"{name if name != 'Information' else '介绍'}：{value}" for name, value in row["facts"])
        documents.append(DatasetDocument(row["entity"], row["entity"], text))
    known = {document.doc_id for document in documents}
    turns = []
    for dialogue in read(data / "kdconv" / "dialogues.jsonl"):
        if dialogue["domain"] != "travel":
            continue
        messages = dialogue["messages"]
        for n in range(1, len(messages) - 1):
            asked, replied = messages[n], messages[n + 1]
            used = {fact[0] for fact in replied.get("knowledge", ())}
            if len(used) != 1 or not used <= known or not asked["text"].rstrip().endswith(("？", "?")):
                continue
            (name,) = used
            asker = asked["role"]
            history = tuple(Message("user" if m["role"] == asker else "assistant", m["text"]) for m in messages[:n])
            kind = "names it" if name in asked["text"] else "points back"
            turns.append(
                Turn(dialogue["dialogue_id"], kind, history, asked["text"], frozenset(used), f"{name}：{asked['text']}")
            )
    return documents, turns


def unrelated(name: str) -> Callable[[Path], Set]:
    """Questions that stand alone, after a question about another document and its answer."""

    def convert(data: Path) -> Set:
        documents = [
            DatasetDocument(row["doc_id"], row["title"], row["text"]) for row in read(data / name / "documents.jsonl")
        ]
        rows = [row for row in read(data / name / "questions.jsonl") if not row.get("is_impossible")]
        chance = random.Random(0)
        turns = []
        for row in chance.sample(rows, UNRELATED):
            other = chance.choice(rows)
            if other["doc_id"].split("#")[0] == row["doc_id"].split("#")[0]:
                continue
            history = (Message("user", other["question"]), Message("assistant", f"{other['answers'][0]} [1]."))
            turns.append(
                Turn(row["qid"], "stands alone", history, row["question"], frozenset([row["doc_id"]]), row["question"])
            )
        return documents, turns

    return convert


def bounded(documents: list[DatasetDocument], turns: list[Turn]) -> list[DatasetDocument]:
    """All documents that answer a question, and others drawn at random up to ``MOST``, in their order."""
    gold = set().union(*(turn.relevant for turn in turns))
    others = [document.doc_id for document in documents if document.doc_id not in gold]
    kept = gold | set(random.Random(0).sample(others, min(len(others), max(0, MOST - len(gold)))))
    return [document for document in documents if document.doc_id in kept]


SETS: dict[str, Callable[[Path], Set]] = {
    "mtrag_un": mtrag,
    "dstc11_faq": dstc11,
    "kdconv_travel": kdconv,
    "squad2": unrelated("squad2"),
    "cmrc2018": unrelated("cmrc2018"),
}


@contextmanager
def indexed(
    folder: Path, documents: Sequence[DatasetDocument]
) -> Iterator[tuple[Workspace, KnowledgeBase, dict[str, str]]]:
    """The documents in a knowledge base below ``folder``; what is there already is used."""
    settings = Settings.load()
    # Whatever database and index the settings name hold customers' data: a benchmark never touches them.
    private = {"home": folder / "home", "database_url": None, "vector_engine": "edge"}
    settings = Settings(settings.ingest.model_copy(update=private), settings.serving, settings.app)
    ids = {f"{n:07}.txt": document.doc_id for n, document in enumerate(documents)}
    with open_workspace(settings) as workspace:
        try:
            kb = workspace.catalog.knowledge_base("evaluation")
        except NotFound:
            kb = workspace.catalog.create_knowledge_base("evaluation")
            (folder / "documents").mkdir(parents=True, exist_ok=True)
            uploads = []
            for name, document in zip(ids, documents, strict=True):
                path = folder / "documents" / name
                path.write_text(document.text, encoding="utf-8")
                uploads.append(Upload(name, path, title=document.title))
            # Texts of a set are plain and trusted: they are read in this process, without the walls around files.
            parts = (workspace.catalog, workspace.files, workspace.index, workspace.embedder, workspace.sparse)
            pipeline = Pipeline(*parts, settings.ingest.chunk_tokens)
            for result in pipeline.ingest(kb, uploads):
                if result.state is State.FAILED:
                    raise FrontdeskError(f"{ids[result.document]!r} could not be ingested: {result.reason}") from None
            workspace.index.optimize(kb.id)
        yield workspace, workspace.catalog.knowledge_base("evaluation"), ids


class Ways:
    """The ways to put a follow-up, each a ranking of document ids; what was searched for once is kept."""

    def __init__(self, search: HybridSearch, kb: KnowledgeBase, ids: dict[str, str]) -> None:
        self._search = search
        self._kb = kb
        self._ids = ids
        self._follow_ups = FollowUps(search)
        self._kept: dict[tuple[Wording, ...], list[str]] = {}

    def rankings(self, turn: Turn) -> tuple[dict[str, list[str]], bool]:
        """Document ids, best first, by way; and whether the rules change the question."""
        said = [message.content for message in turn.history]
        asked = [message.content for message in turn.history if message.role == "user"]
        ours = self._follow_ups.by_rules(self._kb, turn.history, turn.question)
        plain = {
            "as asked": turn.question,
            "question before + it": " ".join([*asked[-1:], turn.question]),
            "two messages before + it": " ".join([*said[-2:], turn.question]),
            "whole history + it": " ".join([*said, turn.question]),
        }
        if turn.oracle:
            plain["its name + it"] = turn.oracle
        found = {way: self._find(text, ()) for way, text in plain.items()}
        return {**found, "rules": self._find(ours.question, ours.wordings)}, ours.by != "asked"

    def _find(self, question: str, wordings: tuple[Wording, ...]) -> list[str]:
        wordings = wordings or wordings_of(question)
        if wordings not in self._kept:
            fused = self._search.search(self._kb, question, wordings=wordings).fused
            self._kept[wordings] = list(dict.fromkeys(self._ids[f.hit.payload["document"]] for f in fused))
        return self._kept[wordings]


def in_half(turn: Turn, half: str) -> bool:
    """Whether a turn belongs to a half of its set; all turns of a dialogue do or do not."""
    return half == "all" or (zlib.crc32(turn.dialogue.encode()) % 2 == 0) == (half == "tune")


def measure(name: str, ways: Ways, turns: Sequence[Turn]) -> Iterator[str]:
    """Rows of the table: by kind of turn and over all, each way."""
    scored: dict[tuple[str, str], list[tuple[float, float, float]]] = {}
    changed: dict[str, list[bool]] = {}
    for turn in turns:
        rankings, rewritten = ways.rankings(turn)
        for kind in dict.fromkeys((turn.kind, "all")):
            changed.setdefault(kind, []).append(rewritten)
        for way, ranking in rankings.items():
            at = (
                float(bool(ranking) and ranking[0] in turn.relevant),
                recall_at(ranking, turn.relevant, 5),
                recall_at(ranking, turn.relevant, 20),
            )
            for kind in dict.fromkeys((turn.kind, "all")):
                scored.setdefault((kind, way), []).append(at)
    for kind, values in sorted(changed.items()):
        share = mean([float(value) for value in values])
        for (of, way), rows in scored.items():
            if of == kind:
                one, five, twenty = (mean([row[i] for row in rows]) for i in range(3))
                note = f"  changed {share:.0%}" if way == "rules" else ""
                yield f"{name:14} {kind:14} {way:25} {len(rows):5}  {one:.3f} {five:.3f} {twenty:.3f}{note}"


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--half", choices=("report", "tune", "all"), default="report")
    parser.add_argument("--most", type=int, default=1000, help="questions a set, drawn at random")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the indexes for the next run")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: no measuring data at {arguments.data}")
        return 0
    print("set            turn           asked with                turns    R@1   R@5  R@20", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        for name in arguments.sets:
            documents, turns = SETS[name](arguments.data)
            documents = bounded(documents, turns)
            turns = [turn for turn in turns if in_half(turn, arguments.half)]
            turns = random.Random(0).sample(turns, min(arguments.most, len(turns)))
            with indexed((arguments.keep or Path(temporary)) / name, documents) as (workspace, kb, ids):
                for row in measure(name, Ways(workspace.search, kb, ids), turns):
                    print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
