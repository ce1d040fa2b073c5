"""What a glossary and the correction of slips do for questions whose words the documents do not use.

    python benchmarks/question_words.py DATA [--keep FOLDER] [--questions 300] [--weights 0.5 1.0] [--only slips|names] [--verdict]

slips: a sample of squad2's questions gets one slip in a content word (neighbours swapped, a letter dropped, doubled, or hit
       beside its key), seeded. Asked clean and with slips, each without and with correction; with --verdict (slow) also what is
       called answerable, of the impossible questions, too: a correction must not make an answer out of nothing.
names: in squad2 and cmrc2018 a word that the question shares with its document is called by an invented name, and a glossary
       says so. Asked by the documents' words and by the invented ones, without the glossary, with it as a further wording
       (shipped), and with its terms added to the question instead.

--keep: a folder that the indexes are kept in between runs.
"""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from app.evaluation import write_documents
from app.rag.answerable import AnswerabilityJudge
from app.rag.question import Wording, wordings_of
from app.rag.retrieve import HybridSearch
from app.rag.rewordings import CORRECTED_WEIGHT, SYNONYM_WEIGHT, Reworded, Reworder, Rewordings
from app.rag.spelling import words_of
from app.rag.synonyms import Thesaurus
from app.rag.vocabulary import Vocabularies
from app.workspace import Settings, Workspace, open_workspace
from finetune.evaluate import read_documents
from ingest.bindings import Place
from ingest.errors import FrontdeskError
from ingest.glossary import Glossary, GlossaryDraft
from ingest.language import detect_language
from ingest.records import KnowledgeBase, State
from ingest.schema import PUBLIC, Principal
from serving.passages import content_tokens

SEED = 7
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SYLLABLES = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeo"]
_HAN = re.compile(r"[\u4e00-\u9fff]{2,}")
# Characters that hardly any document uses.
_RARE = "犇骉猋羴鱻淼焱垚晶磊鑫森轰矗嚞"


class Question(NamedTuple):
    """A question of a set; ``doc_id`` answers it unless it is impossible."""

    text: str
    doc_id: str
    impossible: bool


@dataclass(frozen=True, slots=True)
class Corpus:
    """An indexed set."""

    work: Workspace
    ids: dict[str, str]
    texts: dict[str, str]

    @property
    def kb(self) -> KnowledgeBase:
        """The set's knowledge base, as it is now."""
        return self.work.catalog.knowledge_base("measured")

    def search(self, reworder: Reworder | None) -> HybridSearch:
        """Retrieval with a way to reword questions, or none."""
        work = self.work
        return HybridSearch(work.index, work.catalog, work.embedder, work.sparse, work.places, reworder)


class Appended:
    """The other way: one further wording, with all synonyms after the question."""

    def __init__(self, thesaurus: Thesaurus, weight: float) -> None:
        self._thesaurus = thesaurus
        self._weight = weight

    def reworded(
        self, kb: KnowledgeBase, place: Place, wordings: Sequence[Wording], language: str, principal: Principal
    ) -> Reworded:
        """The wordings, then those with synonyms after them."""
        named = {w.text: self._thesaurus.named(w.text) for w in wordings}
        further = [
            replace(w, text=" ".join([w.text, *(o for n in named[w.text] for o in n.others)]), weight=self._weight)
            for w in wordings
            if named[w.text]
        ]
        return (*wordings, *further), ()


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--weights", type=float, nargs="+", default=[])
    parser.add_argument("--verdict", action="store_true")
    parser.add_argument("--only", choices=("slips", "names"))
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        print(f"skipped: no measuring data at {arguments.data}")
        return 0
    weights = arguments.weights
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.keep or Path(temporary)
        with corpus(arguments.data / "squad2", folder) as squad:
            asked = sample(arguments.data / "squad2", arguments.questions)
            if arguments.only != "names":
                slips(squad, asked, weights or [CORRECTED_WEIGHT], verdict=arguments.verdict)
            if arguments.only != "slips":
                names(
                    "squad2", squad, [q for q in asked if not q.impossible], weights or [SYNONYM_WEIGHT], invented_word
                )
        if arguments.only != "slips":
            with corpus(arguments.data / "cmrc2018", folder) as cmrc:
                asked = sample(arguments.data / "cmrc2018", arguments.questions)
                names("cmrc2018", cmrc, asked, weights or [SYNONYM_WEIGHT], invented_characters)
    return 0


