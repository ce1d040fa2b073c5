"""The HTTP API: a running service to an application; `python -m app.main` serves it."""

from __future__ import annotations

import asyncio
import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from socket import socket

import uvicorn
from fastapi import FastAPI
from fastapi.telemetry import TelemetryConfig

from app.api import (
    chat,
    conversations,
    curated,
    curation,
    documents,
    errors,
    glossary,
    indexes,
    knowledge_bases,
    openai,
    pages,
    pairs,
    passages,
    retrieve,
    review,
    sources,
    stream,
    system,
    training,
)
from app.api.limits import RequestLimits
from app.api.models import ErrorBody
from app.server import announced
from app.service import Service, open_service
from app.workspace import Settings
from ingest.errors import FrontdeskError

GRACE_S = 10
# Routes are tried in this order: those of customers come first.
_ROUTERS = (
    chat, openai, conversations, knowledge_bases, indexes, documents, curation, curated, glossary, pairs, passages, pages, review, sources,
    retrieve, training, system,
)  # fmt: skip
_DESCRIPTION = "Answers a company's customers from the company's own files; every answer names the page it came from."
# The framework's own spans hold addresses with what was searched for; ours are those of RequestLimits.
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
_ERRORS = (400, 401, 404, 408, 409, 413, 422, 429, 500, 503, 504)


def create_app(service: Service) -> FastAPI:
    """The application over an open service."""
    app = FastAPI(
        title="frontdesk",
        version=version("frontdesk"),
        description=_DESCRIPTION,
        responses={status: {"model": ErrorBody} for status in _ERRORS},
        telemetry=_NO_TELEMETRY,
    )
    app.state.service = service
    errors.install(app)
    for module in _ROUTERS:
        app.include_router(module.router)
    app.add_middleware(RequestLimits, settings=service.settings.app, metrics=service.metrics, tracing=service.tracing)
    return app


class _Server(uvicorn.Server):
    """Says where it is once it listens."""

    def __init__(self, config: uvicorn.Config, settings: Settings) -> None:
        super().__init__(config)
        self._settings = settings
        self._announcement = ExitStack()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn does, but without raising the signal again at the end: the service is still to be closed then."""
        loop = asyncio.get_running_loop()
        numbers = (signal.SIGINT, signal.SIGTERM)
        for number in numbers:
            loop.add_signal_handler(number, self.handle_exit, number, None)
        try:
            yield
        finally:
            for number in numbers:
                loop.remove_signal_handler(number)

    async def startup(self, sockets: list[socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            app = self._settings.app
            host = f"[{app.host}]" if ":" in app.host else app.host
            # What is bound to every address is reached by commands on this machine through loopback.
            here = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(host, host)  # noqa: S104 - compared, not bound
            self._announcement.enter_context(announced(self._settings.ingest.home, f"http://{here}:{app.port}"))

    async def shutdown(self, sockets: list[socket] | None = None) -> None:
        self._announcement.close()
        await super().shutdown(sockets)
        await stream.ended(within_s=GRACE_S)


async def serve(settings: Settings) -> bool:
    """Serve until SIGTERM or Ctrl-C; requests that run get some seconds to end. Returns whether it ever listened.

    Raises:
        FrontdeskError: a setting is wrong, or another process holds the data folder.
    """
    async with open_service(settings) as service:
        config = uvicorn.Config(
            create_app(service),
            host=settings.app.host,
            port=settings.app.port,
            lifespan="off",
            log_level="warning",
            server_header=False,
            timeout_graceful_shutdown=GRACE_S,
        )
        server = _Server(config, settings)
        await server.serve()
        return server.started


def main() -> int:
    """Entry point of `python -m app.main`; takes its settings from the environment."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Libraries that tell of every request at INFO.
    for noisy in ("httpx", "httpx2", "sentence_transformers", "alembic"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        settings = Settings.load()
        if settings.app.api_key is None:
            logging.getLogger(__name__).warning(
                "no FRONTDESK_API_KEY: requests from this machine only are answered (%s)", settings.app.host
            )
        return 0 if asyncio.run(serve(settings)) else 1
    except FrontdeskError as exc:
        sys.stderr.write(f"Error: {exc}\n")
        return 1
    except KeyboardInterrupt:
        return 0


if __name__ == "__main__":
    sys.exit(main())
