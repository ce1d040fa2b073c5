"""The glossary of a knowledge base: terms that mean the same in this company's words.

A question that holds one of them is searched for with the others, too (app/rag/synonyms.py). An entry may hold one way
only: its first term then also means the others, as an abbreviation does its full form, and they do not mean the first.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from sqlalchemy.orm import Session

from ingest.database import GlossaryRow, KnowledgeBaseRow
from ingest.errors import AlreadyExists, NotFound, UnusableValue
from ingest.knowledge_bases import Transactions
from ingest.records import in_utc
from ingest.terms import Stems, stems_of
from ingest.written import holds_words, naming_entry, of_base, row_of

FEWEST_TERMS, MOST_TERMS, LONGEST_TERM, MOST_ENTRIES = 2, 20, 100, 5000
NOUN = "glossary entry"


@dataclass(frozen=True, slots=True)
class GlossaryDraft:
    """Terms that mean the same.

    one_way: the first one is searched for with the others, but not they with it.
    """

    terms: tuple[str, ...]
    one_way: bool = False

    @property
    def leading(self) -> tuple[str, ...]:
        """The terms that a question is looked through for."""
        return self.terms[:1] if self.one_way else self.terms


@dataclass(frozen=True, slots=True)
class GlossaryEntry:
    """An entry as it is kept."""

    id: str
    knowledge_base_id: str
    draft: GlossaryDraft
    written_by: str
    created_at: datetime
    updated_at: datetime


class Glossary(Transactions):
    """Glossary entries over an open database; every method is one transaction."""

    def all(self, knowledge_base_id: str) -> list[GlossaryEntry]:
        """Those of a knowledge base, oldest first."""
        with self._session() as session:
            return [_entry_of(row) for row in session.scalars(of_base(GlossaryRow, knowledge_base_id))]

    def add(self, knowledge_base_id: str, draft: GlossaryDraft, by: str = "") -> GlossaryEntry:
        """Keep a new one.

        Raises:
            UnusableValue: its terms cannot be used, or there are too many entries.
            AlreadyExists: another entry has one of its terms.
            NotFound: the knowledge base is gone.
        """
        with self._session() as session:
            return self._write(session, knowledge_base_id, None, draft, by)

    def replace(self, knowledge_base_id: str, entry_id: str, draft: GlossaryDraft, by: str = "") -> GlossaryEntry:
        """Put other terms in an entry's place.

        Raises:
            NotFound: the knowledge base has none of that id.
            UnusableValue, AlreadyExists: as for a new one.
        """
        with self._session() as session:
            row = row_of(session, GlossaryRow, knowledge_base_id, entry_id, NOUN)
            return self._write(session, knowledge_base_id, row, draft, by)

    def remove(self, knowledge_base_id: str, entry_id: str) -> None:
        """Forget one.

        Raises:
            NotFound: the knowledge base has none of that id.
        """
        with self._session() as session:
            session.delete(row_of(session, GlossaryRow, knowledge_base_id, entry_id, NOUN))

    def bring_in(
        self, knowledge_base_id: str, entries: Iterable[tuple[str, GlossaryDraft]], by: str = ""
    ) -> tuple[int, int]:
        """Keep many, all or none: an entry whose id, or one of whose terms, is known replaces what is there.

        entries: (id or "", its terms).

        Returns how many are new and how many replaced another.

        Raises:
            UnusableValue, AlreadyExists: naming the entry, counted from 1.
        """
        new = replaced = 0
        with self._session() as session:
            known = {row.id: row for row in session.scalars(of_base(GlossaryRow, knowledge_base_id))}
            places = {stems: row.id for row in known.values() for stems in _leading(_draft_of(row))}
            for number, (entry_id, draft) in enumerate(entries, start=1):
                same = entry_id if entry_id in known else next((places[s] for s in _leading(draft) if s in places), "")
                with naming_entry(number):
                    kept = self._keep(session, knowledge_base_id, known.get(same), draft, by, places)
                known[kept.id] = kept
                new, replaced = new + (not same), replaced + bool(same)
                self._check_room(len(known))
        return new, replaced

    def _write(
        self, session: Session, knowledge_base_id: str, row: GlossaryRow | None, draft: GlossaryDraft, by: str
    ) -> GlossaryEntry:
        if session.get(KnowledgeBaseRow, knowledge_base_id) is None:
            raise NotFound("the knowledge base has been deleted meanwhile")
        rows = list(session.scalars(of_base(GlossaryRow, knowledge_base_id)))
        if row is None:
            self._check_room(len(rows) + 1)
        places = {stems: each.id for each in rows for stems in _leading(_draft_of(each))}
        kept = self._keep(session, knowledge_base_id, row, draft, by, places)
        session.flush()
        return _entry_of(kept)

    def _keep(
        self,
        session: Session,
        knowledge_base_id: str,
        row: GlossaryRow | None,
        draft: GlossaryDraft,
        by: str,
        places: dict[Stems, str],
    ) -> GlossaryRow:
        """Write an entry; ``places`` names the entry of each term that is looked for, and is kept so."""
        draft = usable_draft(draft)
        for term in draft.leading:
            other = places.get(stems_of(term))
            if other is not None and (row is None or other != row.id):
                raise AlreadyExists(f"{term!r} stands in another entry already ({other}): put its terms there")
        if row is None:
            row = GlossaryRow(id=uuid.uuid4().hex, knowledge_base_id=knowledge_base_id, written_by="")
            row.created_at = datetime.now(UTC)
            session.add(row)
        else:
            for stems in _leading(_draft_of(row)):
                places.pop(stems, None)
        row.terms = json.dumps(draft.terms, ensure_ascii=False)
        row.one_way = draft.one_way
        row.written_by, row.updated_at = by or row.written_by, datetime.now(UTC)
        places.update(dict.fromkeys(_leading(draft), row.id))
        return row

    @staticmethod
    def _check_room(entries: int) -> None:
        if entries > MOST_ENTRIES:
            raise UnusableValue(f"a glossary keeps {MOST_ENTRIES} entries: remove those that are not needed")


def with_words(entries: Iterable[GlossaryEntry], search: str) -> list[GlossaryEntry]:
    """Entries with all words of a search in their terms."""
    return [entry for entry in entries if holds_words("\n".join(entry.draft.terms), search)]


def usable_draft(draft: GlossaryDraft) -> GlossaryDraft:
    """The same with its terms each once.

    Raises:
        UnusableValue: there are too few or too many, or one cannot be searched for.
    """
    terms: dict[Stems, str] = {}
    for term in (" ".join(term.split()) for term in draft.terms):
        if not term:
            continue
        stems = stems_of(term)
        if not stems:
            raise UnusableValue(f"{term!r} is no term: it holds neither letter nor digit")
        if len(term) > LONGEST_TERM:
            raise UnusableValue(f"a term has {len(term)} characters; {LONGEST_TERM} are kept: shorten it")
        terms.setdefault(stems, term)
    if len(terms) < FEWEST_TERMS:
        raise UnusableValue("an entry needs two terms that are not written alike: what shall mean the same?")
    if len(terms) > MOST_TERMS:
        raise UnusableValue(f"{len(terms)} terms in one entry; {MOST_TERMS} are kept")
    return replace(draft, terms=tuple(terms.values()))


def _leading(draft: GlossaryDraft) -> Sequence[Stems]:
    return [stems_of(term) for term in draft.leading]


def _draft_of(row: GlossaryRow) -> GlossaryDraft:
    return GlossaryDraft(tuple(json.loads(row.terms)), row.one_way)


def _entry_of(row: GlossaryRow) -> GlossaryEntry:
    now = datetime.now(UTC)
    return GlossaryEntry(
        id=row.id,
        knowledge_base_id=row.knowledge_base_id,
        draft=_draft_of(row),
        written_by=row.written_by,
        created_at=in_utc(row.created_at) or now,
        updated_at=in_utc(row.updated_at) or now,
    )
