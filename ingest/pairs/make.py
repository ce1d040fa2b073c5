"""Pairs are made: the passages of a knowledge base, document by document; writers, then filters, then the database.

A text that a writer was asked about is not asked about again, so a run that was cut off goes on where it stood, and a
second run asks about changed texts only. At most ``KEEP_EVERY`` passages' work is lost with a process that is killed.
"""

from __future__ import annotations

import hashlib
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol

from ingest.catalog import Catalog
from ingest.errors import Cancelled, FrontdeskError
from ingest.index.base import VectorIndex
from ingest.pairs.fresh import Freshness
from ingest.pairs.live import LivePassages
from ingest.pairs.records import Draft, Pair, PairJudge, PairKind, PairWriter, SourceChunk
from ingest.pairs.runs import Asked, Run, Runs, RunState, WriterCounts, made_of, writer_mark
from ingest.pairs.store import Pairs, Wanted, asked_for, pair_of, question_key
from ingest.records import KnowledgeBase
from ingest.stages import Progress

# Passages, and seconds, after which what was done is written down.
KEEP_EVERY = 256
KEEP_AFTER_S = 2.0


# What a kept pair is made into besides, such as the same question without its passage.
Derive = Callable[[Draft], Iterable[Draft]]


class BaseWriter(Protocol):
    """Makes pairs of a whole knowledge base: of two passages each, or of none."""

    @property
    def name(self) -> str:
        """Who wrote."""
        ...

    def write_all(self, chunks: Iterable[SourceChunk]) -> Iterable[Draft]:
        """Pairs of all passages, the same ones as long as those stay; it may hold few of them."""
        ...


