"""/api/knowledge-bases/{kb}/glossary: terms that mean the same; a question with one is searched for with the others, too."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter
from fastapi import Request as HttpRequest
from fastapi.responses import Response
from pydantic import BaseModel, Field

from app.api.answering import find_kb
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.models import Author, KbName, Limit, Moment, Offset, Request, Search, Text
from app.api.tables import CSV_SCHEMA, Imported, csv_file, csv_text
from app.service import Service
from ingest.glossary import LONGEST_TERM, MOST_TERMS, Glossary, GlossaryDraft, GlossaryEntry, with_words
from ingest.glossary_csv import from_csv, to_csv

router = APIRouter(prefix="/api/knowledge-bases/{kb}/glossary", tags=["glossary"])
Terms = Annotated[list[Annotated[Text, Field(max_length=LONGEST_TERM)]], Field(min_length=2, max_length=MOST_TERMS)]


class NewEntry(Request):
    """Terms that mean the same, of one word or several.

    `one_way`: the first term is searched for with the others, but not they with it, as an abbreviation is with its full form.
    """

    terms: Terms
    one_way: bool = False
    by: Author = ""

    def draft(self) -> GlossaryDraft:
        """The same for the catalog."""
        return GlossaryDraft(tuple(self.terms), self.one_way)


class EntryBody(BaseModel):
    """An entry of a glossary."""

    id: str
    terms: list[str]
    one_way: bool
    written_by: str
    created_at: Moment
    updated_at: Moment


class GlossaryPage(BaseModel):
    """Some entries, oldest first, and how many were asked for in all."""

    kb: str
    entries: list[EntryBody]
    total: int


@router.get("")
async def list_glossary(
    kb: KbName,
    service: ServiceOf,
    principal: Authenticated,
    search: Search = "",
    limit: Limit = 100,
    offset: Offset = 0,
) -> GlossaryPage:
    """Entries, oldest first; those with all words of a search in their terms."""
    base = await find_kb(service, kb, principal)
    found = with_words(await asyncio.to_thread(_rows(service).all, base.id), search)
    return GlossaryPage(kb=base.name, entries=[_body(e) for e in found[offset : offset + limit]], total=len(found))


@router.post("", status_code=201)
async def add_entry(kb: KbName, body: NewEntry, service: ServiceOf, principal: Authenticated) -> EntryBody:
    """Write an entry; the next question is searched for with it."""
    base = await find_kb(service, kb, principal)
    return _body(await asyncio.to_thread(_rows(service).add, base.id, body.draft(), body.by))


@router.get("/export", response_class=Response, responses={200: {"content": CSV_SCHEMA}})
async def export_glossary(kb: KbName, service: ServiceOf, principal: Authenticated) -> Response:
    """All of it as CSV: one row an entry, its terms on lines of one cell."""
    base = await find_kb(service, kb, principal)
    return csv_file("glossary.csv", to_csv(await asyncio.to_thread(_rows(service).all, base.id)))


@router.post("/import", openapi_extra={"requestBody": {"required": True, "content": CSV_SCHEMA}})
async def import_glossary(kb: KbName, request: HttpRequest, service: ServiceOf, principal: Authenticated) -> Imported:
    """Bring in such a CSV, all of it or nothing; a row whose id or term is known replaces what is there."""
    base = await find_kb(service, kb, principal)
    text = await csv_text(request)
    new, replaced = await asyncio.to_thread(lambda: _rows(service).bring_in(base.id, from_csv(text)))
    return Imported(new=new, replaced=replaced)


@router.put("/{entry_id}")
async def replace_entry(
    kb: KbName, entry_id: Text, body: NewEntry, service: ServiceOf, principal: Authenticated
) -> EntryBody:
    """Put other terms in an entry's place."""
    base = await find_kb(service, kb, principal)
    return _body(await asyncio.to_thread(_rows(service).replace, base.id, entry_id, body.draft(), body.by))


@router.delete("/{entry_id}", status_code=204)
async def remove_entry(kb: KbName, entry_id: Text, service: ServiceOf, principal: Authenticated) -> None:
    """Forget an entry."""
    base = await find_kb(service, kb, principal)
    await asyncio.to_thread(_rows(service).remove, base.id, entry_id)


def _rows(service: Service) -> Glossary:
    return Glossary(service.workspace.engine)


def _body(entry: GlossaryEntry) -> EntryBody:
    return EntryBody(
        id=entry.id,
        terms=list(entry.draft.terms),
        one_way=entry.draft.one_way,
        written_by=entry.written_by,
        created_at=entry.created_at,
        updated_at=entry.updated_at,
    )
