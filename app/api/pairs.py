"""/api/knowledge-bases/{kb}/pairs: questions with their answers, for training and evaluation; made, reviewed, split, moved."""

from __future__ import annotations

import asyncio
import json
import zipfile
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO, Annotated

from fastapi import APIRouter, Query
from fastapi import Request as HttpRequest
from fastapi.responses import StreamingResponse
from pydantic import Field

from app.api.answering import find_kb
from app.api.auth import Authenticated
from app.api.dependencies import ServiceOf
from app.api.models import KbName, Text
from app.api.pair_models import (
    FileQuery,
    MakeRequest,
    PairBody,
    PairDetail,
    PairList,
    PairsQuery,
    ReviewRequest,
    SplitRequest,
    SummaryBody,
    WorkBody,
    WorkState,
)
from app.pair_samples import Row, samples_of_workspace
from app.pair_work import Work
from app.pairs import chunk_json, pair_json, run_json
from app.service import Service
from ingest.errors import FrontdeskError
from ingest.pairs.evalset import DOCUMENTS, QUESTIONS
from ingest.pairs.formats import Format, lines
from ingest.records import KnowledgeBase

router = APIRouter(prefix="/api/knowledge-bases/{kb}/pairs", tags=["pairs"])
_JSON_LINES = "application/x-ndjson"
_BYTES = {"schema": {"type": "string", "format": "binary"}}
LanguageCode = Annotated[Text, Field(max_length=10)]
# Pairs sent as one piece: each is a hop to another thread.
_AT_ONCE = 100
# Of samples: each is a search.
_SAMPLES_AT_ONCE = 10
_PIECE = 1 << 18


@router.get("")
async def list_pairs(kb: KbName, asked: PairsQuery, service: ServiceOf, principal: Authenticated) -> PairList:
    """Pairs, oldest first, by what is said of them."""
    base = await find_kb(service, kb, principal)
    page = await asyncio.to_thread(service.pairs.page, base, asked.wanted(), asked.limit, asked.offset)
    return PairList(kb=base.name, pairs=[PairBody(**pair_json(pair)) for pair in page.found], total=page.total)


@router.get("/summary")
async def summarise_pairs(kb: KbName, service: ServiceOf, principal: Authenticated) -> SummaryBody:
    """How many there are by what is said of them; the last runs, with what was dropped for what; the last split."""
    base = await find_kb(service, kb, principal)
    return SummaryBody(kb=base.name, **await asyncio.to_thread(service.pairs.summary, base))


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={200: {"content": {_JSON_LINES: _BYTES, "application/json": {}}}},
)
async def export_pairs(kb: KbName, asked: FileQuery, service: ServiceOf, principal: Authenticated) -> StreamingResponse:
    """Pairs as trainers read them, each with our ids in the field `frontdesk`; sent as they are read."""
    base = await find_kb(service, kb, principal)
    shape = Format(asked.format)
    rows = await asyncio.to_thread(service.pairs.export, base, shape, asked.to_export(), with_passages=asked.passages)
    name = f"pairs-{shape.value}.{'json' if asked.array else 'jsonl'}"
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    media = "application/json" if asked.array else _JSON_LINES
    return StreamingResponse(_pieces(lines(rows, array=asked.array)), media_type=media, headers=headers)


@router.post(
    "/import", status_code=202, openapi_extra={"requestBody": {"content": {"application/octet-stream": _BYTES}}}
)
async def import_pairs(
    kb: KbName,
    request: HttpRequest,
    service: ServiceOf,
    principal: Authenticated,
    name: Annotated[
        Text, Query(max_length=200, description="The file's name; .csv and .tsv are tables.")
    ] = "import.jsonl",
    format: Annotated[
        Format | None, Query(description="The only format of its rows; told from each when not given.")
    ] = None,
) -> WorkBody:
    """Begin to bring in a file: Alpaca, ShareGPT or messages as JSON or JSON Lines, or CSV; `GET .../work` has the report."""
    base = await find_kb(service, kb, principal)
    data = await request.body()
    pairs = service.pairs
    work = service.pair_work.begin(
        base.id,
        "import",
        lambda report, cancelled: pairs.bring_in(base, data, name, report, cancelled, format),
    )
    return _work(work)


@router.post("/make", status_code=202)
async def make_pairs(kb: KbName, body: MakeRequest, service: ServiceOf, principal: Authenticated) -> WorkBody:
    """Begin to make pairs of all passages that were not asked about yet; `GET .../work` says how far it is."""
    base = await find_kb(service, kb, principal)
    pairs = service.pairs
    work = service.pair_work.begin(
        base.id,
        "make",
        lambda report, cancelled: run_json(pairs.make(base, report, cancelled, body.limit, model=body.model)),
    )
    return _work(work)


@router.post("/split", status_code=202)
async def split_pairs(kb: KbName, body: SplitRequest, service: ServiceOf, principal: Authenticated) -> WorkBody:
    """Begin to put pairs on a training and a test side that share nothing; `GET .../work` has what came of it."""
    base = await find_kb(service, kb, principal)
    pairs = service.pairs
    if body.check:
        work = service.pair_work.begin(base.id, "split", lambda report, _: pairs.check(base, report))
    else:
        work = service.pair_work.begin(
            base.id, "split", lambda report, _: pairs.split(base, report, body.seed, body.share, anew=body.anew)
        )
    return _work(work)


