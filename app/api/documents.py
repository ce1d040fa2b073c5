"""Documents: upload, list, look into, fetch, ingest again, delete."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, File, Header, Query, UploadFile
from fastapi.responses import FileResponse

from app.api.answering import find_kb
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.models import (
    ChunkBody,
    ChunkPage,
    DocumentBody,
    DocumentPage,
    DocumentWithVersions,
    KbName,
    ProgressBody,
    Text,
    Uploaded,
    UploadedDocument,
    VersionBody,
)
from app.errors import Conflict, TooLarge, UsageError
from app.ingestion import Progress
from app.received import IncomingFile, Receiver, accept
from app.service import Service
from ingest.errors import NotFound
from ingest.records import UNFINISHED, Document, KnowledgeBase, State, Version
from ingest.schema import Principal

router = APIRouter(prefix="/api", tags=["documents"])
Limit = Annotated[int, Query(ge=1, le=1000)]
Offset = Annotated[int, Query(ge=0, le=1_000_000_000)]
_KEY = re.compile(r"[\x21-\x7e]{1,200}")


@router.get("/knowledge-bases/{kb}/documents")
async def list_documents(
    kb: KbName,
    service: ServiceOf,
    principal: Authenticated,
    state: State | None = None,
    search: Annotated[str, Query(max_length=200)] = "",
    limit: Limit = 100,
    offset: Offset = 0,
) -> DocumentPage:
    """Documents of a knowledge base, by name, with state and progress."""
    base = await find_kb(service, kb, principal)
    catalog, wanted = service.workspace.catalog, search.replace("\x00", "")

    def page() -> tuple[list[Document], int]:
        found = catalog.documents(base, state=state, search=wanted, limit=limit, offset=offset)
        return found, catalog.count_documents(base, state=state, search=wanted)

    found, total = await asyncio.to_thread(page)
    return DocumentPage(kb=base.name, documents=[_body(service, document) for document in found], total=total)


@router.post("/knowledge-bases/{kb}/documents", status_code=202)
async def upload_documents(
    kb: KbName,
    files: Annotated[list[UploadFile], File(description="One part a file, all named `files`.")],
    service: ServiceOf,
    principal: Authenticated,
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
    received = await asyncio.to_thread(receiver.receive, base, incoming, idempotency_key)
    service.ingestor.wake()

    def bodies() -> list[UploadedDocument]:
        found = []
        for each in received:
            document = _unless_gone(service, base, each.document)
            if document is not None:
                values = _body(service, document).model_dump()
                found.append(UploadedDocument(**values, unchanged=each.unchanged))
        return found

    return Uploaded(kb=base.name, documents=await asyncio.to_thread(bodies))


@router.get("/documents/{document_id}")
async def show_document(document_id: Text, service: ServiceOf, principal: Authenticated) -> DocumentWithVersions:
    """A document with all its versions."""
    base, document = await _find(service, document_id, principal)
    versions = await asyncio.to_thread(service.workspace.catalog.versions, document)
    values = _body(service, document).model_dump()
    return DocumentWithVersions(**values, kb=base.name, versions=[_version(version) for version in versions])


@router.get("/documents/{document_id}/chunks")
async def list_chunks(
    document_id: Text, service: ServiceOf, principal: Authenticated, limit: Limit = 50, offset: Offset = 0
) -> ChunkPage:
    """The passages of the live version, in order."""
    base, document = await _find(service, document_id, principal)

    def indexed() -> list[dict[str, Any]]:
        live = next((v for v in service.workspace.catalog.versions(document) if v.live), None)
        if live is None:
            return []
        hits = service.workspace.index.points(base.id, live.id, live.generation)
        return sorted((hit.payload for hit in hits), key=lambda payload: int(payload["ordinal"]))

    found = await asyncio.to_thread(indexed)
    some = [ChunkBody.model_validate(payload, extra="ignore") for payload in found[offset : offset + limit]]
    return ChunkPage(document=document.name, title=document.title, total=len(found), chunks=some)


@router.get(
    "/documents/{document_id}/file",
    response_class=FileResponse,
    responses={200: {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def fetch_file(document_id: Text, service: ServiceOf, principal: Authenticated) -> FileResponse:
    """The file as it was uploaded."""
    _, document = await _find(service, document_id, principal)
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
    base, document = await _find(service, document_id, principal)
    latest = document.latest
    if latest.state not in UNFINISHED:
        path = service.workspace.files.path(latest.content_hash)
        if not await asyncio.to_thread(path.is_file):
            raise NotFound(f"the file of {document.name!r} is not kept any more; upload it again")
        pipeline = service.workspace.pipeline
        await asyncio.to_thread(accept, pipeline, base, document.name, latest.content_hash, latest.size_bytes)
        service.ingestor.wake()
    _, document = await _find(service, document_id, principal)
    return _body(service, document)


@router.post("/documents/{document_id}/cancel", status_code=202)
async def cancel_document(document_id: Text, service: ServiceOf, principal: Authenticated) -> DocumentBody:
    """End a document's ingestion; it becomes failed, and what was live before stays live."""
    _, document = await _find(service, document_id, principal)
    if not await asyncio.to_thread(service.ingestor.cancel, document.id):
        raise Conflict(f"{document.name!r} is not being ingested; there is nothing to cancel")
    _, document = await _find(service, document_id, principal)
    return _body(service, document)


@router.delete("/documents/{document_id}", status_code=204)
async def delete_document(document_id: Text, service: ServiceOf, principal: Authenticated) -> None:
    """Delete a document with its passages and its stored file."""
    base, document = await _find(service, document_id, principal)
    await asyncio.to_thread(service.workspace.pipeline.delete, base, document.name)


async def _find(service: Service, document_id: str, principal: Principal) -> tuple[KnowledgeBase, Document]:
    return await asyncio.to_thread(service.workspace.catalog.document_by_id, document_id, principal.tenant)


def _unless_gone(service: Service, kb: KnowledgeBase, name: str) -> Document | None:
    """A document that was just received; somebody may have deleted it since."""
    try:
        return service.workspace.catalog.document(kb, name)
    except NotFound:
        return None


def _body(service: Service, document: Document) -> DocumentBody:
    latest = document.latest
    working = latest.state in UNFINISHED and latest.state is not State.RECEIVED
    progress = service.ingestor.progress_of(latest) if working else None
    return DocumentBody(
        id=document.id,
        document=document.name,
        title=document.title,
        state=latest.state,
        reason=latest.reason,
        warnings=list(latest.warnings),
        live=document.live_version_id is not None,
        format=latest.format,
        pages=latest.pages,
        chunks=latest.chunks,
        bytes=latest.size_bytes,
        version=latest.id,
        generation=latest.generation,
        updated_at=latest.updated_at,
        progress=_progress(progress),
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
        updated_at=version.updated_at,
    )
