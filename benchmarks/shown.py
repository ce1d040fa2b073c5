"""What the passages hold that an answer is written from: with neighbours, without, with copies collapsed, and what it costs.

    python benchmarks/shown.py DATA [--keep FOLDER] [--questions 300] [--sets squad2 ...]

DATA holds the sets as published (benchmarks/measuring_sets.py). *_articles: the same texts with all paragraphs of an article in one
document, as long as customers' documents are; *_twice: every document a second time under another name. Of each way to show
what was found the table says in how many of the answerable questions an answer's own words stand in what the prompt gets, and
how many tokens the passages have by the packaged embedder. Further passages stand beside neighbours, because tokens can be
spent on either.

--keep: a folder that the indexes are kept in between runs.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

ROOT = Path(__file__).parents[1]
# In place of this folder, whose datasets.py other libraries would take for the library of that name.
sys.path[0] = str(ROOT)

from app.rag.fusion import Fused  # noqa: E402 - after the path is set
from app.rag.retrieve import HybridSearch, Retrieved  # noqa: E402
from benchmarks.measuring_sets import Row, convert, read  # noqa: E402
from benchmarks.question_words import Corpus, corpus  # noqa: E402
from ingest.index.base import Hit, chunk_id, writing_of  # noqa: E402
from ingest.schema import PUBLIC  # noqa: E402
from serving.passages import Passage  # noqa: E402
from serving.prompts import render_passage  # noqa: E402

SEED = 11
PLACES = 5
ARTICLES, TWICE = "_articles", "_twice"
SETS = ("squad2", "squad2_articles", "squad2_twice", "gitlab_handbook", "gitlab_handbook_twice")
SETS += ("cmrc2018", "cmrc2018_twice", "drcd_articles")
# Passages that are widened, as app/rag/widen.py does.
WIDENED = 3


@dataclass(frozen=True, slots=True)
class Question:
    """A question with its answers in the text's own words."""

    text: str
    answers: tuple[str, ...]


def prepared(data: Path, name: str, folder: Path) -> Path:
    """A set in the DATASET form."""
    source = name.removesuffix(ARTICLES).removesuffix(TWICE)
    list(convert(data, folder, [source]))
    if name == source:
        return folder / name
    rows = read(folder / source / "documents.jsonl")
    rows = joined(rows) if name.endswith(ARTICLES) else [*rows, *({**r, "doc_id": f"copy/{r['doc_id']}"} for r in rows)]
    (folder / name).mkdir(parents=True, exist_ok=True)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    (folder / name / "documents.jsonl").write_text(lines, encoding="utf-8")
    (folder / name / "questions.jsonl").write_bytes((folder / source / "questions.jsonl").read_bytes())
    return folder / name


def joined(rows: Sequence[Row]) -> list[Row]:
    """Whole articles, told apart by their titles."""
    articles: dict[str, list[str]] = {}
    for row in rows:
        articles.setdefault(row["title"], []).append(row["text"])
    return [{"doc_id": t, "title": t, "text": "\n\n".join(texts)} for t, texts in articles.items()]


def sample(dataset: Path, count: int) -> list[Question]:
    """Answerable questions, seeded."""
    rows = [row for row in read(dataset / "questions.jsonl") if not row.get("is_impossible")]
    random.Random(SEED).shuffle(rows)
    return [Question(row["question"], tuple(row["answers"])) for row in rows[:count]]


# Ways to show what was found

Way = Callable[[HybridSearch, Corpus, Retrieved], list[Passage]]


def plain(places: int) -> Way:
    """The best passages as they were found, copies included."""

    def show(search: HybridSearch, found: Corpus, hits: Retrieved) -> list[Passage]:
        return [_as_passage(n, fused) for n, fused in enumerate(hits.fused[:places], start=1)]

    return show


def once(search: HybridSearch, found: Corpus, hits: Retrieved) -> list[Passage]:
    """Passages that say the same take one place."""
    return hits.passages(PLACES)


