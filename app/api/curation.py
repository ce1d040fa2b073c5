"""What an admin says of documents: enabled or not, valid from and until, tags, source; drafts; what a deletion takes."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from fastapi import APIRouter

from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.document_models import CurationChange, Deletion, DocumentBody, Going
from app.api.documents import body_of, find_document
from app.api.models import Text
from app.curation import discard, going, publish
from app.errors import Conflict

router = APIRouter(prefix="/api", tags=["curation"])


@router.patch("/documents/{document_id}")
async def curate_document(
    document_id: Text, body: CurationChange, service: ServiceOf, principal: Authenticated
) -> DocumentBody:
    """Disable or enable a document, or change its time, tags and source; it holds for the next question."""
    base, document = await find_document(service, document_id, principal)
    change = service.workspace.pipeline.stages.curator.change
    await asyncio.to_thread(change, base, document, lambda said: replace(said, **body.given))
    _, document = await find_document(service, document_id, principal)
    return await asyncio.to_thread(body_of, service, document)


@router.post("/documents/{document_id}/publish")
async def publish_document(document_id: Text, service: ServiceOf, principal: Authenticated) -> DocumentBody:
    """Make a document's draft its live version, in one step; the version before goes.

    A file that holds other files is ingested once more, as no draft: its state is `received` then.
    """
    base, document = await find_document(service, document_id, principal)
    if not await asyncio.to_thread(publish, service.workspace, base, document):
        raise Conflict(f"a newer version of {document.name!r} went live meanwhile; its draft is gone")
    service.ingestor.wake()
    _, document = await find_document(service, document_id, principal)
    return await asyncio.to_thread(body_of, service, document)


@router.delete("/documents/{document_id}/draft", status_code=204)
async def discard_draft(document_id: Text, service: ServiceOf, principal: Authenticated) -> None:
    """Forget a document's draft, and the document, if it has no other version."""
    _, document = await find_document(service, document_id, principal)
    await asyncio.to_thread(discard, service.workspace, document)


@router.get("/documents/{document_id}/deletion")
async def show_deletion(document_id: Text, service: ServiceOf, principal: Authenticated) -> Deletion:
    """What deleting a document would take with it; nothing is deleted."""
    base, document = await find_document(service, document_id, principal)
    found = [Going.model_validate(each) for each in await asyncio.to_thread(going, service.workspace, base, document)]
    return Deletion(documents=found, passages=sum(each.passages for each in found))
