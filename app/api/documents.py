"""Documents: upload, list, look into, fetch, ingest again, delete."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote

from fastapi import APIRouter, File, Form, Header, Query, UploadFile
from fastapi.responses import FileResponse

from app.api.answering import find_kb
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.document_models import (
    DocumentBody,
    DocumentPage,
    DocumentWithVersions,
    ProgressBody,
    Uploaded,
    UploadedDocument,
    VersionBody,
)
from app.api.models import KbName, Limit, Offset, Text
from app.errors import Conflict, TooLarge, UsageError
from app.ingestion import Progress
from app.received import IncomingFile, Receiver, accept
from app.service import Service
from ingest.errors import NotFound
from ingest.records import UNFINISHED, Document, KnowledgeBase, State, Version
from ingest.schema import Filters, Principal

router = APIRouter(prefix="/api", tags=["documents"])
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@router.get("/knowledge-bases/{kb}/documents")
async def list_documents(
    kb: KbName,
    service: ServiceOf,
    principal: Authenticated,
    state: State | None = None,
    search: Annotated[str, Query(max_length=200)] = "",
    tag: Annotated[list[str] | None, Query(max_length=50, description="Documents with any of these.")] = None,
    source: Annotated[str, Query(max_length=2000, description="What the source address begins with.")] = "",
    limit: Limit = 100,
    offset: Offset = 0,
) -> DocumentPage:
    """Documents of a knowledge base, by name, with state and progress, and what is said of them."""
    base = await find_kb(service, kb, principal)
    catalog, wanted = service.workspace.catalog, storable(search)
    filters = Filters(tuple(storable(each) for each in tag or []), storable(source))

    def page() -> DocumentPage:
        found = catalog.documents(base, state=state, search=wanted, filters=filters, limit=limit, offset=offset)
        total = catalog.count_documents(base, state=state, search=wanted, filters=filters)
        return DocumentPage(kb=base.name, documents=bodies_of(service, found), total=total)

    return await asyncio.to_thread(page)


@router.post("/knowledge-bases/{kb}/documents", status_code=202)
async def upload_documents(
    kb: KbName,
    files: Annotated[list[UploadFile], File(description="One part a file, all named `files`.")],
    service: ServiceOf,
    principal: Authenticated,
    draft: Annotated[bool, Form(description="Do not let it go live before it is published.")] = False,
    idempotency_key: Annotated[
        str | None, Header(description="Send it again with a retry: nothing is done twice.")
    ] = None,
) -> Uploaded:
    """Upload files; the reply comes once they are safe on disk, ingestion goes on in the background.

    A file that no parser reads is accepted, too; it ends as failed, with its reason.
    """
    if len(files) > service.settings.app.upload_max_files:
        raise TooLarge(f"{len(files)} files at once; send {service.settings.app.upload_max_files} at most")
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        raise UsageError("Idempotency-Key: use 1 to 200 visible ASCII characters, a UUID for example")
    base = await find_kb(service, kb, principal)
    incoming = [IncomingFile(upload.filename or "", upload.file) for upload in files]
    receiver = Receiver(service.workspace, service.idempotency)
    received = await asyncio.to_thread(receiver.receive, base, incoming, idempotency_key, draft)
    service.ingestor.wake()

    def bodies() -> list[UploadedDocument]:
        found = []
        for each in received:
            document = _unless_gone(service, base, each.document)
            if document is not None:
                values = body_of(service, document).model_dump()
                found.append(UploadedDocument(**values, unchanged=each.unchanged))
        return found

    return Uploaded(kb=base.name, documents=await asyncio.to_thread(bodies))


@router.get("/documents/{document_id}")
async def show_document(document_id: Text, service: ServiceOf, principal: Authenticated) -> DocumentWithVersions:
    """A document with all its versions."""
    base, document = await find_document(service, document_id, principal)
    versions = await asyncio.to_thread(service.workspace.catalog.versions, document)
    values = (await asyncio.to_thread(body_of, service, document)).model_dump()
    return DocumentWithVersions(**values, kb=base.name, versions=[_version(version) for version in versions])


@router.get(
    "/documents/{document_id}/file",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def fetch_file(document_id: Text, service: ServiceOf, principal: Authenticated) -> FileResponse:
    """The file as it was uploaded."""
    _, document = await find_document(service, document_id, principal)
    path = service.workspace.files.path(document.latest.content_hash)
    if not await asyncio.to_thread(path.is_file):
        raise NotFound(f"the file of {document.name!r} is not kept any more; upload it again")
    name = document.name.rsplit("/", 1)[-1]
    # Never shown in the browser: an uploaded page would run in our name.
    headers = {
        "Content-Disposition": f"attachment; filename*=utf-8''{quote(name)}",
        "X-Content-Type-Options": "nosniff",
    }
    return FileResponse(path, media_type="application/octet-stream", headers=headers)


@router.post("/documents/{document_id}/reprocess", status_code=202)
async def reprocess_document(document_id: Text, service: ServiceOf, principal: Authenticated) -> DocumentBody:
    """Ingest a document again from its stored file, after a failure or an update; unchanged ones stay as they are."""
    base, document = await find_document(service, document_id, principal)
    latest = document.latest
    if latest.state not in UNFINISHED:
        path = service.workspace.files.path(latest.content_hash)
        if not await asyncio.to_thread(path.is_file):
            raise NotFound(f"the file of {document.name!r} is not kept any more; upload it again")
        pipeline = service.workspace.pipeline
        what = (base, document.name, latest.content_hash, latest.size_bytes, latest.draft)
        await asyncio.to_thread(accept, pipeline, *what)
        service.ingestor.wake()
    _, document = await find_document(service, document_id, principal)
    return await asyncio.to_thread(body_of, service, document)


@router.post("/documents/{document_id}/cancel", status_code=202)
async def cancel_document(document_id: Text, service: ServiceOf, principal: Authenticated) -> DocumentBody:
    """End a document's ingestion; it becomes failed, and what was live before stays live."""
    _, document = await find_document(service, document_id, principal)
    if not await asyncio.to_thread(service.ingestor.cancel, document.id):
        raise Conflict(f"{document.name!r} is not being ingested; there is nothing to cancel")
    _, document = await find_document(service, document_id, principal)
    return await asyncio.to_thread(body_of, service, document)


