"""Passages that stand in the knowledge base already, or nearly: found by the bands of their MinHash signatures.

    near = NearDuplicates(engine)
    part = flag_across(near, kb.id, part)      # before a window of chunks is written to the index

The bands are in the database (table passage_bands), so a knowledge base of any size costs no memory and several
processes see each other's passages. A passage has ten rows of bands and two of facts, some 3.5 KB with their indexes.
Compared is with what is live and with what is being ingested; rows of replaced versions are left out, and deleted when
their document is written again or is gone.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from sqlalchemy import ColumnElement, Engine, delete, func, insert, or_, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from ingest.cleaning.flags import in_words
from ingest.cleaning.signatures import Signature, signature
from ingest.database import DocumentRow, PassageBandRow, VersionRow
from ingest.records import UNFINISHED, Version
from ingest.schema import Chunk

# From here on two passages are called near-duplicates; see benchmarks/cleaning.py for what that finds and misses.
THRESHOLD = 0.85
NEAR_DUPLICATE, CONFLICT = "near_duplicate", "conflict"
# Passages that share one band: of a sentence that is in every document, a few are enough to say so.
_PER_BAND = 8
# Others named on one passage.
_MOST_NAMED = 2
# Pairs asked for at once; SQLite takes 32,766 values a statement.
_AT_ONCE = 500
_Place = tuple[str, int]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Match:
    """A passage that reads like the one in question.

    document_id, document: where it is; ordinal: which passage of it.
    similarity: estimated Jaccard similarity of the words, numbers and codes left out.
    conflict:   it speaks of the same subject and differs in a number, a code or a negation.
    """

    document_id: str
    document: str
    ordinal: int
    similarity: float
    conflict: bool

    @property
    def flag(self) -> str:
        """The flag for it: "near_duplicate:returns.md#4" or "conflict:returns.md#4"."""
        return f"{CONFLICT if self.conflict else NEAR_DUPLICATE}:{self.document}#{self.ordinal}"


class NearDuplicates:
    """Near-duplicates over an open database; every method is one transaction and safe to run twice."""

    def __init__(self, engine: Engine, threshold: float = THRESHOLD) -> None:
        self._engine = engine
        self._threshold = threshold

    def record(self, knowledge_base_id: str, version: Version, signatures: Mapping[int, Signature | None]) -> None:
        """Store signatures of passages by their ordinals; those of the same passages before are replaced.

        With the first passage, what is left of versions that are neither live nor going to be is deleted.
        """
        rows = [
            {"band": band, "ordinal": ordinal}
            for ordinal, found in signatures.items()
            if found is not None
            for band in found.rows()
        ]
        row = PassageBandRow
        with Session(self._engine) as session, session.begin():
            if 0 in signatures:
                self._drop_unneeded(session, version)
            for ordinals in _parts(list(signatures)):
                session.execute(delete(row).where(row.version_id == version.id, row.ordinal.in_(ordinals)))
            common = {
                "knowledge_base_id": knowledge_base_id,
                "document_id": version.document_id,
                "version_id": version.id,
            }
            if rows:
                # A document that was deleted meanwhile has nothing to compare; its points are refused later.
                with suppress(IntegrityError), session.begin_nested():
                    session.connection().execute(insert(row), [common | values for values in rows])

    @staticmethod
    def _drop_unneeded(session: Session, version: Version) -> None:
        needed = (
            select(VersionRow.id)
            .join(DocumentRow, DocumentRow.id == VersionRow.document_id)
            .where(VersionRow.document_id == version.document_id, _is_of_use())
        )
        row = PassageBandRow
        of_others = (row.document_id == version.document_id) & (row.version_id != version.id)
        session.execute(delete(row).where(of_others, row.version_id.not_in(needed)))

    def find(
        self, knowledge_base_id: str, version: Version, signatures: Mapping[int, Signature | None]
    ) -> dict[int, list[Match]]:
        """For each passage, by its ordinal, those it repeats: earlier ones of its document, any of others; best first."""
        places: dict[str, list[int]] = defaultdict(list)
        for ordinal, own in signatures.items():
            for band in own.bands() if own is not None else ():
                places[band].append(ordinal)
        with Session(self._engine) as session:
            candidates = self._candidates(session, knowledge_base_id, version, places)
            stored = self._stored(session, {place for found in candidates.values() for place in found})
            names = self._names(session, {document_id for document_id, _ in stored.values()})
        matches: dict[int, list[Match]] = {}
        for ordinal, found in candidates.items():
            own = signatures[ordinal]
            for place in found:
                if own is None or place not in stored:
                    continue
                document_id, other = stored[place]
                similarity = own.similarity(other)
                if similarity < self._threshold or not own.facts.same_subject(other.facts):
                    continue
                match = Match(
                    document_id, names[document_id], place[1], similarity, own.facts.contradict(other.facts, similarity)
                )
                matches.setdefault(ordinal, []).append(match)
        for ordinal in matches:
            matches[ordinal].sort(key=lambda m: (not m.conflict, -m.similarity, m.document, m.ordinal))
        return matches

    def warnings(self, knowledge_base_id: str, version: Version) -> tuple[str, ...]:
        """In words, how many passages on record for a version repeat or contradict others; a line a kind."""
        counts: Counter[str] = Counter()
        for signatures in self._recorded(version):
            for matches in self.find(knowledge_base_id, version, signatures).values():
                counts[CONFLICT if matches[0].conflict else NEAR_DUPLICATE] += 1
        return in_words(counts)

    def forget(self, version_id: str) -> None:
        """Forget the passages of a version."""
        with Session(self._engine) as session, session.begin():
            session.execute(delete(PassageBandRow).where(PassageBandRow.version_id == version_id))

    def _candidates(
        self, session: Session, knowledge_base_id: str, version: Version, places: Mapping[str, Collection[int]]
    ) -> dict[int, set[_Place]]:
        """By own ordinal the (version, ordinal) that share a band with it."""
        found: dict[int, set[_Place]] = defaultdict(set)
        for bands in _parts(list(places)):
            row = PassageBandRow
            rank = func.row_number().over(partition_by=row.band, order_by=(row.version_id == version.id, row.id))
            ranked = (
                select(row.band, row.version_id, row.ordinal, rank.label("rank"))
                .join(VersionRow, VersionRow.id == row.version_id)
                .join(DocumentRow, DocumentRow.id == row.document_id)
                .where(
                    # Not as a bare column: SQLite would search by its index, and so read the whole knowledge base.
                    row.knowledge_base_id.concat("") == knowledge_base_id,
                    row.band.in_(bands),
                    or_(row.document_id != version.document_id, row.version_id == version.id),
                    _is_of_use(),
                )
                .subquery()
            )
            # Its own passages come last, and do not use up the places of others.
            wanted = select(ranked).where((ranked.c.rank <= _PER_BAND) | (ranked.c.version_id == version.id))
            for band, version_id, ordinal, _ in session.execute(wanted):
                for own in places[band]:
                    # Within a document the later passage repeats the earlier one.
                    if version_id != version.id or ordinal < own:
                        found[own].add((version_id, ordinal))
        return found

    def _recorded(self, version: Version) -> Iterator[dict[int, Signature]]:
        """The signatures on record for a version, some hundred at a time."""
        row, after = PassageBandRow, -1
        while True:
            with Session(self._engine) as session:
                query = select(row.ordinal).where(row.version_id == version.id, row.ordinal > after).distinct()
                ordinals = session.scalars(query.order_by(row.ordinal).limit(_AT_ONCE)).all()
                found = self._stored(session, [(version.id, ordinal) for ordinal in ordinals])
            if not ordinals:
                return
            after = ordinals[-1]
            yield {ordinal: own for (_, ordinal), (_, own) in found.items()}

    @staticmethod
    def _stored(session: Session, wanted: Iterable[_Place]) -> dict[_Place, tuple[str, Signature]]:
        """Document and signature of stored passages."""
        rows: dict[_Place, list[str]] = defaultdict(list)
        documents: dict[_Place, str] = {}
        row = PassageBandRow
        places = set(wanted)
        complete: set[_Place] = set()
        for part in _parts(sorted(places)):
            # Two lists and a look at each row: for a list of pairs SQLite would read the whole table.
            query = select(row.version_id, row.ordinal, row.document_id, row.band).where(
                row.version_id.in_({version_id for version_id, _ in part}),
                row.ordinal.in_({ordinal for _, ordinal in part}),
            )
            for version_id, ordinal, document_id, band in session.execute(query):
                if (version_id, ordinal) in places and (version_id, ordinal) not in complete:
                    rows[version_id, ordinal].append(band)
                    documents[version_id, ordinal] = document_id
            complete.update(rows)
        signatures = {place: Signature.from_rows(bands) for place, bands in rows.items()}
        return {place: (documents[place], found) for place, found in signatures.items() if found is not None}

    @staticmethod
    def _names(session: Session, ids: Collection[str]) -> dict[str, str]:
        names: dict[str, str] = {}
        for part in _parts(list(ids)):
            query = select(DocumentRow.id, DocumentRow.name).where(DocumentRow.id.in_(part))
            names.update((found, name) for found, name in session.execute(query))
        return names


def _is_of_use() -> ColumnElement[bool]:
    """That a version is live, or may become so."""
    return or_(DocumentRow.live_version_id == VersionRow.id, VersionRow.state.in_(UNFINISHED), VersionRow.draft)


def flag_across(
    near: NearDuplicates, knowledge_base_id: str, part: Sequence[tuple[Version, str, Chunk]]
) -> list[tuple[Version, str, Chunk]]:
    """The window with the flags that need the rest of the knowledge base; its passages are on record afterwards.

    part: (version, document's title, chunk), of one or of several documents, as Stages.write takes it.
    """
    by_version: dict[str, tuple[Version, dict[int, Signature | None]]] = {}
    for version, title, chunk in part:
        subject = " ".join((title, *chunk.heading_path))
        by_version.setdefault(version.id, (version, {}))[1][chunk.ordinal] = signature(chunk.text, subject)
    # All on record before any is looked up: of two documents in one window, or in two processes, one sees the other.
    for version, signatures in by_version.values():
        near.record(knowledge_base_id, version, signatures)
    found = {vid: near.find(knowledge_base_id, version, own) for vid, (version, own) in by_version.items()}
    return [
        (version, title, _flagged(chunk, found[version.id].get(chunk.ordinal, ()))) for version, title, chunk in part
    ]


def _flagged(chunk: Chunk, matches: Sequence[Match]) -> Chunk:
    own = [flag for flag in chunk.flags if flag.split(":")[0] not in (NEAR_DUPLICATE, CONFLICT)]
    flags = tuple(dict.fromkeys([*own, *(match.flag for match in matches[:_MOST_NAMED])]))
    return chunk if flags == chunk.flags else replace(chunk, flags=flags)


def _parts(values: Sequence[_T]) -> Iterator[Sequence[_T]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
