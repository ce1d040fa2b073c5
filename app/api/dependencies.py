"""What handlers ask for by type."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.service import Service


async def _service(request: Request) -> Service:
    # Awaits nothing: FastAPI would hand it to a thread otherwise.
    service: Service = request.app.state.service
    return service


ServiceOf = Annotated[Service, Depends(_service)]
