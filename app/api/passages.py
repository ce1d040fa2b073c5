"""Passages: looked at, searched, worded anew by a person, put back."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query

from app.api.answering import find_kb
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.document_models import (
    BoxBody,
    ChunkBody,
    ChunkPage,
    EditBody,
    EditedChunk,
    EditList,
    FoundChunk,
    FoundChunks,
    OfferedEdit,
    Place,
    SuggestionBody,
    Wording,
)
from app.api.documents import find_document, storable
from app.api.models import KbName, Limit, Offset, Text
from app.curation import edits_of
from ingest.curation import Writing
from ingest.edits import Edit, Offered
from ingest.errors import NotFound
from ingest.index.base import Hit
from ingest.passages import find_passages

router = APIRouter(prefix="/api", tags=["passages"])


@router.get("/documents/{document_id}/chunks")
async def list_chunks(
    document_id: Text,
    service: ServiceOf,
    principal: Authenticated,
    version: Annotated[str | None, Query(max_length=64, description="The live version, when not given.")] = None,
    page: Annotated[int | None, Query(ge=1, le=1_000_000, description="Those of one page.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> ChunkPage:
    """The passages of the live version, or of the draft that `version` names, in order."""
    base, document = await find_document(service, document_id, principal)

    def indexed() -> tuple[Writing | None, list[Hit]]:
        writings = list(service.workspace.catalog.writings(base.id, document.id).values())
        of = next((w for w in writings if (w.live if version is None else w.version == version)), None)
        if of is None:
            if version is not None:
                raise NotFound(
                    f"{document.name!r} has no live version and no draft {version!r}; older ones are not kept"
                )
            return None, []
        hits = service.workspace.index.points(base.id, of.version, of.generation)
        return of, sorted(hits, key=lambda hit: int(hit.payload["ordinal"]))

    of, found = await asyncio.to_thread(indexed)
    title = str(found[0].payload["title"]) if found else document.title
    if page is not None:
        found = [hit for hit in found if page in hit.payload["pages"]]
    return ChunkPage(
        document=document.name,
        title=title,
        version=of.version if of is not None else None,
        draft=of is not None and not of.live,
        total=len(found),
        chunks=[_chunk(hit.id, hit.payload) for hit in found[offset : offset + limit]],
    )


@router.get("/knowledge-bases/{kb}/chunks")
async def search_chunks(
    kb: KbName,
    service: ServiceOf,
    principal: Authenticated,
    search: Annotated[str, Query(max_length=500, description="Words that the passage or its headings hold.")] = "",
    flag: Annotated[str | None, Query(max_length=100)] = None,
    document: Annotated[str | None, Query(max_length=1000, description="A document's name.")] = None,
    limit: Limit = 50,
    offset: Offset = 0,
) -> FoundChunks:
    """Live passages by their words, flag and document, those of disabled documents too."""
    base = await find_kb(service, kb, principal)
    workspace = service.workspace

    def page() -> FoundChunks:
        found = find_passages(
            workspace.catalog,
            workspace.index,
            base,
            search=storable(search),
            flag=storable(flag) if flag else None,
            document=storable(document) if document else None,
            limit=limit,
            offset=offset,
        )
        chunks = [
            FoundChunk(
                **_chunk(hit.id, hit.payload).model_dump(),
                document=writing.document,
                document_id=writing.document_id,
                title=str(hit.payload["title"]),
            )
            for writing, hit in found.passages
        ]
        return FoundChunks(kb=base.name, total=found.total, flags=found.flags, chunks=chunks)

    return await asyncio.to_thread(page)


@router.put("/documents/{document_id}/chunks/{chunk}")
async def edit_chunk(
    document_id: Text, chunk: Text, body: Wording, service: ServiceOf, principal: Authenticated
) -> EditedChunk:
    """Put a person's wording in a passage's place, at once and in later versions that have the same text.

    `chunk` is a passage's id, or its text_hash.
    """
    base, document = await find_document(service, document_id, principal)
    edit, hit = await asyncio.to_thread(edits_of(service.workspace).edit, base, document, chunk, body.text, body.by)
    return EditedChunk(edit=_edit(edit), chunk=_chunk(hit.id, hit.payload))


@router.get("/documents/{document_id}/edits")
async def list_edits(document_id: Text, service: ServiceOf, principal: Authenticated) -> EditList:
    """Persons' wordings of a document's passages; those whose text is gone with the passages that come nearest."""
    base, document = await find_document(service, document_id, principal)
    found = await asyncio.to_thread(edits_of(service.workspace).offered, base, document)
    return EditList(document=document.name, edits=[_offered(each) for each in found])


@router.post("/documents/{document_id}/edits/{edit}/apply")
async def apply_edit(
    document_id: Text, edit: Text, body: Place, service: ServiceOf, principal: Authenticated
) -> EditedChunk:
    """Put a wording in the place of another passage, one that its text has moved to."""
    base, document = await find_document(service, document_id, principal)
    applied, hit = await asyncio.to_thread(edits_of(service.workspace).apply, base, document, edit, body.text_hash)
    return EditedChunk(edit=_edit(applied), chunk=_chunk(hit.id, hit.payload))


@router.delete("/documents/{document_id}/edits/{edit}", status_code=204)
async def undo_edit(document_id: Text, edit: Text, service: ServiceOf, principal: Authenticated) -> None:
    """Forget a wording; where it stands, the passage's own text comes back."""
    base, document = await find_document(service, document_id, principal)
    await asyncio.to_thread(edits_of(service.workspace).undo, base, document, edit)


def _chunk(identity: str, payload: Mapping[str, Any]) -> ChunkBody:
    boxes = [BoxBody(page=int(p), x0=x0, y0=y0, x1=x1, y1=y1) for p, x0, y0, x1, y1 in payload.get("boxes", ())]
    return ChunkBody.model_validate({**payload, "id": identity, "boxes": boxes}, extra="ignore")


def _edit(edit: Edit) -> EditBody:
    return EditBody(
        id=edit.id,
        text_hash=edit.text_hash,
        heading_path=list(edit.heading_path),
        original=edit.original,
        text=edit.text,
        state=edit.state,
        edited_by=edit.edited_by,
        created_at=edit.created_at,
        updated_at=edit.updated_at,
    )


def _offered(offered: Offered) -> OfferedEdit:
    suggestions = [
        SuggestionBody(likeness=round(each.likeness, 3), chunk=_chunk(each.chunk_id, each.payload))
        for each in offered.suggestions
    ]
    return OfferedEdit(**_edit(offered.edit).model_dump(), chunk_id=offered.chunk_id, suggestions=suggestions)
