"""/api/knowledge-bases: create, list, rename, verify, delete."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from app.api.answering import find_kb
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.document_models import (
    KnowledgeBaseBody,
    KnowledgeBaseList,
    LostDocument,
    NewKnowledgeBase,
    Verified,
)
from app.api.models import KbName
from app.service import Service
from ingest.records import Counts, KnowledgeBase

router = APIRouter(prefix="/api/knowledge-bases", tags=["knowledge bases"])


@router.get("")
async def list_knowledge_bases(service: ServiceOf, principal: Authenticated) -> KnowledgeBaseList:
    """All knowledge bases, by name."""
    bases = await asyncio.to_thread(service.workspace.catalog.knowledge_bases, principal.tenant)
    counts = await asyncio.to_thread(service.workspace.catalog.counts, principal.tenant)
    return KnowledgeBaseList(knowledge_bases=[_body(kb, counts.get(kb.id, Counts())) for kb in bases])


@router.post("", status_code=201)
async def create_knowledge_base(
    body: NewKnowledgeBase, service: ServiceOf, principal: Authenticated
) -> KnowledgeBaseBody:
    """Create an empty knowledge base."""
    made = await asyncio.to_thread(service.workspace.catalog.create_knowledge_base, body.name, principal.tenant)
    return _body(made, Counts())


@router.get("/{kb}")
async def show_knowledge_base(kb: KbName, service: ServiceOf, principal: Authenticated) -> KnowledgeBaseBody:
    """One knowledge base with its documents counted."""
    return await _counted(service, await find_kb(service, kb, principal))


@router.patch("/{kb}")
async def rename_knowledge_base(
    kb: KbName, body: NewKnowledgeBase, service: ServiceOf, principal: Authenticated
) -> KnowledgeBaseBody:
    """Give it another name; its documents stay."""
    rename = service.workspace.catalog.rename_knowledge_base
    return await _counted(service, await asyncio.to_thread(rename, kb, body.name, principal.tenant))


@router.delete("/{kb}", status_code=204)
async def delete_knowledge_base(kb: KbName, service: ServiceOf, principal: Authenticated) -> None:
    """Delete it with its documents, index and stored files."""
    found = await find_kb(service, kb, principal)
    await asyncio.to_thread(service.workspace.pipeline.delete_knowledge_base, found)


@router.post("/{kb}/verify")
async def verify_knowledge_base(kb: KbName, service: ServiceOf, principal: Authenticated) -> Verified:
    """Compare catalog and index both ways; orphan points go, documents that lost some are ingested again."""
    found = await find_kb(service, kb, principal)
    wrong = await asyncio.to_thread(service.workspace.pipeline.verify, found)
    if any(mismatch.queued for mismatch in wrong):
        service.ingestor.wake()
    lost = [
        LostDocument(document=m.document, expected=m.expected, found=m.found, queued=m.queued)
        for m in wrong
        if m.document
    ]
    return Verified(kb=found.name, lost=lost, orphans_removed=sum(m.found for m in wrong if not m.document))


async def _counted(service: Service, kb: KnowledgeBase) -> KnowledgeBaseBody:
    counts = await asyncio.to_thread(service.workspace.catalog.counts, kb.tenant)
    return _body(kb, counts.get(kb.id, Counts()))


def _body(kb: KnowledgeBase, counts: Counts) -> KnowledgeBaseBody:
    return KnowledgeBaseBody(
        name=kb.name,
        documents=counts.documents,
        ready=counts.ready,
        failed=counts.failed,
        in_progress=counts.in_progress,
        chunks=counts.chunks,
        embedding_model=kb.embedding_model,
        created_at=kb.created_at,
    )
