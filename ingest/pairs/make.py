"""Pairs are made: the passages of a knowledge base, document by document; writers, then filters, then the database.

A text that a writer was asked about is not asked about again, so a run that was cut off goes on where it stood, and a
second run asks about changed texts only. At most ``KEEP_EVERY`` passages' work is lost with a process that is killed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from ingest.catalog import Catalog
from ingest.errors import Cancelled, FrontdeskError
from ingest.index.base import VectorIndex
from ingest.pairs.fresh import Freshness
from ingest.pairs.live import LivePassages
from ingest.pairs.records import PairJudge, PairWriter, SourceChunk
from ingest.pairs.runs import Asked, Run, Runs, RunState, WriterCounts, made_of, writer_mark
from ingest.pairs.store import Pairs, Wanted, pair_of
from ingest.records import KnowledgeBase
from ingest.stages import Progress

# Passages, and seconds, after which what was done is written down.
KEEP_EVERY = 256
KEEP_AFTER_S = 2.0


class PairMaker:
    """Asks writers and filters about every live passage; blocks for long."""

    def __init__(self, catalog: Catalog, index: VectorIndex, writers: Sequence[PairWriter], judge: PairJudge) -> None:
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
                self._judge.remember(pair.question)
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
            pairs, counts = [], dict[str, WriterCounts]()
            for draft in writer.write(chunk):
                judged = self._judge.judge(draft)
                counts.setdefault(draft.writer, WriterCounts()).saw(judged)
                if judged.kept:
                    pairs.append(pair_of(judged.draft, kb.id, judged.notes))
            known.add((name, writer_mark(writer)))
            keeping.add(Asked(name, writer_mark(writer), tuple(pairs)), counts)
        run.asked += 1
        keeping.write_if_due()


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