class PairMaker:
    """Asks writers and filters about every live passage; blocks for long.

    derive: asked about every answerable pair that is kept.
    whole:  asked once a run, after all passages, if anything new was found in them.
    """

    def __init__(
        self,
        catalog: Catalog,
        index: VectorIndex,
        writers: Sequence[PairWriter],
        judge: PairJudge,
        derive: Derive = lambda _: (),
        whole: Sequence[BaseWriter] = (),
    ) -> None:
        self._derive = derive
        self._whole = whole
        self._catalog = catalog
        self._live = LivePassages(catalog, index)
        self._fresh = Freshness(catalog, index)
        self._pairs = Pairs(catalog.engine)
        self._runs = Runs(catalog.engine)
        self._writers = writers
        self._judge = judge

    def make(
        self,
        kb: KnowledgeBase,
        report: Progress,
        cancelled: Callable[[], bool] = lambda: False,
        limit: int | None = None,
    ) -> Run:
        """Ask about what was not asked about yet; what is done is kept, whatever ends it.

        limit: passages to ask about at most.

        Raises:
            NotFound: the knowledge base is gone.
            IndexUnavailable, EngineError: a part does not answer; what was done is kept.
        """
        run = self._runs.begin(kb.id)
        try:
            self._remember(kb, report)
            self._make(kb, run, report, cancelled, limit)
        except Cancelled:
            self._runs.end(run, RunState.STOPPED, "it was stopped; the next run goes on where it stood")
        except KeyboardInterrupt:
            self._runs.end(run, RunState.STOPPED, "it was stopped; the next run goes on where it stood")
            raise
        except Exception as exc:
            said = str(exc) if isinstance(exc, FrontdeskError) else f"{type(exc).__name__}: {exc}"
            self._runs.end(run, RunState.FAILED, said[:2000])
            raise
        else:
            self._runs.end(run, RunState.DONE)
        return run

    def _remember(self, kb: KnowledgeBase, report: Progress) -> None:
        """Tell the filters what is there already; not what is stale, for a changed text shall be asked about anew."""
        self._fresh.refresh(kb)
        total = self._pairs.page(kb.id, Wanted(stale=False), limit=1).total
        done = 0
        for batch in self._pairs.batches(kb.id, Wanted(stale=False)):
            for pair in batch:
                self._judge.remember(asked_for(pair))
            done += len(batch)
            report(kb.name, "remembering", done, total)

    def _make(
        self, kb: KnowledgeBase, run: Run, report: Progress, cancelled: Callable[[], bool], limit: int | None
    ) -> None:
        done, total = 0, self._live.count(kb)
        keeping = _Keeping(self._runs, kb, run)
        try:
            for writing in self._live.documents(kb):
                keeping.about_to_read(self._catalog.knowledge_base_by_id(kb.id).corpus_version)
                chunks = self._live.chunks(kb, writing)
                known = self._runs.done_among(kb.id, map(made_of, chunks))
                for chunk in chunks:
                    if cancelled() or (limit is not None and run.asked >= limit):
                        raise Cancelled("no more is asked about")
                    self._ask(kb, chunk, known, run, keeping)
                    done += 1
                    report(writing.document, "asking", done, max(total, done))
            for writer in self._whole if run.asked or not self._runs.finished(kb.id) else ():
                report(writer.name, "comparing", 0, 1)
                keeping.about_to_read(self._catalog.knowledge_base_by_id(kb.id).corpus_version)
                self._ask_whole(kb, writer, run, keeping, cancelled)
        finally:
            keeping.write()

    def _ask(
        self, kb: KnowledgeBase, chunk: SourceChunk, known: set[tuple[str, str]], run: Run, keeping: _Keeping
    ) -> None:
        name = made_of(chunk)
        to_ask = [writer for writer in self._writers if (name, writer_mark(writer)) not in known]
        if not to_ask:
            run.skipped += 1
            return
        for writer in to_ask:
            pairs, counts = self._judged(kb, writer.write(chunk))
            known.add((name, writer_mark(writer)))
            keeping.add(Asked(name, writer_mark(writer), pairs), counts)
        run.asked += 1
        keeping.write_if_due()

    def _ask_whole(
        self, kb: KnowledgeBase, writer: BaseWriter, run: Run, keeping: _Keeping, cancelled: Callable[[], bool]
    ) -> None:
        """Each draft is asked about once, by its question and what it is made of."""
        for drafts in _windows(writer.write_all(self._live.walk(kb)), KEEP_EVERY):
            names = [_name_of(draft) for draft in drafts]
            known = self._runs.done_among(kb.id, names)
            for name, draft in zip(names, drafts, strict=True):
                if cancelled():
                    raise Cancelled("no more is asked about")
                if (name, writer.name) not in known:
                    known.add((name, writer.name))
                    pairs, counts = self._judged(kb, [draft])
                    keeping.add(Asked(name, writer.name, pairs), counts)
            keeping.write_if_due()

    def _judged(self, kb: KnowledgeBase, drafts: Iterable[Draft]) -> tuple[tuple[Pair, ...], dict[str, WriterCounts]]:
        """What is kept of some drafts and of what is derived from them, and the counts by ``Draft.writer``."""
        pairs: list[Pair] = []
        counts: dict[str, WriterCounts] = {}
        left = deque(drafts)
        while left:
            judged = self._judge.judge(left.popleft())
            counts.setdefault(judged.draft.writer, WriterCounts()).saw(judged)
            if not judged.kept:
                continue
            pairs.append(pair_of(judged.draft, kb.id, judged.notes))
            if judged.draft.kind is PairKind.ANSWERABLE:
                left.extend(each for each in self._derive(judged.draft) if each.kind is PairKind.UNANSWERABLE)
        return tuple(pairs), counts


def _name_of(draft: Draft) -> str:
    parts = (question_key(draft.question, draft.history), *(made_of(chunk) for chunk in draft.sources))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _windows(drafts: Iterable[Draft], size: int) -> Iterator[list[Draft]]:
    left = iter(drafts)
    while some := list(islice(left, size)):
        yield some


class _Keeping:
    """What was done and is not written down yet; counts are those of what is, or is about to be."""

    def __init__(self, runs: Runs, kb: KnowledgeBase, run: Run) -> None:
        self._runs, self._kb, self._run = runs, kb, run
        self._asked: list[Asked] = []
        self._read_at = kb.corpus_version
        self._since = time.monotonic()

    def about_to_read(self, corpus_version: int) -> None:
        # The oldest of what is not written down counts: texts are held against the live ones once more then.
        if not self._asked:
            self._read_at = corpus_version

    def add(self, asked: Asked, counts: dict[str, WriterCounts]) -> None:
        self._asked.append(asked)
        for name, of_one in counts.items():
            total = self._run.writers.setdefault(name, WriterCounts())
            total.written += of_one.written
            total.kept += of_one.kept
            for reason, count in of_one.dropped.items():
                total.dropped[reason] = total.dropped.get(reason, 0) + count

    def write_if_due(self) -> None:
        if len(self._asked) >= KEEP_EVERY or time.monotonic() - self._since >= KEEP_AFTER_S:
            self.write()

    def write(self) -> None:
        if self._asked:
            self._runs.keep(self._kb.id, self._asked, self._run, self._read_at)
            self._asked = []
        self._since = time.monotonic()
