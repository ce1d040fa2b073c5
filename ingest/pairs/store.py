"""Pairs in the database: kept, listed, reviewed. Which of them are stale is said by ingest/pairs/fresh.py."""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, and_, func, insert, or_, select, update
from sqlalchemy.orm import Session

from ingest.errors import NotFound, UnusableValue
from ingest.knowledge_bases import Transactions
from ingest.pairs.bases import base_read_at
from ingest.pairs.records import Draft, Pair, PairKind, ReviewState, Side, SourceRef, Style, Turn
from ingest.pairs.tables import PairRow, PairSourceRow
from ingest.records import in_utc

LONGEST = 20_000
# Rows that are held at once where many are gone through.
BATCH = 500
REVIEWED = (ReviewState.APPROVED, ReviewState.EDITED)
T = TypeVar("T")
_BLANK = re.compile(r"[\W_]+", re.UNICODE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which pairs are asked for; what is None or "" does not matter.

    kept:   True for those that nobody rejected.
    search: words that question or answer hold, all of them.
    """

    review: tuple[ReviewState, ...] = ()
    kept: bool | None = None
    stale: bool | None = None
    side: Side | None = None
    writer: str = ""
    language: str = ""
    kind: PairKind | None = None
    style: Style | None = None
    document: str = ""
    search: str = ""


EVERY = Wanted()


@dataclass(frozen=True, slots=True)
class PairPage:
    """Some pairs, and how many were asked for in all."""

    found: list[Pair]
    total: int


@dataclass(frozen=True, slots=True)
class PairCounts:
    """All pairs of a knowledge base, counted; each of the tables sums to ``total``."""

    total: int = 0
    stale: int = 0
    review: Mapping[str, int] = field(default_factory=dict)
    writers: Mapping[str, int] = field(default_factory=dict)
    kinds: Mapping[str, int] = field(default_factory=dict)
    styles: Mapping[str, int] = field(default_factory=dict)
    languages: Mapping[str, int] = field(default_factory=dict)
    sides: Mapping[str, int] = field(default_factory=dict)


class Pairs(Transactions):
    """Pairs over an open database; every method is one transaction unless it says otherwise."""

    def get(self, knowledge_base_id: str, pair_id: str) -> Pair:
        """One pair.

        Raises:
            NotFound: the knowledge base has none of that id.
        """
        with self._session() as session:
            return _read(session, [_row_of(session, knowledge_base_id, pair_id)])[0]

    def page(self, knowledge_base_id: str, wanted: Wanted = EVERY, limit: int = 50, offset: int = 0) -> PairPage:
        """Some of the pairs that are asked for, oldest first."""
        matching = [PairRow.knowledge_base_id == knowledge_base_id, *_conditions(wanted)]
        with self._session() as session:
            total = session.scalar(select(func.count()).select_from(PairRow).where(*matching)) or 0
            query = select(PairRow).where(*matching).order_by(PairRow.created_at, PairRow.id)
            return PairPage(_read(session, session.scalars(query.limit(limit).offset(offset)).all()), total)

    def batches(self, knowledge_base_id: str, wanted: Wanted = EVERY) -> Iterator[list[Pair]]:
        """All that are asked for, oldest first, some hundred at a time; each batch is a transaction of its own."""
        matching = [PairRow.knowledge_base_id == knowledge_base_id, *_conditions(wanted)]
        last: ColumnElement[bool] | None = None
        while True:
            query = select(PairRow).where(*matching, *([] if last is None else [last]))
            with self._session() as session:
                rows = session.scalars(query.order_by(PairRow.created_at, PairRow.id).limit(BATCH)).all()
                found = _read(session, rows)
                if not rows:
                    return
                at, name = rows[-1].created_at, rows[-1].id
            last = or_(PairRow.created_at > at, and_(PairRow.created_at == at, PairRow.id > name))
            yield found

    def counts(self, knowledge_base_id: str) -> PairCounts:
        """How many there are, by what is said of them."""
        columns = {
            "review": PairRow.review, "writers": PairRow.writer, "kinds": PairRow.kind, "styles": PairRow.style,
            "languages": PairRow.language, "sides": PairRow.side,
        }  # fmt: skip
        of_base = PairRow.knowledge_base_id == knowledge_base_id
        with self._session() as session:
            tables: dict[str, dict[str, int]] = {}
            for name, column in columns.items():
                query = select(column, func.count()).where(of_base).group_by(column).order_by(column)
                tables[name] = {str(value): int(count) for value, count in session.execute(query)}
            stale = session.scalar(select(func.count()).select_from(PairRow).where(of_base, PairRow.stale)) or 0
        return PairCounts(total=sum(tables["review"].values()), stale=stale, **tables)

    def known(self, knowledge_base_id: str, keys: Iterable[str]) -> dict[tuple[str, PairKind], str]:
        """Ids of fresh pairs by question key (``question_key``) and kind, for those of the given keys that there are."""
        columns = select(PairRow.question_key, PairRow.kind, PairRow.id)
        query = columns.where(
            PairRow.knowledge_base_id == knowledge_base_id,
            PairRow.stale.is_(False),
            PairRow.question_key.in_(list(set(keys))),
        )
        with self._session() as session:
            return {(key, PairKind(kind)): pair_id for key, kind, pair_id in session.execute(query)}

    def with_ids(self, knowledge_base_id: str, ids: Iterable[str]) -> dict[str, Pair]:
        """Those of some ids that there are."""
        query = select(PairRow).where(PairRow.knowledge_base_id == knowledge_base_id, PairRow.id.in_(list(set(ids))))
        with self._session() as session:
            return {pair.id: pair for pair in _read(session, session.scalars(query).all())}

    def add(self, knowledge_base_id: str, pairs: Sequence[Pair], corpus_version: int) -> None:
        """Keep new ones, in their order.

        corpus_version: the knowledge base's before their texts were read; texts may have changed since.
        """
        with self._session() as session:
            base_read_at(session, knowledge_base_id, corpus_version)
            write_pairs(session, pairs)

    def review(
        self,
        knowledge_base_id: str,
        pair_id: str,
        state: ReviewState,
        reviewer: str = "",
        *,
        question: str | None = None,
        answer: str | None = None,
        short: str | None = None,
    ) -> Pair:
        """Say what a person thinks of a pair; another wording makes it EDITED, and it has to be put on a side again.

        Raises:
            NotFound: the knowledge base has none of that id.
            UnusableValue: the wording cannot be kept, or EDITED was said and nothing is different.
        """
        with self._session() as session:
            row = _row_of(session, knowledge_base_id, pair_id)
            given = {"question": question, "answer": answer, "short": short}
            new = {name: text.strip() for name, text in given.items() if text is not None}
            changed = {name: text for name, text in new.items() if text != getattr(row, name)}
            if changed and state not in (ReviewState.EDITED, ReviewState.APPROVED):
                raise UnusableValue("another wording is for a pair that is kept: say that it is edited")
            if state is ReviewState.EDITED and not changed and row.review != ReviewState.EDITED:
                raise UnusableValue(
                    "nothing of the pair is worded anew: approve it, or give another question or answer"
                )
            for name, text in changed.items():
                setattr(row, name, text)
            _check(row.question, row.answer, PairKind(row.kind))
            if changed:
                turns = tuple(Turn(*turn) for turn in json.loads(row.history))
                row.question_key, row.side = question_key(row.question, turns), ""
            row.review = ReviewState.EDITED if changed else state
            row.reviewer, row.reviewed_at = reviewer, datetime.now(UTC)
            if state is ReviewState.PENDING:
                row.reviewer, row.reviewed_at = "", None
            session.flush()
            return _read(session, [row])[0]

    def put_on_sides(self, knowledge_base_id: str, sides: Mapping[str, Side]) -> None:
        """Write the sides of a split; pairs that are not named stand on none."""
        with self._session() as session:
            of_base = PairRow.knowledge_base_id == knowledge_base_id
            session.execute(quietly(update(PairRow).where(of_base).values(side="")))
            for side in Side:
                for some in in_parts([pair_id for pair_id, of in sides.items() if of is side]):
                    session.execute(quietly(update(PairRow).where(of_base, PairRow.id.in_(some)).values(side=side)))


def write_pairs(session: Session, pairs: Sequence[Pair]) -> None:
    """Insert pairs with their sources; those of one moment keep their order."""
    if not pairs:
        return
    now = datetime.now(UTC)
    rows, sources = [], []
    for number, pair in enumerate(pairs):
        _check(pair.question, pair.answer, pair.kind)
        rows.append(
            {
                "id": pair.id,
                "knowledge_base_id": pair.knowledge_base_id,
                "question": pair.question,
                "question_key": question_key(pair.question, pair.history),
                "answer": pair.answer,
                "kind": pair.kind.value,
                "style": pair.style.value,
                "language": pair.language[:10],
                "writer": pair.writer[:200],
                "evidence": pair.evidence,
                "short": pair.short,
                "history": json.dumps([[turn.role, turn.text] for turn in pair.history], ensure_ascii=False),
                "filters": json.dumps(dict(pair.filters), ensure_ascii=False),
                "review": pair.review.value,
                "reviewer": pair.reviewer[:200],
                "reviewed_at": pair.reviewed_at,
                "stale": pair.stale,
                "side": pair.side.value if pair.side else "",
                "created_at": pair.created_at or now + timedelta(microseconds=number),
            }
        )
        sources += [
            {
                "pair_id": pair.id,
                "position": position,
                "chunk_id": ref.chunk_id,
                "text_hash": ref.text_hash,
                "version": ref.version,
                "document": ref.document,
                "heading_path": json.dumps(ref.heading_path, ensure_ascii=False),
            }
            for position, ref in enumerate(pair.sources)
        ]
    session.execute(insert(PairRow), rows)
    if sources:
        session.execute(insert(PairSourceRow), sources)


def pair_of(draft: Draft, knowledge_base_id: str, filters: Mapping[str, str], pair_id: str = "") -> Pair:
    """A draft that passed, as it is kept."""
    return Pair(
        id=pair_id or uuid.uuid4().hex,
        knowledge_base_id=knowledge_base_id,
        question=draft.question,
        answer=draft.answer,
        kind=draft.kind,
        style=draft.style,
        language=draft.language,
        writer=draft.writer,
        sources=tuple(
            SourceRef(chunk.id, chunk.text_hash, chunk.version, chunk.document, chunk.heading_path)
            for chunk in draft.sources
        ),
        evidence=draft.evidence,
        short=draft.short,
        history=draft.history,
        filters=filters,
    )


def question_key(question: str, history: Sequence[Turn] = ()) -> str:
    """Equal for questions that are the same but for case, white space and punctuation, after the same turns; 32 hex digits."""
    parts = [_BLANK.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip() for text in
             (*(turn.text for turn in history), question)]  # fmt: skip
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def asked_for(pair: Pair) -> str:
    """The question as filters know it: a follow-up after the question before it."""
    before = [turn.text for turn in pair.history if turn.role == "user"]
    return f"{before[-1]} {pair.question}" if before else pair.question


def _check(question: str, answer: str, kind: PairKind) -> None:
    if not question.strip():
        raise UnusableValue("a pair needs a question")
    if kind is PairKind.ANSWERABLE and not answer.strip():
        raise UnusableValue("a pair whose sources hold the answer needs the answer")
    if kind is PairKind.UNANSWERABLE and answer.strip():
        raise UnusableValue("a pair that cannot be answered has no answer: its target is the refusal")
    if max(len(question), len(answer)) > LONGEST:
        raise UnusableValue(f"question and answer have {LONGEST} characters at most")


def _conditions(wanted: Wanted) -> list[ColumnElement[bool]]:
    exact: dict[Any, str] = {PairRow.writer: wanted.writer, PairRow.language: wanted.language}
    exact |= {
        PairRow.side: wanted.side or "", PairRow.kind: wanted.kind or "", PairRow.style: wanted.style or "",
    }  # fmt: skip
    found: list[ColumnElement[bool]] = [column == value for column, value in exact.items() if value]
    if wanted.review:
        found.append(PairRow.review.in_(wanted.review))
    if wanted.kept is not None:
        rejected = PairRow.review == ReviewState.REJECTED
        found.append(~rejected if wanted.kept else rejected)
    if wanted.stale is not None:
        found.append(PairRow.stale.is_(wanted.stale))
    if wanted.document:
        of_document = select(PairSourceRow.pair_id).where(PairSourceRow.document == wanted.document)
        found.append(PairRow.id.in_(of_document))
    for word in wanted.search.split():
        # ``lower`` of SQLite knows ASCII only; words of other scripts have to be written as they stand.
        pattern = "%" + re.sub(r"([\\%_])", r"\\\1", word.lower()) + "%"
        holds = [func.lower(column).like(pattern, escape="\\") for column in (PairRow.question, PairRow.answer)]
        found.append(or_(*holds))
    return found


def _row_of(session: Session, knowledge_base_id: str, pair_id: str) -> PairRow:
    row = session.get(PairRow, pair_id)
    if row is None or row.knowledge_base_id != knowledge_base_id:
        raise NotFound(f"no pair with the id {pair_id!r}: `frontdesk pairs list` shows them")
    return row


def _read(session: Session, rows: Sequence[PairRow]) -> list[Pair]:
    sources: dict[str, list[SourceRef]] = {row.id: [] for row in rows}
    for some in in_parts(list(sources)):
        query = select(PairSourceRow).where(PairSourceRow.pair_id.in_(some))
        for ref in session.scalars(query.order_by(PairSourceRow.pair_id, PairSourceRow.position)):
            path = tuple(json.loads(ref.heading_path))
            sources[ref.pair_id].append(SourceRef(ref.chunk_id, ref.text_hash, ref.version, ref.document, path))
    return [replace(_pair_of(row), sources=tuple(sources[row.id])) for row in rows]


def _pair_of(row: PairRow) -> Pair:
    return Pair(
        id=row.id,
        knowledge_base_id=row.knowledge_base_id,
        question=row.question,
        answer=row.answer,
        kind=PairKind(row.kind),
        style=Style(row.style),
        language=row.language,
        writer=row.writer,
        sources=(),
        evidence=row.evidence,
        short=row.short,
        history=tuple(Turn(role, text) for role, text in json.loads(row.history)),
        filters=json.loads(row.filters),
        review=ReviewState(row.review),
        reviewer=row.reviewer,
        reviewed_at=in_utc(row.reviewed_at),
        stale=row.stale,
        side=Side(row.side) if row.side else None,
        created_at=in_utc(row.created_at),
    )


def in_parts(ids: Sequence[T]) -> Iterator[Sequence[T]]:
    """Ids, or small rows, in pieces that fit into a statement."""
    # SQLite takes 32,766 values in a statement at most.
    for start in range(0, len(ids), BATCH):
        yield ids[start : start + BATCH]


def quietly(statement: Any) -> Any:
    """A statement that leaves what a session holds alone."""
    return statement.execution_options(synchronize_session=False)