def cut(search: HybridSearch, found: Corpus, hits: Retrieved) -> list[Passage]:
    """As shipped when neighbours are on: where a cut shows."""
    return search.passages(found.kb, hits, PLACES, neighbours=True)


def around(reach: int, *, section: bool = False) -> Way:
    """The best three with all chunks that far before and after them; ``section``: of their own headings only."""

    def show(search: HybridSearch, found: Corpus, hits: Retrieved) -> list[Passage]:
        passages, taken = plain(PLACES)(search, found, hits), {fused.hit.id for fused in hits.fused[:PLACES]}
        for place, fused in enumerate(hits.fused[:WIDENED]):
            near = [hit for hit in _near(found, fused.hit, reach) if hit.id not in taken]
            if section:
                near = [h for h in near if h.payload["heading_path"] == fused.hit.payload["heading_path"]]
            taken |= {hit.id for hit in near}
            parts = sorted([fused.hit, *near], key=lambda hit: int(hit.payload["ordinal"]))
            text = "\n\n".join(hit.payload["text"] for hit in parts)
            passages[place] = replace(passages[place], text=text)
        return passages

    return show


def _near(found: Corpus, hit: Hit, reach: int) -> list[Hit]:
    version, generation = writing_of(hit.payload)
    ordinal = int(hit.payload["ordinal"])
    places = [n for n in range(max(0, ordinal - reach), ordinal + reach + 1) if n != ordinal]
    ids = [chunk_id(version, generation, n) for n in places]
    return found.work.index.fetch(found.kb.id, ids, principal=PUBLIC)


def _as_passage(n: int, fused: Fused) -> Passage:
    (passage,) = Retrieved([fused], None, "", {}).passages(1)  # type: ignore[arg-type]  # the legs are not looked at
    return replace(passage, n=n)


WAYS: dict[str, Way] = {
    "5 passages": plain(PLACES),
    "5, copies collapsed": once,
    "5, collapsed, neighbours where cut": cut,
    "5, best 3 with 1 before and after": around(1),
    "5, best 3 with 2 before and after": around(2),
    "5, best 3 with their section": around(2, section=True),
    "6 passages": plain(6),
    "7 passages": plain(7),
    "8 passages": plain(8),
    "11 passages": plain(11),
}


# Counting


def measure(found: Corpus, dataset: Path, count: int) -> Iterator[str]:
    """Rows of the table."""
    work = found.work
    search = HybridSearch(work.index, work.catalog, work.embedder, work.sparse, work.places)
    hits = {question: search.search(found.kb, question.text) for question in sample(dataset, count)}
    for name, way in WAYS.items():
        holding = tokens = changed = 0
        for question, found_for in hits.items():
            shown = way(search, found, found_for)
            holding += any(holds(passage.text, question.answers) for passage in shown)
            tokens += sum(work.embedder.count_tokens([render_passage(passage) for passage in shown]))
            best = [fused.hit.payload["text"] for fused in found_for.fused[:PLACES]]
            changed += [passage.text for passage in shown] != best
        yield f"| {dataset.name} | {name} | {holding}/{len(hits)} | {tokens / len(hits):.0f} | {changed} |"


def holds(text: str, answers: Sequence[str]) -> bool:
    """Whether an answer stands in a text, white space and capitals aside."""
    return any(_folded(answer) in _folded(text) for answer in answers)


def _folded(text: str) -> str:
    return "".join(text.lower().split())


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", nargs="+", choices=SETS, default=SETS)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--keep", type=Path)
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: no measuring data at {arguments.data}")
        return 0
    print("| set | shown | answer in it | tokens a question | questions that are shown something else |")
    print("|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        for name in arguments.sets:
            dataset = prepared(arguments.data, name, folder / "sets")
            with corpus(dataset, folder) as found:
                for row in measure(found, dataset, arguments.questions):
                    print(row, flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
