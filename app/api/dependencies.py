"""What handlers ask for by type."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request

from app.service import Service


def _service(request: Request) -> Service:
    service: Service = request.app.state.service
    return service


ServiceOf = Annotated[Service, Depends(_service)]