@contextmanager
def corpus(dataset: Path, folder: Path) -> Iterator[Corpus]:
    """A set in a data folder of its own, indexed unless it is there already."""
    settings = Settings.load()
    home = folder / dataset.name
    private = {"home": home / "home", "database_url": None, "vector_engine": "edge"}
    settings = Settings(settings.ingest.model_copy(update=private), settings.serving, settings.app)
    documents = read_documents(dataset)
    with tempfile.TemporaryDirectory() as temporary, open_workspace(settings) as work:
        uploads, ids = write_documents(documents, Path(temporary) / "documents")
        if not work.catalog.knowledge_bases():
            kb = work.catalog.create_knowledge_base("measured")
            for result in work.pipeline.ingest(kb, uploads, lambda *_: None):
                if result.state is State.FAILED:
                    raise FrontdeskError(f"{result.document}: {result.reason}")
            work.index.optimize(kb.id)
        yield Corpus(work, ids, {doc.doc_id: doc.text for doc in documents})


def sample(dataset: Path, count: int) -> list[Question]:
    """Questions, seeded; of impossible ones as many again, where the set has some."""
    rows = [json.loads(line) for line in (dataset / "questions.jsonl").open(encoding="utf-8")]
    found = [Question(row["question"], row["doc_id"], bool(row.get("is_impossible"))) for row in rows]
    random.Random(SEED).shuffle(found)
    return [
        question
        for impossible in (False, True)
        for question in [each for each in found if each.impossible is impossible][:count]
    ]


class Asker:
    """Asks questions and remembers what was found: wordings that a way to reword leaves as they are need no second search."""

    def __init__(self, found: Corpus) -> None:
        self._found = found
        self._judge = AnswerabilityJudge(found.work.embedder)
        self._remembered: dict[tuple[Wording, ...], tuple[list[str], bool]] = {}

    def wordings(self, reworder: Reworder | None, text: str) -> tuple[Wording, ...]:
        """What a question is searched for by."""
        kb, asked = self._found.kb, wordings_of(text)
        if reworder is None:
            return asked
        place = self._found.work.places.of(kb)
        return tuple(reworder.reworded(kb, place, asked, detect_language(text), PUBLIC)[0])

    def ask(self, reworder: Reworder | None, text: str, *, judged: bool = True) -> tuple[list[str], bool]:
        """Documents found, best first, and whether the verdict calls the question answerable."""
        key = self.wordings(reworder, text)
        if key not in self._remembered:
            hits = self._found.search(reworder).search(self._found.kb, text)
            documents = list(dict.fromkeys(self._found.ids[fused.hit.payload["document"]] for fused in hits.fused))
            verdict = judged and self._judge.judge(text, hits, hits.passages(5)).answerable
            self._remembered[key] = documents[:5], verdict
        return self._remembered[key]

    def recall(
        self, reworder: Reworder | None, questions: Sequence[tuple[str, str]], *, judged: bool = False
    ) -> tuple[float, float, float]:
        """R@1, R@5 and the share called answerable of (question, document)."""
        asked = [(self.ask(reworder, text, judged=judged), doc_id) for text, doc_id in questions]
        ranked = [(doc_id in documents[:1], doc_id in documents, yes) for (documents, yes), doc_id in asked]
        one, five, yes = (sum(column) / len(ranked) for column in zip(*ranked, strict=True))
        return one, five, yes


# Slips


def slips(found: Corpus, questions: Sequence[Question], weights: Sequence[float], *, verdict: bool) -> None:
    """Print the table of slips."""
    rng = random.Random(SEED)
    cases = [(q, slipped(q.text, rng)) for q in questions if slipped(q.text, random.Random(0))]
    cases = [(q, bad) for q, bad in cases if verdict or not q.impossible]
    possible = [(q, bad) for q, bad in cases if not q.impossible]
    kb = found.kb
    vocabularies = Vocabularies()
    rows = Glossary(found.work.engine)
    for entry in rows.all(kb.id):
        rows.remove(kb.id, entry.id)
    print(
        f"\nsquad2, {len(possible)} questions: R@1, R@5; share answerable of them, and of {len(cases) - len(possible)} impossible ones"
    )
    ways: list[tuple[str, Reworder | None]] = [("", None)]
    ways += [
        (f", corrected (weight {w:g})", Rewordings(rows, found.work.sparse, vocabularies, corrected_weight=w))
        for w in weights
    ]
    Rewordings(rows, found.work.sparse, vocabularies).prepare(kb, found.work.places.of(kb))
    asker = Asker(found)
    asked = {"clean": [(q.text, q) for q, _ in cases], "slips": [(bad, q) for q, bad in cases]}
    for kind, texts in asked.items():
        for name, reworder in ways:
            one, five, yes = asker.recall(
                reworder, [(text, q.doc_id) for text, q in texts if not q.impossible], judged=verdict
            )
            line = f"{kind + name:32} {one:6.3f} {five:6.3f}"
            if verdict:
                impossible = [(text, "") for text, q in texts if q.impossible]
                no = asker.recall(reworder, impossible, judged=True)[-1]
                line += f" {yes:6.3f} {no:8.3f}"
            print(line, flush=True)
    kinds = corrections(asker, ways[-1][1], cases)
    print("slips:", ", ".join(f"{name} {count}" for name, count in kinds.items()), flush=True)
    vocabularies.close()


