"""Pairs by rules: how many are made and kept, what each filter finds of injected faults, what it drops of the rest, and pairs to read.

    python benchmarks/pairs.py [DATA] [--show 50] [--seed 1] [--model 40 --writers base NAME]

The example company's files, and of DATA (../shared/data) dify_docs_en_zh, each ingested into a temporary data folder. Every pair
goes through all filters. Then a tenth of the kept pairs is corrupted (a figure swapped, a denial put in, another passage, another
pair's answer, that of a pair of the same passage), and each filter is asked about every one of them by itself. --model asks models, too: the packaged
one, and releases by name (`frontdesk train finetune/recipes/questions.yaml`, `frontdesk releases add`).
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from app.pair_checks import CitationSupport, RetrievedChunks, VerifierVote
from app.pair_questions import ChatQuestions, packaged_complete
from app.uploads import collect
from app.workspace import Settings, Workspace, open_workspace
from ingest.pairs.compare import comparisons
from ingest.pairs.filters import PairFilters
from ingest.pairs.model import ModelWriter
from ingest.pairs.records import Draft, Judged, PairKind, SourceChunk
from ingest.pairs.rules import RuleWriter
from ingest.pairs.styles import StyledWriter
from ingest.pairs.topics import Corpus
from ingest.pairs.unanswerable import UnanswerableQuestions
from ingest.records import KnowledgeBase
from serving.loading import packaged_base
from serving.packaged import PackagedModel
from serving.release_store import ReleaseStore

ROOT = Path(__file__).parents[1]
_NUMBER = re.compile(r"(?<![\w\-.])\d+(?:[.,]\d+)*(?![\w\-])")


@dataclass(frozen=True, slots=True)
class Base:
    """An ingested set of files with what pairs ask of it."""

    workspace: Workspace
    kb: KnowledgeBase
    chunks: list[SourceChunk]
    corpus: Corpus

    def filters(self) -> PairFilters:
        """All filters, with nothing asked yet."""
        verifier = self.workspace.verifier
        return PairFilters(
            RetrievedChunks(self.workspace.search, self.kb),
            CitationSupport(),
            VerifierVote(verifier) if verifier is not None else None,
        )


@contextmanager
def ingested(files: Path) -> Iterator[Base]:
    """The files in a knowledge base of their own."""
    with tempfile.TemporaryDirectory() as temporary:
        settings = Settings.load()
        home = settings.ingest.model_copy(
            update={"home": Path(temporary), "database_url": None, "vector_engine": "edge"}
        )
        with open_workspace(Settings(home, settings.serving, settings.app)) as workspace:
            kb = workspace.catalog.create_knowledge_base("pairs")
            list(workspace.pipeline.ingest(kb, collect([files]).uploads))
            workspace.index.optimize(kb.id)
            kb = workspace.catalog.knowledge_base("pairs")
            hits = workspace.index.payloads(kb.id, live=True)
            chunks = [chunk_of(hit.id, hit.payload) for hit in hits]
            chunks.sort(key=lambda chunk: (chunk.document, chunk.ordinal))
            yield Base(workspace, kb, chunks, Corpus.of(chunks))


def chunk_of(chunk_id: str, payload: dict[str, Any]) -> SourceChunk:
    """A point of the index as pairs are made of it."""
    p = payload
    path = tuple(p["heading_path"])
    return SourceChunk(
        chunk_id, p["text_hash"], p["version"], p["document"], p["title"], p["text"], path, p["language"], p["ordinal"]
    )


def written(base: Base) -> Iterator[Draft]:
    """Everything that rules make of the answerable kind."""
    writer = StyledWriter(RuleWriter(base.corpus), base.corpus)
    for chunk in base.chunks:
        yield from writer.write(chunk)
    yield from comparisons(base.chunks, base.corpus)


def without_answer(base: Base, kept: Sequence[Judged], rng: random.Random) -> Iterator[Draft]:
    """Unanswerable questions made of kept pairs: half of them tried, each once withheld and once swapped."""
    by_id = {chunk.id: chunk for chunk in base.chunks}
    questions = UnanswerableQuestions(RetrievedChunks(base.workspace.search, base.kb), base.corpus, by_id.get)
    for judged in rng.sample(kept, min(len(kept) // 2, 150)):
        for draft in (questions.withheld(judged.draft), questions.swapped(judged.draft)):
            if draft is not None:
                yield draft
    for language in ("en", "zh"):
        yield from questions.out_of_scope(language, 15)


def swapped_figure(draft: Draft, others: Sequence[Draft], rng: random.Random) -> Draft | None:
    """The pair with another figure in its answer, one of its own passage where that has one."""
    match = _NUMBER.search(draft.answer)
    if match is None:
        return None
    near = [n for n in _NUMBER.findall(draft.sources[0].text) if n != match[0] and n not in draft.evidence]
    other = rng.choice(near) if near else str(int(rng.random() * 900) + 7)
    answer = draft.answer[: match.start()] + other + draft.answer[match.end() :]
    return replace(draft, answer=answer)


def denied(draft: Draft, others: Sequence[Draft], rng: random.Random) -> Draft | None:
    """The pair with a denial in its answer."""
    for pattern, instead in ((r"\b(is|are|can|must|may|will)\b", r"\1 not"), (r"(是|可以|需|保修|支持|有)", r"不\1")):
        answer, changed = re.subn(pattern, instead, draft.answer, count=1)
        if changed:
            return replace(draft, answer=answer)
    return None


def another_passage(draft: Draft, others: Sequence[Draft], rng: random.Random) -> Draft | None:
    """The pair as if it had been made of another passage."""
    other = rng.choice(others)
    return replace(draft, sources=other.sources) if other.sources[0].id != draft.sources[0].id else None


def another_answer(draft: Draft, others: Sequence[Draft], rng: random.Random) -> Draft | None:
    """The question with answer, evidence and passage of another pair: whole in itself, and no answer."""
    other = rng.choice(others)
    if other.sources[0].id == draft.sources[0].id:
        return None
    return replace(other, question=draft.question, language=draft.language, style=draft.style, history=draft.history)


def neighbours_answer(draft: Draft, others: Sequence[Draft], rng: random.Random) -> Draft | None:
    """The question with the answer of another pair of its own passage: the hardest fault, retrieval cannot see it."""
    near = [d for d in others if d.sources[0].id == draft.sources[0].id and d.evidence != draft.evidence]
    if not near:
        return None
    other = rng.choice(near)
    return replace(other, question=draft.question, language=draft.language, style=draft.style, history=draft.history)


FAULTS: dict[str, Callable[[Draft, Sequence[Draft], random.Random], Draft | None]] = {
    "figure": swapped_figure,
    "denial": denied,
    "passage": another_passage,
    "answer": another_answer,
    "neighbour": neighbours_answer,
}


def faulty(kept: Sequence[Judged], rng: random.Random) -> list[tuple[str, Draft]]:
    """A tenth of the kept pairs for each kind of fault, with that fault."""
    drafts = [judged.draft for judged in kept if len(judged.draft.sources) == 1]
    found: list[tuple[str, Draft]] = []
    for name, spoil in FAULTS.items():
        same = defaultdict(list)
        for draft in drafts:
            same[draft.language].append(draft)
        spoilt = (spoil(d, same[d.language], rng) for d in rng.sample(drafts, len(drafts)))
        found += [(name, draft) for draft in spoilt if draft is not None][: max(1, len(drafts) // 10)]
    return found


def recall(base: Base, kept: Sequence[Judged], rng: random.Random) -> None:
    """What each filter finds by itself of each kind of fault, and all together."""
    spoilt = faulty(kept, rng)
    totals = Counter(name for name, _ in spoilt)
    print(
        "  recall of each filter by itself on injected faults ("
        + ", ".join(f"{n} {c}" for n, c in totals.items())
        + ")"
    )
    rows: dict[str, Counter[str]] = defaultdict(Counter)
    missed: Counter[str] = Counter()
    for name, draft in spoilt:
        caught = False
        for filter_name, ask in base.filters().filters():
            try:
                passed = ask(draft).passed
            except Exception:  # noqa: BLE001 - a filter that fails drops the pair
                passed = False
            caught |= not passed
            rows[filter_name][name] += not passed
        rows["all"][name] += caught
        if not caught and missed[name] < 2:
            missed[name] += 1
            print(f"    missed: {name}: {draft.question} -> {draft.answer[:120]!r}")
    for filter_name, found in rows.items():
        if found.total():
            print(f"    {filter_name:15}" + "".join(f" {name} {found[name] / totals[name]:.2f}" for name in totals))


def report(name: str, files: Path, arguments: argparse.Namespace) -> None:
    """One set of files: made, dropped, kept, recall, pairs to read."""
    rng = random.Random(arguments.seed)
    with ingested(files) as base:
        print(f"{name}: {len(base.chunks)} passages")
        started = time.perf_counter()
        drafts = list(written(base))
        writing = time.perf_counter() - started
        started = time.perf_counter()
        judge = base.filters()
        judged = [judge.judge(draft) for draft in drafts]
        filtering = time.perf_counter() - started
        kept = [j for j in judged if j.kept]
        started = time.perf_counter()
        unanswerable = [judge.judge(draft) for draft in without_answer(base, kept, rng)]
        refusing = time.perf_counter() - started
        table([*judged, *unanswerable])
        print(
            f"  seconds: writing {writing:.1f}, filters {filtering:.1f} ({1000 * filtering / max(len(drafts), 1):.0f} ms a pair), "
            f"unanswerable {refusing:.1f}"
        )
        recall(base, kept, rng)
        show([*judged, *unanswerable], arguments.show, rng)
        if arguments.model and name == "examples":
            for release in arguments.writers:
                model(base, arguments.model, release, rng)


def table(judged: Sequence[Judged]) -> None:
    """Made, kept and dropped by writer, style and language."""
    made: Counter[tuple[str, str]] = Counter()
    outcomes: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for j in judged:
        d = j.draft
        name = f"{d.writer} {d.style}" if d.kind is PairKind.UNANSWERABLE or d.style != "plain" else d.writer
        made[name, d.language] += 1
        outcomes[name, d.language][j.dropped_by or "kept"] += 1
    for key in sorted(made):
        kept = outcomes[key].pop("kept", 0)
        why = ", ".join(f"{name} {count}" for name, count in outcomes[key].most_common())
        print(f"  {key[0]:26} {key[1]} made {made[key]:4} kept {kept:4}  {why}")
    dropped = Counter(j.dropped_by for j in judged if not j.kept)
    overlaps = [float(m[1]) for j in judged if (m := re.search(r"; ([\d.]+) of", j.notes.get("round_trip", "")))]
    print(f"  all: made {len(judged)}, kept {sum(j.kept for j in judged)}, dropped {dict(dropped.most_common())}")
    print(
        f"  share of a question's words that stand in its source: {sum(overlaps) / max(len(overlaps), 1):.2f} on average"
    )
    for name in dict(dropped.most_common()):
        print(f"    {name:15} drops {dropped[name] / len(judged):.3f} of what was made")


def show(judged: Sequence[Judged], most: int, rng: random.Random) -> None:
    """Kept pairs to read, and some that were dropped."""
    for language in ("en", "zh"):
        for kind in PairKind:
            found = [j for j in judged if j.kept and j.draft.language == language and j.draft.kind is kind]
            share = most if kind is PairKind.ANSWERABLE else most // 3
            for i, j in enumerate(rng.sample(found, min(share, len(found))), start=1):
                d = j.draft
                said = "".join(f"\n      {turn.role}: {turn.text}" for turn in d.history)
                print(
                    f"{language} {kind} {i} [{d.writer} {d.style}] {d.sources[0].document if d.sources else ''}{said}"
                )
                print(f"      {d.question}\n      -> {' / '.join(d.answer.splitlines())[:400]} | {d.short}")
    dropped = [j for j in judged if not j.kept]
    for j in rng.sample(dropped, min(most, len(dropped))):
        print(
            f"dropped by {j.dropped_by} ({j.reason}) [{j.draft.writer}] {j.draft.question} -> {j.draft.answer[:120]!r}"
        )


def model(base: Base, most: int, release: str, rng: random.Random) -> None:
    """A model's questions beside the rules', over the same English passages; a release by name, or ``base``."""
    settings = Settings.load()
    store = ReleaseStore(settings.ingest.releases_folder, packaged_base)
    packaged = PackagedModel(settings.ingest.models_folder, "auto", None if release == "base" else store.get(release))
    writer = ModelWriter(ChatQuestions(release, packaged_complete(packaged)), base.corpus, most=3)
    rules = RuleWriter(base.corpus)
    passages = [c for c in base.chunks if c.language == "en" and list(rules.write(c))]
    passages = rng.sample(passages, min(most, len(passages)))
    for name, write in (("rules", rules.write), (f"model {release}", writer.write)):
        started = time.perf_counter()
        made = [draft for chunk in passages for draft in write(chunk)]
        seconds = time.perf_counter() - started
        judge = base.filters()
        judged = [judge.judge(draft) for draft in made]
        dropped = Counter(j.dropped_by for j in judged if not j.kept)
        print(
            f"{name}: {len(passages)} passages, {len(made)} pairs, {sum(j.kept for j in judged)} kept, {seconds:.0f} s to write, "
            f"dropped {dict(dropped.most_common())}"
        )
        for j in judged if name != "rules" else ():
            print(f"  {'kept   ' if j.kept else j.dropped_by:15} {j.draft.question}\n      -> {j.draft.answer[:200]}")


def main() -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", nargs="?", type=Path)
    parser.add_argument("--show", type=int, default=0, help="kept pairs of each language to print")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", type=int, default=0, help="passages to give to a model")
    parser.add_argument("--writers", nargs="+", default=["base"], help="releases that write: base, or names")
    arguments = parser.parse_args()
    report("examples", ROOT / "examples" / "files", arguments)
    if arguments.data is not None:
        files = arguments.data / "dify_docs_en_zh"
        if files.is_dir():
            report("dify_docs_en_zh", files, arguments)
        else:
            print(f"skipped: no folder {files}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
