"""Who is asking: the one function that lets a request in, and the wall around a server without a key."""

from __future__ import annotations

import hmac
from typing import Annotated
from urllib.parse import urlsplit

from fastapi import Depends, Request
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from app.errors import Unauthorized
from ingest.schema import PUBLIC, Principal
from serving.settings import is_loopback

_bearer = HTTPBearer(auto_error=False, description="`FRONTDESK_API_KEY`; not needed where the server has none.")
_ORIGINLESS = (
    "this server has no key and serves this machine only: open it as http://127.0.0.1 or http://localhost, "
    "or set FRONTDESK_API_KEY"
)


async def authenticate(
    request: Request, credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(_bearer)]
) -> Principal:
    """Let a request in. It awaits nothing: FastAPI would hand it to a thread otherwise.

    Raises:
        Unauthorized: the key is missing or wrong; without a key, the request does not come from this machine's pages.
    """
    key = request.app.state.service.settings.app.api_key
    if key is not None:
        given = credentials.credentials if credentials is not None else ""
        if not given:
            raise Unauthorized("a key is needed: send `Authorization: Bearer KEY` (the server's FRONTDESK_API_KEY)")
        # Headers are read as Latin-1: this gives the bytes that were sent, whatever letters a key is made of.
        # Constant time: how much of a key was right must not show in how long it took.
        if not hmac.compare_digest(given.encode("latin-1"), key.get_secret_value().encode()):
            raise Unauthorized("the key is wrong: it is the server's FRONTDESK_API_KEY")
    else:
        _only_from_here(request)
    return PUBLIC


def _only_from_here(request: Request) -> None:
    """A web page of anybody's can send requests to a loopback port; its name or its origin gives it away."""
    # The Host header is a bare host and port; two slashes make it what urlsplit calls one.
    host, origin = f"//{request.headers.get('host', '')}", request.headers.get("origin")
    if not is_loopback(_host_of(host)) or (origin is not None and not is_loopback(_host_of(origin))):
        raise Unauthorized(_ORIGINLESS)


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        # "[" and the like: no address, so none of this machine.
        return ""


Authenticated = Annotated[Principal, Depends(authenticate)]
