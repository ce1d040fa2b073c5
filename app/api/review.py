"""What an admin has to look at in a knowledge base: drafts that wait, and wordings whose passage is gone."""

from __future__ import annotations

import asyncio

from fastapi import APIRouter

from app.api.answering import find_kb
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.document_models import DocumentBody, Review
from app.api.documents import bodies_of
from app.api.models import KbName
from ingest.edits import EditRows

router = APIRouter(prefix="/api", tags=["curation"])
_AT_ONCE = 500


@router.get("/knowledge-bases/{kb}/review")
async def review(kb: KbName, service: ServiceOf, principal: Authenticated) -> Review:
    """Documents with a draft that can be published, and documents with wordings that are to be put elsewhere."""
    base = await find_kb(service, kb, principal)
    catalog = service.workspace.catalog

    def found() -> Review:
        edits = EditRows(catalog.engine)
        edited = edits.edited_documents()
        drafts: list[DocumentBody] = []
        moved: list[DocumentBody] = []
        total = catalog.count_documents(base)
        for offset in range(0, total, _AT_ONCE):
            documents = catalog.documents(base, limit=_AT_ONCE, offset=offset)
            waiting = catalog.drafts([document.id for document in documents])
            drafts += bodies_of(service, [each for each in documents if each.id in waiting])
            looked_for = [each for each in documents if each.id in edited]
            gone = [each for each in looked_for if any(e.state == "moved" for e in edits.of_document(each.id))]
            moved += bodies_of(service, gone)
        return Review(kb=base.name, drafts=drafts, moved=moved)

    return await asyncio.to_thread(found)
