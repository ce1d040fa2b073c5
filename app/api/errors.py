"""Errors as HTTP: one shape of body for every status, the one that OpenAI's clients understand."""

from __future__ import annotations

import logging
import uuid
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from app.api.models import ErrorBody
from app.errors import Conflict, Overdue, TooLarge, Unauthorized, UsageError
from ingest.errors import (
    AlreadyExists,
    BuildGivenUp,
    CatalogError,
    DataFolderBusy,
    FrontdeskError,
    IndexMismatch,
    InvalidName,
    NotFound,
    ParseError,
    SettingsError,
    SnapshotUnusable,
    SourceError,
    VectorIndexError,
)
from serving.errors import EngineBusy, EngineError, EngineTimeout

log = logging.getLogger(__name__)
# The first kind that fits an error decides: (error, status, type, code).
KINDS: tuple[tuple[type[Exception], int, str, str], ...] = (
    (Unauthorized, 401, "unauthorized", "invalid_api_key"),
    (NotFound, 404, "not_found", "not_found"),
    (AlreadyExists, 409, "conflict", "already_exists"),
    (Conflict, 409, "conflict", "conflict"),
    (IndexMismatch, 409, "conflict", "index_mismatch"),
    (BuildGivenUp, 409, "conflict", "build_given_up"),
    (SnapshotUnusable, 400, "invalid_request", "snapshot"),
    (InvalidName, 422, "invalid_request", "invalid_name"),
    (CatalogError, 400, "invalid_request", "invalid_request"),
    (TooLarge, 413, "too_large", "too_large"),
    (UsageError, 400, "invalid_request", "invalid_request"),
    (SourceError, 400, "invalid_request", "source"),
    (SettingsError, 400, "invalid_request", "not_configured"),
    (Overdue, 504, "timeout", "deadline"),
    (EngineTimeout, 504, "timeout", "engine_timeout"),
    (EngineBusy, 429, "rate_limited", "engine_busy"),
    (EngineError, 503, "unavailable", "engine"),
    (DataFolderBusy, 503, "unavailable", "data_folder"),
    (VectorIndexError, 503, "unavailable", "index"),
    (ParseError, 422, "invalid_request", "unreadable_file"),
    (OperationalError, 503, "unavailable", "database"),
)
_BY_STATUS = {
    400: "invalid_request",
    401: "unauthorized",
    403: "unauthorized",
    404: "not_found",
    405: "invalid_request",
    408: "timeout",
    409: "conflict",
    413: "too_large",
    415: "invalid_request",
    422: "invalid_request",
    429: "rate_limited",
    503: "unavailable",
}
# As nginx counts clients that closed the connection before their reply; it is never seen on the wire.
GONE = 499
RETRY_AFTER_S = "5"


def request_id(request: Request) -> str:
    """The id under which a request is logged; made at the first call."""
    found: str | None = getattr(request.state, "request_id", None)
    if found is None:
        found = request.state.request_id = uuid.uuid4().hex[:16]
    return found


def body_of(exc: Exception, request: Request) -> tuple[int, dict[str, Any]]:
    """Status and body for an error."""
    for kind, status, name, code in KINDS:
        if isinstance(exc, kind):
            message = (
                "the database cannot be reached; try again in a moment"
                if status == 503 and code == "database"
                else str(exc)
            )
            return status, _body(message, name, code, request)
    if isinstance(exc, FrontdeskError):
        return 400, _body(str(exc), "invalid_request", "failed", request)
    log.exception("request %s failed", request_id(request), exc_info=exc)
    message = f"something went wrong here, not with you; the log has it under {request_id(request)}"
    return 500, _body(message, "internal", "internal", request)


def install(app: FastAPI) -> None:
    """Let every error of the application leave in this shape."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(ClientDisconnect, _gone)
    for kind in (FrontdeskError, OperationalError, Exception):
        app.add_exception_handler(kind, _error)


def response(
    request: Request, status: int, message: str, code: str, headers: dict[str, str] | None = None
) -> JSONResponse:
    """An error as a reply, for code that cannot raise (middleware)."""
    return JSONResponse(_body(message, _BY_STATUS[status], code, request), status, headers=headers)


async def _error(request: Request, exc: Exception) -> JSONResponse:
    status, body = body_of(exc, request)
    headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if status in (429, 503):
        headers["Retry-After"] = RETRY_AFTER_S
    return JSONResponse(body, status, headers=headers)


async def _http(request: Request, exc: Exception) -> JSONResponse:
    if not isinstance(exc, HTTPException):
        raise exc
    name = _BY_STATUS.get(exc.status_code, "invalid_request" if exc.status_code < 500 else "internal")
    return JSONResponse(_body(str(exc.detail), name, name, request), exc.status_code, headers=exc.headers)


async def _gone(_request: Request, _exc: Exception) -> Response:
    """Nobody reads it; it keeps a client that went away from being counted as a failure of the server's."""
    return Response(status_code=GONE)


async def _invalid(request: Request, exc: Exception) -> JSONResponse:
    if not isinstance(exc, RequestValidationError):
        raise exc
    problem = exc.errors()[0]
    place = [str(part) for part in problem["loc"] if part not in ("body", "query", "path", "header")]
    param = ".".join(place) or None
    said = problem["msg"].removeprefix("Value error, ")
    body = _body(f"{param}: {said}" if param else said, "invalid_request", "invalid_request", request, param)
    return JSONResponse(body, 422)


def _body(message: str, name: str, code: str, request: Request, param: str | None = None) -> dict[str, Any]:
    error = {"message": message, "type": name, "code": code, "param": param, "request_id": request_id(request)}
    return ErrorBody.model_validate({"error": error}).model_dump()