def corrections(asker: Asker, reworder: Reworder | None, cases: Sequence[tuple[Question, str]]) -> dict[str, int]:
    """What became of the slips, and of the questions without any."""
    counts = dict.fromkeys(("set right", "made another word", "left", "(clean questions changed)"), 0)
    for question, bad in cases:
        further = [w.text for w in asker.wordings(reworder, bad) if w.instead_of == bad]
        clean = [w for w in asker.wordings(reworder, question.text) if w.instead_of]
        right = any(text.lower() == question.text.lower() for text in further)
        counts["set right" if right else "made another word" if further else "left"] += 1
        counts["(clean questions changed)"] += bool(clean)
    return counts


def slipped(text: str, rng: random.Random) -> str:
    """The text with a slip in one of its content words; "" when it has none."""
    words = [match for match in words_of(text) if content_tokens(match.group())]
    if not words:
        return ""
    match = rng.choice(words)
    word = match.group()
    kinds = [_swapped, _dropped, _doubled, _beside]
    while True:
        made = rng.choice(kinds)(word, rng)
        if made != word:
            return text[: match.start()] + made + text[match.end() :]


def _swapped(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word) - 1)
    return word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def _dropped(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word))
    return word[:at] + word[at + 1 :]


def _doubled(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word))
    return word[:at] + word[at] + word[at:]


def _beside(word: str, rng: random.Random) -> str:
    at = rng.randrange(len(word))
    row = next((row for row in _KEYS if word[at].lower() in row), "")
    place = row.find(word[at].lower())
    near = [row[i] for i in (place - 1, place + 1) if row and 0 <= i < len(row)]
    return word[:at] + rng.choice(near) + word[at + 1 :] if near else word


# Names


def names(
    dataset: str,
    found: Corpus,
    questions: Sequence[Question],
    weights: Sequence[float],
    invent: Callable[[Question, str, random.Random], tuple[str, str] | None],
) -> None:
    """Print the table of a glossary."""
    rng = random.Random(SEED)
    called: dict[str, str] = {}
    cases: list[tuple[str, str, str]] = []
    for question in questions:
        made = invent(question, found.texts[question.doc_id], rng)
        if made is None:
            continue
        term = made[0].lower()
        name = called.setdefault(term, made[1])
        cases.append((question.text, question.text.replace(made[0], name), question.doc_id))
    work = found.work
    rows, kb = Glossary(work.engine), found.kb
    for entry in rows.all(kb.id):
        rows.remove(kb.id, entry.id)
    drafts = [GlossaryDraft((name, term)) for term, name in called.items()]
    rows.bring_in(kb.id, [("", draft) for draft in drafts])
    print(
        f"\n{dataset}, {len(cases)} questions, {len(drafts)} entries: R@1, R@5 by the documents' words; by invented names"
    )
    ways: list[tuple[str, Reworder | None]] = [("no glossary", None)]
    for weight in weights:
        own_way = Rewordings(rows, work.sparse, None, synonym_weight=weight, instead_weight=weight)
        ways.append((f"further wording {weight:g}", own_way))
        ways.append((f"terms added {weight:g}", Appended(Thesaurus(drafts), weight)))
    asker = Asker(found)
    for name, reworder in ways:
        own = asker.recall(reworder, [(text, doc) for text, _, doc in cases])
        other = asker.recall(reworder, [(text, doc) for _, text, doc in cases])
        print(f"{name:24} {own[0]:6.3f} {own[1]:6.3f} {other[0]:8.3f} {other[1]:6.3f}", flush=True)


def invented_word(question: Question, text: str, rng: random.Random) -> tuple[str, str] | None:
    """A word of the question that its document holds, and an invented one."""
    held = text.lower()
    words = [m.group() for m in words_of(question.text) if content_tokens(m.group()) and m.group().lower() in held]
    return (rng.choice(words), "".join(rng.sample(_SYLLABLES, 3))) if words else None


def invented_characters(question: Question, text: str, rng: random.Random) -> tuple[str, str] | None:
    """Two to four characters of the question that its document holds, and invented ones."""
    parts = [
        run[at : at + size]
        for run in _HAN.findall(question.text)
        for size in (4, 3, 2)
        for at in range(len(run) - size + 1)
        if run[at : at + size] in text and content_tokens(run[at : at + size])
    ]
    longest = [part for part in parts if len(part) == len(max(parts, key=len))]
    return (rng.choice(longest), "".join(rng.sample(_RARE, 3))) if longest else None


if __name__ == "__main__":
    sys.exit(main())
