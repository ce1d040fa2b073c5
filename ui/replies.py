"""What every call of the client makes of a reply: an error for people, or a dataclass of ui/wire.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar
from urllib.parse import quote

import httpx

from ui.reading import read

NONSENSE = "the reply makes no sense; is this frontdesk's address, and of the same version?"
T = TypeVar("T")


class ApiError(Exception):
    """The server refused or failed; ``str(error)`` is a line for people.

    type:   the error's kind: invalid_request, unauthorized, not_found, conflict, too_large, timeout, unavailable, ...
    status: the HTTP status; 200 for an error in the middle of a stream, 0 when there was no reply.
    """

    def __init__(self, message: str, type: str = "internal", status: int = 0, request_id: str = "") -> None:
        super().__init__(message)
        self.type = type
        self.status = status
        self.request_id = request_id


class ApiAway(ApiError):
    """No server answers at the address, or it stopped in the middle."""


def read_reply(kind: type[T], value: Any) -> T:
    """A reply as a dataclass.

    Raises:
        ApiError: it is not of that kind.
    """
    try:
        return read(kind, value)
    except (KeyError, TypeError, ValueError) as exc:
        raise ApiError(NONSENSE, status=200) from exc


def field_of(value: Any, name: str) -> list[Any]:
    """A list inside a reply.

    Raises:
        ApiError: there is none.
    """
    if not isinstance(value, dict) or not isinstance(value.get(name), list):
        raise ApiError(NONSENSE, status=200)
    found: list[Any] = value[name]
    return found


def error_of(reply: httpx.Response) -> ApiError:
    """What a reply without success says."""
    try:
        return from_body(reply.json(), reply.status_code)
    except ValueError:
        return ApiError(f"the server replied with HTTP {reply.status_code}", status=reply.status_code)


def from_body(body: Any, status: int) -> ApiError:
    """The same from its body."""
    found = body.get("error") if isinstance(body, dict) else None
    # Proxies in between have shapes of their own.
    error: Mapping[str, Any] = found if isinstance(found, dict) else {}
    return ApiError(
        str(error.get("message") or f"the server replied with HTTP {status}"),
        str(error.get("type") or "internal"),
        status,
        str(error.get("request_id") or ""),
    )


def path_of(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")
