"""/api/knowledge-bases/{kb}/sources: folders, buckets and pages that a knowledge base is kept in step with."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.answering import find_kb
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.models import KbName, Moment, Request, Text
from app.errors import Conflict
from app.service import Service
from app.sources import SourceState, remove
from ingest.errors import NotFound
from ingest.records import KnowledgeBase
from ingest.schema import Principal
from ingest.sources.addresses import check_for_strangers, normal_address
from ingest.sources.rows import Source, Sources

router = APIRouter(prefix="/api/knowledge-bases/{kb}/sources", tags=["sources"])
_YEAR_S = 366 * 24 * 3600


class NewSource(Request):
    """An address to keep in step with; the same address again changes its prefix and interval.

    `address`: `s3://BUCKET/PREFIX`, `https://` addresses (pages, files, a `.xml` map of a site, a `.urls` list), or a
    folder of the server below FRONTDESK_SOURCE_FOLDERS. `every_s`: seconds between two looks; 0 only when asked for.
    """

    address: Annotated[Text, Field(min_length=1, max_length=2000, examples=["s3://manuals/public"])]
    prefix: Annotated[Text, Field(max_length=200)] | None = None
    every_s: Annotated[int, Field(ge=0, le=_YEAR_S)] | None = None


class LookRequest(Request):
    """`allow_empty`: believe a source that shows no file any more, and delete what came from it."""

    allow_empty: bool = False


class FileNote(BaseModel):
    """A file of a source that is not, or not again, a document; and why."""

    file: str
    reason: str


class OutcomeBody(BaseModel):
    """What the last finished look found, by files; `documents` are the names of those received, with their files.

    `left_off`: entries beyond the 10,000 of a kind that are kept.
    """

    new: list[str]
    changed: list[str]
    gone: list[str]
    unchanged: int
    skipped: list[FileNote]
    failed: list[FileNote]
    seconds: float
    documents: dict[str, str] = {}
    left_off: int = 0


class SourceBody(BaseModel):
    """A source; `problem` says why the last look could not be finished, nothing was deleted then."""

    id: str
    address: str
    prefix: str
    every_s: int
    state: SourceState
    checked_at: Moment | None
    problem: str
    outcome: OutcomeBody | None


class SourceList(BaseModel):
    """Sources of a knowledge base, oldest first."""

    kb: str
    sources: list[SourceBody]


@router.get("")
async def list_sources(kb: KbName, service: ServiceOf, principal: Authenticated) -> SourceList:
    """All sources, with what the last look at each found."""
    base = await find_kb(service, kb, principal)
    states = service.sources.states()
    found = await asyncio.to_thread(_rows(service).sources, base.id)
    return SourceList(kb=base.name, sources=[_body(source, states) for source in found])


@router.post("", status_code=201)
async def add_source(kb: KbName, body: NewSource, service: ServiceOf, principal: Authenticated) -> SourceBody:
    """Keep the knowledge base in step with an address; nothing is looked at before it is asked for, or due."""
    base = await find_kb(service, kb, principal)

    def keep() -> Source:
        address = normal_address(body.address)
        check_for_strangers(address, service.settings.ingest)
        return _rows(service).keep(base.id, address, body.prefix, body.every_s)

    states = service.sources.states()
    return _body(await asyncio.to_thread(keep), states)


@router.get("/{source_id}")
async def show_source(kb: KbName, source_id: Text, service: ServiceOf, principal: Authenticated) -> SourceBody:
    """One source, with what the last look found."""
    states = service.sources.states()
    _, source = await _find(service, kb, source_id, principal)
    return _body(source, states)


@router.post("/{source_id}/sync", status_code=202)
async def sync_source(
    kb: KbName, source_id: Text, service: ServiceOf, principal: Authenticated, body: LookRequest | None = None
) -> SourceBody:
    """Look at it in the background; `state` says when that is over, then `outcome` or `problem` what came of it."""
    _, source = await _find(service, kb, source_id, principal)
    service.sources.ask(source.id, allow_empty=body is not None and body.allow_empty)
    return _body(source, service.sources.states())


@router.delete("/{source_id}", status_code=204)
async def remove_source(
    kb: KbName, source_id: Text, service: ServiceOf, principal: Authenticated, documents: bool = False
) -> None:
    """Stop keeping in step with it; its documents stay, unless `documents` asks for their deletion."""
    base, source = await _find(service, kb, source_id, principal)
    if service.sources.states().get(source.id) == "running":
        raise Conflict(f"{source.address} is being looked at now; remove it when that is over")
    await asyncio.to_thread(remove, service.workspace, base, source, documents=documents)


def _rows(service: Service) -> Sources:
    return Sources(service.workspace.engine)


async def _find(service: Service, kb: str, source_id: str, principal: Principal) -> tuple[KnowledgeBase, Source]:
    base = await find_kb(service, kb, principal)
    source = await asyncio.to_thread(_rows(service).source, source_id)
    if source.knowledge_base_id != base.id:
        raise NotFound(f"no source with the id {source_id!r} in knowledge base {kb!r}")
    return base, source


def _body(source: Source, states: Mapping[str, SourceState]) -> SourceBody:
    return SourceBody(
        id=source.id,
        address=source.address,
        prefix=source.prefix,
        every_s=source.every_s,
        state=states.get(source.id, "idle"),
        checked_at=source.checked_at,
        problem=source.problem,
        outcome=OutcomeBody.model_validate(json.loads(source.outcome)) if source.outcome else None,
    )
