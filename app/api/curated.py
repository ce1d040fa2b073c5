"""/api/knowledge-bases/{kb}/curated: answers that a person wrote, given as they stand to the questions they name."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import Response
from pydantic import BaseModel, Field

from app.api.answering import find_kb
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.models import Author, GivenMoment, KbName, Limit, Moment, Offset, Request, Search, Text
from app.api.tables import CSV_SCHEMA, Imported, csv_file, csv_text
from app.curated import page_of
from app.service import Service
from ingest.curated import (
    LONGEST_ANSWER,
    LONGEST_QUESTION,
    LONGEST_SOURCE,
    MOST_QUESTIONS,
    CuratedAnswer,
    CuratedAnswers,
    CuratedDraft,
    CuratedState,
)
from ingest.curated_csv import from_csv, to_csv

router = APIRouter(prefix="/api/knowledge-bases/{kb}/curated", tags=["curated answers"])
Questions = Annotated[
    list[Annotated[Text, Field(max_length=LONGEST_QUESTION)]], Field(min_length=1, max_length=MOST_QUESTIONS)
]
AnswerText = Annotated[Text, Field(min_length=1, max_length=LONGEST_ANSWER)]
Language = Annotated[Text, Field(max_length=10, examples=["en"])]
SourceName = Annotated[Text, Field(max_length=LONGEST_SOURCE, examples=["returns-policy.pdf"])]


class NewCurated(Request):
    """Questions, each of which gets this answer (Markdown).

    `language` is told from the first question where it is not given. `source`: a document of the knowledge base by its
    name, or an http(s) address. `valid_until` is the first moment that is too late.
    """

    questions: Questions
    answer: AnswerText
    language: Language = ""
    source: SourceName = ""
    enabled: bool = True
    valid_from: GivenMoment | None = None
    valid_until: GivenMoment | None = None
    by: Author = ""

    def draft(self) -> CuratedDraft:
        """The same for the catalog."""
        return CuratedDraft(
            tuple(self.questions),
            self.answer,
            self.language,
            self.source,
            self.enabled,
            self.valid_from,
            self.valid_until,
        )


class CuratedChange(Request):
    """What is not given stays. Any change, an empty one too, says that a person has looked at it: it is stale no more."""

    questions: Questions | None = None
    answer: AnswerText | None = None
    language: Language | None = None
    source: SourceName | None = None
    enabled: bool | None = None
    valid_from: GivenMoment | None = None
    valid_until: GivenMoment | None = None
    by: Author = ""

    def applied(self, draft: CuratedDraft) -> CuratedDraft:
        """A draft with it."""
        given: dict[str, Any] = {
            name: getattr(self, name)
            for name in self.model_fields_set - {"by"}
            if getattr(self, name) is not None or name in ("valid_from", "valid_until")
        }
        if "questions" in given:
            given["questions"] = tuple(given["questions"])
        return replace(draft, **given)


class CuratedBody(BaseModel):
    """A curated answer; customers are given it while `state` is `live` or `stale`.

    `stale`: its source document has changed since a person last looked at it. `source_gone`, `source_hidden`: the document
    is deleted, or not for customers at this moment.
    """

    id: str
    questions: list[str]
    answer: str
    language: str
    source: str
    enabled: bool
    valid_from: Moment | None
    valid_until: Moment | None
    state: CuratedState
    written_by: str
    created_at: Moment
    updated_at: Moment


class CuratedPage(BaseModel):
    """Some of them, oldest first, and how many there are in all; `stale` counts what a person should look at."""

    kb: str
    curated: list[CuratedBody]
    total: int
    stale: int


@router.get("")
async def list_curated(
    kb: KbName,
    service: ServiceOf,
    principal: Authenticated,
    search: Search = "",
    state: CuratedState | None = None,
    limit: Limit = 100,
    offset: Offset = 0,
) -> CuratedPage:
    """Curated answers, oldest first; those with all words of a search in a question or in the answer, of a state."""
    base = await find_kb(service, kb, principal)
    found = await asyncio.to_thread(_rows(service).all, base.id)
    page = page_of(found, search, state, limit, offset)
    bodies = [_body(each) for each in page.found]
    return CuratedPage(kb=base.name, curated=bodies, total=page.total, stale=page.stale)


@router.post("", status_code=201)
async def add_curated(kb: KbName, body: NewCurated, service: ServiceOf, principal: Authenticated) -> CuratedBody:
    """Write one; it is given to the next customer who asks."""
    base = await find_kb(service, kb, principal)
    return _body(await asyncio.to_thread(_rows(service).add, base.id, body.draft(), body.by))


@router.get("/export", response_class=Response, responses={200: {"content": CSV_SCHEMA}})
async def export_curated(kb: KbName, service: ServiceOf, principal: Authenticated) -> Response:
    """All of them as CSV: one row an answer, its questions on lines of one cell."""
    base = await find_kb(service, kb, principal)
    return csv_file("curated.csv", to_csv(await asyncio.to_thread(_rows(service).all, base.id)))


@router.post("/import", openapi_extra={"requestBody": {"required": True, "content": CSV_SCHEMA}})
async def import_curated(kb: KbName, request: HttpRequest, service: ServiceOf, principal: Authenticated) -> Imported:
    """Bring in such a CSV, all of it or nothing; a row whose id or question is known replaces what is there."""
    base = await find_kb(service, kb, principal)
    text = await csv_text(request)
    new, replaced = await asyncio.to_thread(lambda: _rows(service).bring_in(base.id, from_csv(text)))
    return Imported(new=new, replaced=replaced)


@router.get("/{curated_id}")
async def show_curated(kb: KbName, curated_id: Text, service: ServiceOf, principal: Authenticated) -> CuratedBody:
    """One of them."""
    base = await find_kb(service, kb, principal)
    return _body(await asyncio.to_thread(_rows(service).find, base.id, curated_id))


@router.patch("/{curated_id}")
async def change_curated(
    kb: KbName, curated_id: Text, body: CuratedChange, service: ServiceOf, principal: Authenticated
) -> CuratedBody:
    """Say it otherwise; with nothing to change, say that it still holds."""
    base = await find_kb(service, kb, principal)
    return _body(await asyncio.to_thread(_rows(service).change, base.id, curated_id, body.applied, body.by))


@router.delete("/{curated_id}", status_code=204)
async def remove_curated(kb: KbName, curated_id: Text, service: ServiceOf, principal: Authenticated) -> None:
    """Forget one."""
    base = await find_kb(service, kb, principal)
    await asyncio.to_thread(_rows(service).remove, base.id, curated_id)


def _rows(service: Service) -> CuratedAnswers:
    return CuratedAnswers(service.workspace.engine)


def _body(curated: CuratedAnswer) -> CuratedBody:
    draft = curated.draft
    return CuratedBody(
        id=curated.id,
        questions=list(draft.questions),
        answer=draft.answer,
        language=draft.language,
        source=draft.source,
        enabled=draft.enabled,
        valid_from=draft.valid_from,
        valid_until=draft.valid_until,
        state=curated.state(datetime.now(UTC)),
        written_by=curated.written_by,
        created_at=curated.created_at,
        updated_at=curated.updated_at,
    )
