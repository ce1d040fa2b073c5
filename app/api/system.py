"""Is it alive, is it ready, how is it doing: for load balancers, for Prometheus, for people."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version

from fastapi import APIRouter, Response

from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.models import Alive, ComponentBody, IngestionState, Limits, ModelServerBody, Readiness, SystemBody
from app.metrics import CONTENT_TYPE
from app.service import Service
from ingest.reconcile import SILENCE

router = APIRouter(tags=["system"])
_MOST_NAMED = 50


@router.get("/health")
async def health() -> Alive:
    """Whether the process runs; asks nobody."""
    return Alive()


@router.get("/ready", responses={503: {"model": Readiness}})
async def ready(service: ServiceOf, response: Response) -> Readiness:
    """Whether questions can be answered, with every part named; 503 when they cannot. Probed every 15 seconds."""
    found = _readiness(service)
    if found.status == "unavailable":
        response.status_code = 503
    return found


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
async def metrics(service: ServiceOf, principal: Authenticated) -> Response:
    """Figures in Prometheus' text format."""
    return Response(await asyncio.to_thread(service.metrics.exposition), media_type=CONTENT_TYPE)


@router.get("/api/system")
async def system(service: ServiceOf, principal: Authenticated) -> SystemBody:
    """State, limits and settings, for operators and pages."""
    app = service.settings.app
    return SystemBody(
        **_readiness(service).model_dump(),
        version=version("frontdesk"),
        default_kb=app.kb,
        limits=Limits(
            question_chars=app.question_max,
            upload_bytes=app.upload_max_mb << 20,
            files_per_upload=app.upload_max_files,
        ),
        ingestion=IngestionState(
            queued=await asyncio.to_thread(service.workspace.catalog.count_waiting),
            running=service.ingestor.running,
            stalled=await asyncio.to_thread(_stalled, service),
        ),
        embedding_model=service.workspace.embedder.name,
        vector_engine=service.workspace.index.engine,
        model_servers=[ModelServerBody.model_validate(asdict(seen)) for seen in service.servers.seen()],
    )


def _stalled(service: Service) -> list[str]:
    silent = service.workspace.catalog.silent(datetime.now(UTC) - SILENCE)
    return sorted({version.document for version in silent})[:_MOST_NAMED]


def _readiness(service: Service) -> Readiness:
    parts = [{"name": c.name, "status": c.status.value, "detail": c.detail} for c in service.checkup.components]
    return Readiness.model_validate(
        {"status": service.checkup.status, "components": [ComponentBody.model_validate(part) for part in parts]}
    )
