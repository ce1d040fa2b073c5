"""Pages of documents as pictures, for the staff to look at beside the passages."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from threading import Lock
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.documents import find_document
from app.api.models import Text
from ingest.errors import NotFound
from ingest.page_images import page_image

router = APIRouter(prefix="/api", tags=["documents"])
WIDTH = 1000
MOST_KEPT = 64
KEPT_BYTES = 32 * 1024 * 1024
# Drawn at the same time; every drawing is a process of its own.
_AT_ONCE = 2


class PictureCache:
    """The pictures asked for last, by content and page."""

    def __init__(self, count: int = MOST_KEPT, size: int = KEPT_BYTES) -> None:
        self._count, self._size = count, size
        self._kept: OrderedDict[tuple[str, int], bytes] = OrderedDict()
        self._lock = Lock()

    def get(self, key: tuple[str, int]) -> bytes | None:
        """A picture that is kept."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
            return self._kept.get(key)

    def put(self, key: tuple[str, int], picture: bytes) -> None:
        """Keep a picture; those not asked for longest go."""
        with self._lock:
            self._kept[key] = picture
            while len(self._kept) > self._count or sum(map(len, self._kept.values())) > self._size:
                self._kept.popitem(last=False)


_cache = PictureCache()
_drawing = asyncio.Semaphore(_AT_ONCE)


@router.get(
    "/documents/{document_id}/pages/{page}.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}},
)
async def show_page(
    document_id: Text,
    page: Annotated[int, Path(ge=1, le=1_000_000)],
    service: ServiceOf,
    principal: Authenticated,
    version: Annotated[str | None, Query(max_length=64, description="The live version, when not given.")] = None,
) -> Response:
    """A page of a PDF or picture as PNG, 1,000 pixels wide; 404 for formats without pages."""
    _, document = await find_document(service, document_id, principal)
    versions = await asyncio.to_thread(service.workspace.catalog.versions, document)
    shown = next((each for each in versions if (each.live if version is None else each.id == version)), None)
    if shown is None:
        raise NotFound(f"{document.name!r} has no such version; nothing of it can be shown")
    key = (shown.content_hash, page)
    picture = _cache.get(key)
    if picture is None:
        path = service.workspace.files.path(shown.content_hash)
        if not await asyncio.to_thread(path.is_file):
            raise NotFound(f"the file of {document.name!r} is not kept any more; upload it again")
        async with _drawing:
            picture = await asyncio.to_thread(page_image, path, page, width=WIDTH)
        _cache.put(key, picture)
    headers = {"X-Content-Type-Options": "nosniff", "Cache-Control": "private, max-age=3600"}
    return Response(picture, media_type="image/png", headers=headers)
