"""Curated answers: what a person wrote for questions of a knowledge base, given as it stands, without a model.

An answer may name a source: a document of the knowledge base, or an address. When the document's bytes are others than
those a person last looked at, the answer is stale, and shown so to admins; when it is gone, or not for customers now,
the answer is not given. Both are told from the catalog whenever it is read: nothing has to remember to say so.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from ingest.curation import usable
from ingest.database import CuratedAnswerRow, DocumentRow, KnowledgeBaseRow, VersionRow
from ingest.errors import AlreadyExists, NotFound, UnusableValue
from ingest.knowledge_bases import Transactions
from ingest.language import detect_language
from ingest.records import Curation, curation_of, in_utc
from ingest.wording import normal_question
from ingest.written import naming_entry, of_base, row_of

MOST_QUESTIONS, LONGEST_QUESTION, LONGEST_ANSWER, LONGEST_SOURCE = 50, 2000, 20_000, 2000
NOUN = "curated answer"
_LANGUAGE = re.compile(r"[a-z]{2,3}")


class CuratedState(StrEnum):
    """What becomes of a curated answer now; customers are given those that are live or stale."""

    LIVE = "live"
    STALE = "stale"
    DISABLED = "disabled"
    NOT_YET = "not_yet"
    OVER = "over"
    SOURCE_HIDDEN = "source_hidden"
    SOURCE_GONE = "source_gone"


@dataclass(frozen=True, slots=True)
class CuratedDraft:
    """A curated answer as a person writes it.

    answer:   Markdown.
    language: ISO 639-1; "" to be told from the first question.
    source:   a document of the knowledge base by its name, or an http(s) address; "" for none.
    """

    questions: tuple[str, ...]
    answer: str
    language: str = ""
    source: str = ""
    enabled: bool = True
    valid_from: datetime | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class SourceDocument:
    """The document that a curated answer names, as it is now."""

    version: str
    title: str
    content_hash: str
    said: Curation


@dataclass(frozen=True, slots=True)
class CuratedAnswer:
    """A curated answer as it is kept.

    document: the source where it is a document that is live.
    """

    id: str
    knowledge_base_id: str
    draft: CuratedDraft
    source_hash: str
    written_by: str
    created_at: datetime
    updated_at: datetime
    document: SourceDocument | None = field(default=None, compare=False)

    def state(self, at: datetime) -> CuratedState:
        """What becomes of it at a moment."""
        draft = self.draft
        if not draft.enabled:
            return CuratedState.DISABLED
        if draft.valid_from is not None and at < draft.valid_from:
            return CuratedState.NOT_YET
        if draft.valid_until is not None and at >= draft.valid_until:
            return CuratedState.OVER
        if not draft.source or is_address(draft.source):
            return CuratedState.LIVE
        if self.document is None:
            return CuratedState.SOURCE_GONE
        if not self.document.said.shown(at):
            return CuratedState.SOURCE_HIDDEN
        return CuratedState.LIVE if self.document.content_hash == self.source_hash else CuratedState.STALE

    def given(self, at: datetime) -> bool:
        """Whether customers are given it at a moment."""
        return self.state(at) in (CuratedState.LIVE, CuratedState.STALE)


class CuratedAnswers(Transactions):
    """Curated answers over an open database; every method is one transaction."""

    def all(self, knowledge_base_id: str) -> list[CuratedAnswer]:
        """Those of a knowledge base, oldest first."""
        with self._session() as session:
            return self._all(session, knowledge_base_id)

    def find(self, knowledge_base_id: str, curated_id: str) -> CuratedAnswer:
        """One of them.

        Raises:
            NotFound: the knowledge base has none of that id.
        """
        with self._session() as session:
            return self._of(session, row_of(session, CuratedAnswerRow, knowledge_base_id, curated_id, NOUN))

    def add(self, knowledge_base_id: str, draft: CuratedDraft, by: str = "") -> CuratedAnswer:
        """Keep a new one.

        Raises:
            UnusableValue: a question, the answer, its time or its source cannot be used.
            AlreadyExists: another one answers one of its questions.
            NotFound: the knowledge base is gone.
        """
        with self._session() as session:
            return self._write(session, knowledge_base_id, None, draft, by)

    def change(
        self, knowledge_base_id: str, curated_id: str, change: Callable[[CuratedDraft], CuratedDraft], by: str = ""
    ) -> CuratedAnswer:
        """Say it otherwise, or the same again: a person has looked at it, so it is stale no more.

        Raises:
            NotFound, UnusableValue, AlreadyExists: as for a new one.
        """
        with self._session() as session:
            row = row_of(session, CuratedAnswerRow, knowledge_base_id, curated_id, NOUN)
            return self._write(session, knowledge_base_id, row, change(_draft_of(row)), by)

    def remove(self, knowledge_base_id: str, curated_id: str) -> None:
        """Forget one.

        Raises:
            NotFound: the knowledge base has none of that id.
        """
        with self._session() as session:
            session.delete(row_of(session, CuratedAnswerRow, knowledge_base_id, curated_id, NOUN))

    def bring_in(
        self, knowledge_base_id: str, entries: Iterable[tuple[str, CuratedDraft]], by: str = ""
    ) -> tuple[int, int]:
        """Keep many, all or none: an entry whose id, or one of whose questions, is known replaces what is there.

        entries: (id or "", what it says).

        Returns how many are new and how many replaced another.

        Raises:
            UnusableValue, AlreadyExists: naming the entry, counted from 1.
        """
        new = replaced = 0
        with self._session() as session:
            for number, (curated_id, draft) in enumerate(entries, start=1):
                known = session.get(CuratedAnswerRow, curated_id) if curated_id else None
                if known is None or known.knowledge_base_id != knowledge_base_id:
                    known = self._answering(session, knowledge_base_id, draft.questions)
                with naming_entry(number):
                    self._write(session, knowledge_base_id, known, draft, by)
                new, replaced = new + (known is None), replaced + (known is not None)
        return new, replaced

    def _write(
        self, session: Session, knowledge_base_id: str, row: CuratedAnswerRow | None, draft: CuratedDraft, by: str
    ) -> CuratedAnswer:
        base = session.get(KnowledgeBaseRow, knowledge_base_id)
        if base is None:
            raise NotFound("the knowledge base has been deleted meanwhile")
        draft = usable_draft(draft)
        wanted = {normal_question(question): question for question in draft.questions}
        for other in session.scalars(of_base(CuratedAnswerRow, knowledge_base_id)):
            if row is not None and other.id == row.id:
                continue
            for question in json.loads(other.questions):
                if normal_question(question) in wanted:
                    raise AlreadyExists(f"{question!r} has a curated answer already ({other.id}): change that one")
        document = self._document(session, knowledge_base_id, draft.source)
        if draft.source and not is_address(draft.source) and document is None:
            raise UnusableValue(
                f"the source {draft.source!r} is neither a document of {base.name!r} that is live nor an http(s) address"
            )
        if row is None:
            row = CuratedAnswerRow(id=uuid.uuid4().hex, knowledge_base_id=knowledge_base_id, written_by="")
            session.add(row)
        row.questions = json.dumps(draft.questions, ensure_ascii=False)
        row.answer, row.language, row.source = draft.answer, draft.language, draft.source
        row.source_hash = document.content_hash if document is not None else ""
        row.enabled, row.valid_from, row.valid_until = draft.enabled, draft.valid_from, draft.valid_until
        row.written_by, row.updated_at = by or row.written_by, datetime.now(UTC)
        session.flush()
        return self._of(session, row)

    def _answering(self, session: Session, knowledge_base_id: str, questions: Sequence[str]) -> CuratedAnswerRow | None:
        wanted = {normal_question(question) for question in questions}
        rows = session.scalars(of_base(CuratedAnswerRow, knowledge_base_id))
        return next((r for r in rows if wanted & {normal_question(q) for q in json.loads(r.questions)}), None)

    def _all(self, session: Session, knowledge_base_id: str) -> list[CuratedAnswer]:
        rows = list(session.scalars(of_base(CuratedAnswerRow, knowledge_base_id)))
        names = {row.source for row in rows if row.source and not is_address(row.source)}
        documents = self._documents(session, knowledge_base_id, names)
        return [_curated_of(row, documents.get(row.source)) for row in rows]

    def _of(self, session: Session, row: CuratedAnswerRow) -> CuratedAnswer:
        return _curated_of(row, self._document(session, row.knowledge_base_id, row.source))

    @classmethod
    def _document(cls, session: Session, knowledge_base_id: str, source: str) -> SourceDocument | None:
        if not source or is_address(source):
            return None
        return cls._documents(session, knowledge_base_id, {source}).get(source)

    @staticmethod
    def _documents(session: Session, knowledge_base_id: str, names: set[str]) -> dict[str, SourceDocument]:
        if not names:
            return {}
        query = (
            select(DocumentRow, VersionRow)
            .join(VersionRow, VersionRow.id == DocumentRow.live_version_id)
            .where(DocumentRow.knowledge_base_id == knowledge_base_id, DocumentRow.name.in_(names))
        )
        return {
            doc.name: SourceDocument(version.id, doc.title, version.content_hash, curation_of(doc))
            for doc, version in session.execute(query)
        }


def is_address(source: str) -> bool:
    """Whether a source is an address and no document's name."""
    return source.startswith(("http://", "https://"))