@router.get("/work")
async def show_work(kb: KbName, service: ServiceOf, principal: Authenticated) -> WorkState:
    """How far the last piece of long work is, and what came of it."""
    base = await find_kb(service, kb, principal)
    return _state(service, base)


@router.delete("/work")
async def stop_work(kb: KbName, service: ServiceOf, principal: Authenticated) -> WorkState:
    """Ask for the end of what is running; what is done is kept, and the next run goes on."""
    base = await find_kb(service, kb, principal)
    service.pair_work.cancel(base.id)
    return _state(service, base)


@router.get("/evalset", response_class=StreamingResponse, responses={200: {"content": {"application/zip": _BYTES}}})
async def export_evalset(
    kb: KbName,
    service: ServiceOf,
    principal: Authenticated,
    reviewed: Annotated[bool, Query(description="Only pairs that a person approved or edited.")] = False,
) -> StreamingResponse:
    """The test side as a dataset for `frontdesk eval`: a ZIP of documents.jsonl and questions.jsonl."""
    base = await find_kb(service, kb, principal)
    packed = await asyncio.to_thread(_evalset, service, base, reviewed)
    headers = {"Content-Disposition": 'attachment; filename="evalset.zip"'}
    return StreamingResponse(_read(packed), media_type="application/zip", headers=headers)


@router.get("/samples", response_class=StreamingResponse, responses={200: {"content": {_JSON_LINES: _BYTES}}})
async def stream_samples(
    kb: KbName,
    service: ServiceOf,
    principal: Authenticated,
    reviewed: Annotated[bool, Query(description="Only pairs that a person approved or edited.")] = False,
    language: Annotated[list[LanguageCode], Query(description="Only pairs in this language; may be given again.")] = [],  # noqa: B006 - FastAPI copies it
) -> StreamingResponse:
    """What training reads: pairs of the training side, each after the passages that it names and those retrieval finds.

    JSON Lines; the last row is `end`. Without one the list is not whole, and nothing should be trained on it.
    """
    base = await find_kb(service, kb, principal)
    samples = await asyncio.to_thread(samples_of_workspace, service.workspace)
    rows = _told(samples.rows(base, reviewed=reviewed, languages=language))
    return StreamingResponse(_pieces(rows, _SAMPLES_AT_ONCE), media_type=_JSON_LINES)


@router.get("/{pair_id}")
async def show_pair(kb: KbName, pair_id: Text, service: ServiceOf, principal: Authenticated) -> PairDetail:
    """A pair with the passages that it was made of, as they are now."""
    base = await find_kb(service, kb, principal)
    pair, chunks = await asyncio.to_thread(service.pairs.show, base, pair_id)
    return PairDetail.model_validate({**pair_json(pair), "passages": [chunk_json(chunk) for chunk in chunks]})


@router.put("/{pair_id}/review")
async def review_pair(
    kb: KbName, pair_id: Text, body: ReviewRequest, service: ServiceOf, principal: Authenticated
) -> PairBody:
    """Approve, edit or reject a pair, or take that back (`pending`)."""
    base = await find_kb(service, kb, principal)
    wording = {"question": body.question, "answer": body.answer, "short": body.short}
    pair = await asyncio.to_thread(service.pairs.review, base, pair_id, body.state, body.by, **wording)
    return PairBody(**pair_json(pair))


def _pieces(found: Iterator[str], at_once: int = _AT_ONCE) -> Iterator[bytes]:
    while some := list(islice(found, at_once)):
        yield "".join(some).encode()


def _told(rows: Iterator[Row]) -> Iterator[str]:
    try:
        for row in rows:
            yield json.dumps(row, ensure_ascii=False) + "\n"
    except FrontdeskError as exc:
        # The status has been sent: what went wrong is said in a row of its own.
        yield json.dumps({"error": str(exc)}, ensure_ascii=False) + "\n"


def _evalset(service: Service, base: KnowledgeBase, reviewed: bool) -> IO[bytes]:
    packed = TemporaryFile()  # noqa: SIM115 - closed when it has been sent
    try:
        with TemporaryDirectory(prefix="frontdesk-evalset-") as temporary:
            folder = Path(temporary)
            made = service.pairs.evalset(base, folder, reviewed=reviewed)
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
                archive.writestr("manifest.json", json.dumps(made, ensure_ascii=False))
                for name in (DOCUMENTS, QUESTIONS):
                    archive.write(folder / name, name)
        packed.seek(0)
    except BaseException:
        packed.close()
        raise
    return packed


def _read(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece


def _state(service: Service, base: KnowledgeBase) -> WorkState:
    work = service.pair_work.of(base.id)
    return WorkState(kb=base.name, work=_work(work) if work is not None else None)


def _work(work: Work) -> WorkBody:
    return WorkBody(
        kind=work.kind,
        state=work.state,
        stage=work.stage,
        document=work.document,
        done=work.done,
        total=work.total,
        problem=work.problem,
        error=work.error,
        result=work.result,
    )
