"""POST /api/retrieve: what answering finds and how it judges it; the very path of answering, up to the verdict."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from fastapi import APIRouter, Request

from app.api.answering import find_kb
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.retrieval_models import (
    EvidenceBody,
    ExpectedBody,
    FusedHit,
    LegHit,
    Legs,
    Retrieval,
    RetrieveRequest,
    Standing,
    VerdictBody,
    WordingBody,
)
from app.api.stream import unless_gone
from app.rag.answer import Ask
from app.rag.chain import Prepared
from app.rag.retrieve import Retrieved
from ingest.index.base import Hit
from ingest.records import Document
from serving.prompts import Message

router = APIRouter(prefix="/api", tags=["retrieval"])
MOST_EVIDENCE = 10


@router.post("/retrieve")
async def retrieve(body: RetrieveRequest, request: Request, service: ServiceOf, principal: Authenticated) -> Retrieval:
    """Each leg's hits and scores, the fused order, the verdict and the milliseconds of each stage.

    With `expected`, also where that document stands in each of them.
    """
    service.check_question(body.question)
    kb = await find_kb(service, body.kb, principal)
    catalog = service.workspace.catalog
    expected = await asyncio.to_thread(catalog.document, kb, body.expected) if body.expected else None
    history = tuple(Message(turn.role, turn.text) for turn in body.history)
    ask = Ask(body.question, kb, history, principal, filters=body.filters.as_filters())
    prepared = await unless_gone(request, service.chain.prepare.ainvoke(ask))
    reply = _body(kb.name, body, prepared)
    return reply.model_copy(update={"expected": _expected(expected, prepared.retrieved)}) if expected else reply


def _body(kb: str, body: RetrieveRequest, prepared: Prepared) -> Retrieval:
    found, verdict = prepared.retrieved, prepared.verdict
    raw = {fused.hit.id: fused for fused in found.fused}
    dense, sparse = _ranks(found.legs.dense), _ranks(found.legs.sparse)
    return Retrieval(
        kb=kb,
        question=body.question,
        standalone_question=prepared.standalone,
        standalone_by=prepared.worded.by,
        carried=list(prepared.worded.carried),
        wordings=[WordingBody(text=w.text, weight=w.weight, instead_of=w.instead_of or None) for w in found.wordings],
        language=found.language,
        legs=Legs(dense=_leg(found.legs.dense, body.limit), sparse=_leg(found.legs.sparse, body.limit)),
        fused=[
            FusedHit(
                n=passage.n,
                chunk_id=passage.chunk_id,
                document=passage.document,
                title=passage.title,
                page=passage.pages[0] if passage.pages else None,
                sheet=passage.sheet,
                heading=passage.heading,
                text=passage.text,
                score=passage.score,
                dense=raw[passage.chunk_id].dense,
                sparse=raw[passage.chunk_id].sparse,
                dense_rank=dense.get(passage.chunk_id),
                sparse_rank=sparse.get(passage.chunk_id),
                also=list(passage.also),
            )
            for passage in found.passages(body.limit)
        ],
        verdict=VerdictBody(
            answerable=verdict.answerable,
            outcome=verdict.outcome,
            sure=verdict.sure,
            score=verdict.score,
            support=verdict.support,
            verified=verdict.verified,
            meant=list(verdict.meant),
            reason=verdict.reason,
            evidence=[
                EvidenceBody(n=e.window.passage.n, text=e.window.text, score=e.score)
                for e in verdict.evidence[:MOST_EVIDENCE]
            ],
        ),
        timings_ms={stage: round(ms, 2) for stage, ms in prepared.timings_ms.items()},
    )


def _leg(hits: Sequence[Hit], limit: int) -> list[LegHit]:
    return [
        LegHit(
            chunk_id=hit.id,
            document=hit.payload["document"],
            page=hit.payload["pages"][0] if hit.payload["pages"] else None,
            heading=" > ".join(hit.payload["heading_path"]),
            score=hit.score,
        )
        for hit in hits[:limit]
    ]


def _ranks(hits: Sequence[Hit]) -> dict[str, int]:
    return {hit.id: rank for rank, hit in enumerate(hits, start=1)}


def _expected(document: Document, found: Retrieved) -> ExpectedBody:
    return ExpectedBody(
        document=document.name,
        visible=document.live_version_id is not None and document.curation.shown(datetime.now(UTC)),
        dense=_standing(document.name, [(hit, hit.score) for hit in found.legs.dense]),
        sparse=_standing(document.name, [(hit, hit.score) for hit in found.legs.sparse]),
        fused=_standing(document.name, [(fused.hit, fused.score) for fused in found.fused]),
    )


def _standing(name: str, hits: Sequence[tuple[Hit, float]]) -> Standing:
    places = (
        Standing(rank=rank, score=score, among=len(hits))
        for rank, (hit, score) in enumerate(hits, start=1)
        if hit.payload["document"] == name
    )
    return next(places, Standing(rank=None, score=None, among=len(hits)))