@router.delete("/documents/{document_id}", status_code=204)
async def delete_document(document_id: Text, service: ServiceOf, principal: Authenticated) -> None:
    """Delete a document with its passages and its stored file."""
    base, document = await find_document(service, document_id, principal)
    await asyncio.to_thread(service.workspace.pipeline.delete, base, document.name)


async def find_document(service: Service, document_id: str, principal: Principal) -> tuple[KnowledgeBase, Document]:
    """A document with its knowledge base.

    Raises:
        NotFound: there is none with that id.
    """
    return await asyncio.to_thread(service.workspace.catalog.document_by_id, document_id, principal.tenant)


def _unless_gone(service: Service, kb: KnowledgeBase, name: str) -> Document | None:
    """A document that was just received; somebody may have deleted it since."""
    try:
        return service.workspace.catalog.document(kb, name)
    except NotFound:
        return None


def storable(text: str) -> str:
    """A query without the character that no name, tag or address holds, and that PostgreSQL refuses."""
    return text.replace("\x00", "")


def body_of(service: Service, document: Document) -> DocumentBody:
    """A document as it goes over the wire; blocks."""
    return bodies_of(service, [document])[0]


def bodies_of(service: Service, documents: Sequence[Document]) -> list[DocumentBody]:
    """The same of many."""
    drafts = service.workspace.catalog.drafts([document.id for document in documents])
    return [_body(service, document, drafts.get(document.id)) for document in documents]


def _body(service: Service, document: Document, draft: Version | None) -> DocumentBody:
    latest, said = document.latest, document.curation
    live = document.live_version_id is not None
    working = latest.state in UNFINISHED and latest.state is not State.RECEIVED
    progress = service.ingestor.progress_of(latest) if working else None
    return DocumentBody(
        id=document.id,
        document=document.name,
        title=document.title,
        state=latest.state,
        reason=latest.reason,
        warnings=list(latest.warnings),
        live=live,
        format=latest.format,
        pages=latest.pages,
        chunks=latest.chunks,
        bytes=latest.size_bytes,
        version=latest.id,
        generation=latest.generation,
        updated_at=latest.updated_at,
        progress=_progress(progress),
        enabled=said.enabled,
        valid_from=said.valid_from,
        valid_until=said.valid_until,
        tags=list(said.tags),
        source=said.source,
        visible=live and said.shown(datetime.now(UTC)),
        draft=draft.id if draft is not None else None,
        parent=document.parent_id,
    )


def _progress(progress: Progress | None) -> ProgressBody | None:
    if progress is None:
        return None
    return ProgressBody(stage=progress.stage, done=progress.done, total=progress.total, stalled=progress.stalled)


def _version(version: Version) -> VersionBody:
    return VersionBody(
        version=version.id,
        generation=version.generation,
        state=version.state,
        reason=version.reason,
        warnings=list(version.warnings),
        format=version.format,
        pages=version.pages,
        chunks=version.chunks,
        bytes=version.size_bytes,
        live=version.live,
        draft=version.draft,
        updated_at=version.updated_at,
    )