def usable_draft(draft: CuratedDraft) -> CuratedDraft:
    """The same with its questions each once, and its language told.

    Raises:
        UnusableValue: a question, the answer, the language or the time cannot be used.
    """
    questions = tuple({normal_question(text): " ".join(text.split()) for text in reversed(draft.questions)}.values())[
        ::-1
    ]
    questions = tuple(question for question in questions if normal_question(question))
    if not questions:
        raise UnusableValue("a curated answer needs a question: write at least one, in the customers' words")
    if len(questions) > MOST_QUESTIONS:
        raise UnusableValue(
            f"{len(questions)} questions on one curated answer; {MOST_QUESTIONS} are kept: write several"
        )
    if (long := max(len(question) for question in questions)) > LONGEST_QUESTION:
        raise UnusableValue(f"a question has {long} characters; {LONGEST_QUESTION} are kept: shorten it")
    answer = draft.answer.strip()
    if not answer:
        raise UnusableValue("the answer is empty; write what customers shall read")
    if len(answer) > LONGEST_ANSWER:
        raise UnusableValue(f"the answer has {len(answer)} characters; {LONGEST_ANSWER} are kept: shorten it")
    if len(draft.source) > LONGEST_SOURCE:
        raise UnusableValue(f"the source has {len(draft.source)} characters; {LONGEST_SOURCE} are kept")
    language = draft.language.strip().lower() or detect_language(questions[0])
    if not _LANGUAGE.fullmatch(language):
        raise UnusableValue(f"{language!r} is no language: write its code, like en or zh, or leave it out")
    # The same checks as for a document's time.
    usable(Curation(valid_from=draft.valid_from, valid_until=draft.valid_until))
    return replace(draft, questions=questions, answer=answer, language=language, source=draft.source.strip())


def _draft_of(row: CuratedAnswerRow) -> CuratedDraft:
    return CuratedDraft(
        questions=tuple(json.loads(row.questions)),
        answer=row.answer,
        language=row.language,
        source=row.source,
        enabled=row.enabled,
        valid_from=in_utc(row.valid_from),
        valid_until=in_utc(row.valid_until),
    )


def _curated_of(row: CuratedAnswerRow, document: SourceDocument | None) -> CuratedAnswer:
    now = datetime.now(UTC)
    return CuratedAnswer(
        id=row.id,
        knowledge_base_id=row.knowledge_base_id,
        draft=_draft_of(row),
        source_hash=row.source_hash,
        written_by=row.written_by,
        created_at=in_utc(row.created_at) or now,
        updated_at=in_utc(row.updated_at) or now,
        document=document,
    )
