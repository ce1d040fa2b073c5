"""Which texts were asked about, and what came of each run."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from ingest.knowledge_bases import Transactions
from ingest.pairs.bases import base_read_at
from ingest.pairs.records import Judged, Pair, PairWriter, SourceChunk
from ingest.pairs.store import in_parts, quietly, write_pairs
from ingest.pairs.tables import PairChunkRow, PairRunRow
from ingest.records import in_utc


class RunState(StrEnum):
    """How a run ended; one that was killed is still called running until the next one begins."""

    RUNNING = "running"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


@dataclass(slots=True)
class WriterCounts:
    """What became of what a writer wrote; ``dropped`` by the filter that did not let it pass."""

    written: int = 0
    kept: int = 0
    dropped: dict[str, int] = field(default_factory=dict)

    def saw(self, judged: Judged) -> None:
        """Count one draft."""
        self.written += 1
        if judged.kept:
            self.kept += 1
        else:
            self.dropped[judged.dropped_by] = self.dropped.get(judged.dropped_by, 0) + 1


@dataclass(slots=True)
class Run:
    """A run of the writers.

    asked:   passages that were asked about; skipped: those that were done before.
    writers: what became of what each wrote, by ``Draft.writer``.
    """

    id: str
    state: RunState = RunState.RUNNING
    asked: int = 0
    skipped: int = 0
    writers: dict[str, WriterCounts] = field(default_factory=dict)
    problem: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None

    @property
    def kept(self) -> int:
        """Pairs that all filters let pass."""
        return sum(counts.kept for counts in self.writers.values())


@dataclass(frozen=True, slots=True)
class Asked:
    """A passage that a writer was asked about, and the pairs of it that are kept."""

    made_of: str
    writer: str
    pairs: tuple[Pair, ...]


def writer_mark(writer: PairWriter) -> str:
    """Name and version of a writer: a text is asked about again by another version.

    A writer says its version in an attribute ``version``; one without has a single one.
    """
    version = str(getattr(writer, "version", "") or "")
    return f"{writer.name}@{version}"[:200] if version else writer.name[:200]


def made_of(chunk: SourceChunk) -> str:
    """Hash of all that a writer reads of a passage; 32 hex digits. The same text below another title is another one."""
    return hashlib.sha256(f"{chunk.title}\0{chunk.text_hash}".encode()).hexdigest()[:32]


class Runs(Transactions):
    """Runs and asked texts over an open database; every method is one transaction."""

    def begin(self, knowledge_base_id: str) -> Run:
        """A new run; what an earlier process left running has ended."""
        run = Run(uuid.uuid4().hex, started_at=datetime.now(UTC))
        with self._session() as session:
            left = update(PairRunRow).where(
                PairRunRow.knowledge_base_id == knowledge_base_id, PairRunRow.state == RunState.RUNNING
            )
            problem = "it was cut off; the next run goes on where it stood"
            session.execute(quietly(left.values(state=RunState.STOPPED, problem=problem)))
            session.add(
                PairRunRow(
                    id=run.id,
                    knowledge_base_id=knowledge_base_id,
                    state=run.state,
                    asked=0,
                    skipped=0,
                    counts="{}",
                    problem="",
                    started_at=run.started_at,
                )
            )
        return run

    def done_among(self, knowledge_base_id: str, hashes: Iterable[str]) -> set[tuple[str, str]]:
        """Those of some texts (``made_of``) that were asked about, each with the writer's mark."""
        found: set[tuple[str, str]] = set()
        with self._session() as session:
            for some in in_parts(sorted(set(hashes))):
                query = select(PairChunkRow.made_of, PairChunkRow.writer).where(
                    PairChunkRow.knowledge_base_id == knowledge_base_id, PairChunkRow.made_of.in_(some)
                )
                found.update((text, writer) for text, writer in session.execute(query))
        return found

    def keep(self, knowledge_base_id: str, asked: Sequence[Asked], run: Run, corpus_version: int) -> None:
        """Remember what was asked about, its pairs and the counts, all in one transaction.

        What another process asked about meanwhile is not kept twice.

        corpus_version: the knowledge base's before the texts were read.

        Raises:
            NotFound: the knowledge base is gone.
        """
        with self._session() as session:
            base_read_at(session, knowledge_base_id, corpus_version)
            insert = postgresql_insert if session.get_bind().dialect.name == "postgresql" else sqlite_insert
            kept: set[tuple[str, str]] = set()
            for some in in_parts(asked):
                marks = [
                    {"knowledge_base_id": knowledge_base_id, "made_of": each.made_of, "writer": each.writer}
                    for each in some
                ]
                new = insert(PairChunkRow).values(marks).on_conflict_do_nothing()
                rows = session.execute(new.returning(PairChunkRow.made_of, PairChunkRow.writer))
                kept.update((text, writer) for text, writer in rows)
            pairs = [pair for each in asked if (each.made_of, each.writer) in kept for pair in each.pairs]
            write_pairs(session, pairs)
            values = {"asked": run.asked, "skipped": run.skipped, "counts": json.dumps(counts_json(run.writers))}
            session.execute(quietly(update(PairRunRow).where(PairRunRow.id == run.id).values(values)))

    def end(self, run: Run, state: RunState, problem: str = "") -> None:
        """Say how a run ended."""
        run.state, run.problem, run.ended_at = state, problem, datetime.now(UTC)
        values = {"state": state, "problem": problem, "ended_at": run.ended_at, "skipped": run.skipped}
        with self._session() as session:
            session.execute(quietly(update(PairRunRow).where(PairRunRow.id == run.id).values(values)))

    def finished(self, knowledge_base_id: str) -> bool:
        """Whether the last run but the one that is running came to its end."""
        ended = PairRunRow.state != RunState.RUNNING
        query = select(PairRunRow.state).where(PairRunRow.knowledge_base_id == knowledge_base_id, ended)
        with self._session() as session:
            return session.scalar(query.order_by(PairRunRow.started_at.desc()).limit(1)) == RunState.DONE

    def all(self, knowledge_base_id: str, limit: int = 20) -> list[Run]:
        """The last runs, the latest first."""
        query = select(PairRunRow).where(PairRunRow.knowledge_base_id == knowledge_base_id)
        with self._session() as session:
            rows = session.scalars(query.order_by(PairRunRow.started_at.desc(), PairRunRow.id).limit(limit))
            return [_run_of(row) for row in rows]


def counts_json(writers: Mapping[str, WriterCounts]) -> dict[str, Any]:
    """What became of what each writer wrote, as JSON."""
    return {
        name: {"written": counts.written, "kept": counts.kept, "dropped": dict(sorted(counts.dropped.items()))}
        for name, counts in sorted(writers.items())
    }


def _run_of(row: PairRunRow) -> Run:
    writers = {
        name: WriterCounts(counts["written"], counts["kept"], dict(counts["dropped"]))
        for name, counts in json.loads(row.counts).items()
    }
    times = (in_utc(row.started_at), in_utc(row.ended_at))
    return Run(row.id, RunState(row.state), row.asked, row.skipped, writers, row.problem, *times)
