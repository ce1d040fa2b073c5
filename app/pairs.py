"""Pairs of a knowledge base as both the API and the commands handle them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from app.errors import UsageError
from ingest.catalog import Catalog
from ingest.index.base import VectorIndex
from ingest.pairs.bases import Bases, LastSplit
from ingest.pairs.bringing import Importer
from ingest.pairs.evalset import write_evalset
from ingest.pairs.formats import Format, passage_text, ref_json, written
from ingest.pairs.fresh import Freshness
from ingest.pairs.live import LivePassages
from ingest.pairs.make import BaseWriter, Derive, PairMaker
from ingest.pairs.reading import read_file
from ingest.pairs.records import Pair, PairJudge, PairWriter, PassageFinder, ReviewState, Side, SourceChunk
from ingest.pairs.runs import Run, Runs, counts_json
from ingest.pairs.split import SHARE, Splitter
from ingest.pairs.store import EVERY, REVIEWED, PairPage, Pairs, Wanted, asked_for
from ingest.records import KnowledgeBase
from ingest.stages import Progress
from serving.prompts import NOT_FOUND

if TYPE_CHECKING:
    from app.workspace import Workspace

# Leaks that a report names; all are counted.
_NAMED_LEAKS = 20
# Pairs that may be exported and trained on.
USABLE = Wanted(kept=True, stale=False)


@dataclass(frozen=True, slots=True)
class WriterParts:
    """Who writes, as ``PairMaker`` asks them; ``close`` is called when they are asked no more."""

    writers: Sequence[PairWriter]
    derive: Derive = lambda _: ()
    whole: Sequence[BaseWriter] = ()
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True, slots=True)
class PairParts:
    """What makes and filters pairs of one knowledge base; made anew for each run, for the filters remember what they kept.

    written_by: the writers, and whether a model is among them; reads all passages once.
    """

    judge: PairJudge
    finder: PassageFinder
    written_by: Callable[[bool], WriterParts]


def pairs_of(workspace: Workspace) -> KnowledgePairs:
    """Pairs over an open data folder; writers and filters are made when they are needed (app/pair_wiring.py)."""

    def parts(kb: KnowledgeBase) -> PairParts:
        # Retrieval and models take seconds to load, which a list or a review need not wait for.
        from app.pair_wiring import parts_of

        return parts_of(workspace, kb)

    return KnowledgePairs(workspace.catalog, workspace.index, parts)


class KnowledgePairs:
    """All that is done with pairs; methods block, those that take a ``report`` for long."""

    def __init__(
        self,
        catalog: Catalog,
        index: VectorIndex,
        parts: Callable[[KnowledgeBase], PairParts],
        refusal: str = NOT_FOUND,
    ) -> None:
        self._catalog = catalog
        self._index = index
        self._parts = parts
        self._refusal = refusal
        self._rows = Pairs(catalog.engine)
        self._runs = Runs(catalog.engine)
        self._bases = Bases(catalog.engine)
        self._live = LivePassages(catalog, index)
        self._fresh = Freshness(catalog, index)

    def page(self, kb: KnowledgeBase, wanted: Wanted = EVERY, limit: int = 50, offset: int = 0) -> PairPage:
        """Some of the pairs that are asked for, oldest first."""
        self._fresh.refresh(kb)
        return self._rows.page(kb.id, wanted, limit, offset)

    def show(self, kb: KnowledgeBase, pair_id: str) -> tuple[Pair, list[SourceChunk]]:
        """A pair and the live passages that it was made of; those whose text is gone are missing.

        Raises:
            NotFound: there is none of that id.
        """
        self._fresh.refresh(kb)
        pair = self._rows.get(kb.id, pair_id)
        found = self._live.find(kb, pair.sources)
        return pair, [found[ref.text_hash] for ref in pair.sources if ref.text_hash in found]

    def summary(self, kb: KnowledgeBase) -> dict[str, Any]:
        """How many there are, by what is said of them; the last runs; the last split."""
        self._fresh.refresh(kb)
        counts = self._rows.counts(kb.id)
        last = self._bases.last_split(kb.id)
        return {
            "total": counts.total,
            "stale": counts.stale,
            "usable": self._rows.page(kb.id, USABLE, limit=1).total,
            "review": dict(counts.review),
            "writers": dict(counts.writers),
            "kinds": dict(counts.kinds),
            "styles": dict(counts.styles),
            "languages": dict(counts.languages),
            "sides": {side or "none": count for side, count in counts.sides.items()},
            "runs": [run_json(run) for run in self._runs.all(kb.id)],
            "split": split_json(last) if last is not None else None,
        }

    def review(
        self, kb: KnowledgeBase, pair_id: str, state: ReviewState, reviewer: str = "", **wording: str | None
    ) -> Pair:
        """Say what a person thinks of a pair; see ``Pairs.review``."""
        return self._rows.review(kb.id, pair_id, state, reviewer, **wording)

    def make(
        self,
        kb: KnowledgeBase,
        report: Progress,
        cancelled: Callable[[], bool] = lambda: False,
        limit: int | None = None,
        *,
        model: bool = False,
    ) -> Run:
        """Ask writers and filters about every text that they were not asked about; see ``PairMaker.make``.

        model: ask the model that answers customers, too.
        """
        report(kb.name, "reading", 0, 1)
        parts = self._parts(kb)
        by = parts.written_by(model)
        try:
            maker = PairMaker(self._catalog, self._index, by.writers, parts.judge, by.derive, by.whole)
            return maker.make(kb, report, cancelled, limit)
        finally:
            by.close()

    def export(
        self, kb: KnowledgeBase, shape: Format, wanted: Wanted = USABLE, *, with_passages: bool = False
    ) -> Iterator[dict[str, Any]]:
        """Pairs in a format, one by one.

        Raises:
            UsageError: those of one side are asked for, and no split was made.
        """
        self._fresh.refresh(kb)
        if wanted.side is not None:
            self._check_split(kb)
        return self._written(kb, shape, wanted, with_passages)

    def _written(
        self, kb: KnowledgeBase, shape: Format, wanted: Wanted, with_passages: bool
    ) -> Iterator[dict[str, Any]]:
        for batch in self._rows.batches(kb.id, wanted):
            found = self._live.find(kb, [ref for pair in batch for ref in pair.sources]) if with_passages else {}
            for pair in batch:
                texts = [passage_text(found[ref.text_hash]) for ref in pair.sources if ref.text_hash in found]
                yield written(pair, shape, self._refusal, texts if with_passages else None)

    def bring_in(
        self,
        kb: KnowledgeBase,
        data: bytes,
        name: str,
        report: Progress,
        cancelled: Callable[[], bool] = lambda: False,
        shape: Format | None = None,
    ) -> dict[str, Any]:
        """Bring in a file; what came of it as JSON.

        name: of the file; without its ending it is the writer's.

        Raises:
            UnusableValue: the file cannot be read.
        """
        self._fresh.refresh(kb)
        rows = read_file(data, name, shape)
        parts = self._parts(kb)
        importer = Importer(self._catalog, self._index, parts.judge, parts.finder, self._refusal)
        for batch in self._rows.batches(kb.id, Wanted(stale=False)):
            for pair in batch:
                parts.judge.remember(asked_for(pair))
        return importer.bring_in(kb, rows, Path(name).stem[:100] or "file", report, cancelled).as_json()

    def split(
        self,
        kb: KnowledgeBase,
        report: Progress,
        seed: int | None = None,
        share: float | None = None,
        *,
        anew: bool = False,
    ) -> dict[str, Any]:
        """Put every pair that nobody rejected on a side; the sides as JSON, checked.

        seed, share: those of the last split when not given. Others, and ``anew``, split from scratch.

        Raises:
            UsageError: there are no pairs.
        """
        self._fresh.refresh(kb)
        last = self._bases.last_split(kb.id) or LastSplit(0, SHARE, datetime.now(UTC))
        seed, share = last.seed if seed is None else seed, last.share if share is None else share
        anew = anew or (seed, share) != (last.seed, last.share)
        splitter = self._splitter(kb, Wanted(kept=True), report)
        made = splitter.split(seed, share, anew=anew)
        if not made.sides:
            raise UsageError("there are no pairs to split: `frontdesk pairs make` makes them")
        report(kb.name, "writing", 0, 1)
        self._rows.put_on_sides(kb.id, made.sides)
        self._bases.remember_split(kb.id, seed, share)
        counts = {side: self._rows.page(kb.id, replace(USABLE, side=side), limit=1).total for side in Side}
        return {
            "kb": kb.name,
            "seed": seed,
            "share": share,
            "pairs": {side.value: count for side, count in counts.items()},
            "clusters": dict(made.clusters),
            "sections": dict(made.sections),
            "joined": made.joined,
            "moved": made.moved,
            **self.check(kb, report),
        }

    def check(self, kb: KnowledgeBase, report: Progress) -> dict[str, Any]:
        """Look for whatever stands on both sides, all of it, from what the database says now."""
        found: list[dict[str, Any]] = []
        count = 0
        splitter = self._splitter(kb, Wanted(kept=True), report, on_a_side=True)
        for leak in splitter.leaks():
            count += 1
            if len(found) < _NAMED_LEAKS:
                found.append({"what": leak.what, "train": leak.pairs[0], "test": leak.pairs[1]})
        return {"leaks": count, "leaking": found}

    def evalset(self, kb: KnowledgeBase, folder: Path, *, reviewed: bool = False) -> dict[str, Any]:
        """Write the test side as a dataset that `frontdesk eval` takes.

        Raises:
            UsageError: no split was made, or the folder cannot be written.
        """
        self._fresh.refresh(kb)
        self._check_split(kb)
        wanted = replace(USABLE, side=Side.TEST, review=REVIEWED if reviewed else ())
        pairs = (pair for batch in self._rows.batches(kb.id, wanted) for pair in batch)
        try:
            made = write_evalset(folder, self._live.walk(kb), pairs)
        except OSError as exc:
            raise UsageError(f"{folder} cannot be written: {exc.strerror}") from exc
        counts = {name: getattr(made, name) for name in ("documents", "questions", "impossible", "left_out")}
        return {"kb": kb.name, **counts}

    def _splitter(self, kb: KnowledgeBase, wanted: Wanted, report: Progress, *, on_a_side: bool = False) -> Splitter:
        splitter = Splitter()
        done, total = 0, self._rows.page(kb.id, wanted, limit=1).total
        for batch in self._rows.batches(kb.id, wanted):
            for pair in batch:
                if pair.side is not None or not on_a_side:
                    splitter.add(pair)
            done += len(batch)
            report(kb.name, "comparing", done, total)
        for chunk in self._live.walk(kb, shown=False):
            splitter.add_text(chunk.text_hash, chunk.text)
        return splitter

    def _check_split(self, kb: KnowledgeBase) -> None:
        if self._bases.last_split(kb.id) is None:
            raise UsageError("no split was made: `frontdesk pairs split` puts the pairs on two sides")


def pair_json(pair: Pair) -> dict[str, Any]:
    """A pair as JSON."""
    return {
        "id": pair.id,
        "question": pair.question,
        "answer": pair.answer,
        "short": pair.short,
        "evidence": pair.evidence,
        "kind": pair.kind.value,
        "style": pair.style.value,
        "language": pair.language,
        "history": [{"role": turn.role, "text": turn.text} for turn in pair.history],
        "writer": pair.writer,
        "filters": dict(pair.filters),
        "review": pair.review.value,
        "reviewer": pair.reviewer,
        "reviewed_at": _iso(pair.reviewed_at),
        "stale": pair.stale,
        "side": pair.side.value if pair.side else None,
        "sources": [ref_json(ref) for ref in pair.sources],
        "created_at": _iso(pair.created_at),
    }


def chunk_json(chunk: SourceChunk) -> dict[str, Any]:
    """A passage beside a pair, as JSON."""
    return {
        "id": chunk.id,
        "text_hash": chunk.text_hash,
        "version": chunk.version,
        "document": chunk.document,
        "title": chunk.title,
        "heading_path": list(chunk.heading_path),
        "text": chunk.text,
    }


def run_json(run: Run) -> dict[str, Any]:
    """A run as JSON."""
    return {
        "id": run.id,
        "state": run.state.value,
        "asked": run.asked,
        "skipped": run.skipped,
        "kept": run.kept,
        "writers": counts_json(run.writers),
        "problem": run.problem,
        "started_at": _iso(run.started_at),
        "ended_at": _iso(run.ended_at),
    }


def split_json(last: LastSplit) -> Mapping[str, Any]:
    """When and how pairs were split last, as JSON."""
    return {"seed": last.seed, "share": last.share, "at": _iso(last.at)}


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment is not None else None
