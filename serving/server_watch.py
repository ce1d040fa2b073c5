"""Model servers looked at every few seconds, by a thread of its own: what pages and figures show is the last look.

Nobody who asks a question waits for it, and nothing of it runs on the event loop.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import urlsplit, urlunsplit

import httpx

from serving.pool import Backend
from serving.server_figures import Figures, History, read

log = logging.getLogger(__name__)
EVERY_S = 10.0
TIMEOUT_S = 2.0
# A server that gives no figures (another maker's) is not asked for them with every look.
AGAIN_S = 300.0
# How long a server is shown that ended and was not stopped. The start of its successor may take half of that (vllm.START_S), and a page
# that ended sooner would say that all is well again; one that nobody wants any more is forgotten then.
GONE_S = 3600.0
# vLLM's exposition has some 100 kB.
_MOST_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class ModelServer:
    """Where a server is.

    url:     without a path.
    key:     what it wants; "" for none.
    release: what it is asked for.
    """

    url: str
    key: str = field(repr=False)
    release: str


class State(StrEnum):
    """``left_alone``: it failed in a row, and is asked by one question at a time until one succeeds.

    ``gone``: its process ended, and nobody had told it to.
    """

    OK = "ok"
    LEFT_ALONE = "left_alone"
    AWAY = "away"
    GONE = "gone"

    @property
    def well(self) -> bool:
        """Whether it replies."""
        return self in (State.OK, State.LEFT_ALONE)


@dataclass(frozen=True, slots=True)
class Seen:
    """A server as it was seen last.

    asking:  questions that this process has there now.
    figures: None where it gives none.
    """

    url: str
    release: str
    state: State
    asking: int
    figures: Figures | None


@dataclass(slots=True)
class _Known:
    """What is known of a server.

    failing: its last reply was that it cannot answer.
    gone_at: when it was missed first; None while it is there.
    """

    well: bool = False
    failing: bool = False
    gone_at: float | None = None
    history: History = field(default_factory=History)
    not_before: float = 0.0


class ServerWatch:
    """Looks at model servers.

    servers:  those that there are now.
    backends: what is known of them from asking them questions.
    killed:   those that ended without a word.
    """

    def __init__(
        self,
        servers: Callable[[], Sequence[ModelServer]],
        backends: Callable[[], Sequence[Backend]],
        transport: httpx.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
        killed: Callable[[], Sequence[ModelServer]] = lambda: (),
    ) -> None:
        self._servers, self._backends, self._killed = servers, backends, killed
        self._transport, self._clock = transport, clock
        self._known: dict[ModelServer, _Known] = {}
        self._client: httpx.Client | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look."""
        self._thread = threading.Thread(target=self._run, name="model-servers", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Look no more; waits for a look that is being taken."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(2 * TIMEOUT_S)
        if self._client is not None:
            self._client.close()

    def seen(self) -> list[Seen]:
        """Every server as it was seen last; asks nobody."""
        if not self._known:
            return []
        asked = {_origin(backend.url): backend for backend in self._backends()}
        found = []
        for server, known in list(self._known.items()):
            backend = asked.get(server.url)
            state = State.OK if known.well else State.AWAY
            if known.gone_at is not None:
                state = State.GONE
            elif known.well and backend is not None and backend.left_alone:
                state = State.LEFT_ALONE
            asking = backend.running if backend is not None else 0
            figures = known.history.figures() if known.well else None
            found.append(Seen(without_key(server.url), server.release, state, asking, figures))
        return found

    def look(self) -> None:
        """Look at each server once; blocking."""
        servers = list(self._servers())
        known = {server: self._known.get(server, _Known()) for server in servers}
        for server, each in known.items():
            each.gone_at = None
            self._ask(server, each)
        addresses = {server.url for server in servers}
        for server, each in self._known.items():
            # At an address that is known, another release is served now, or there is a successor.
            if server.url not in addresses and self._missed(server, each):
                known[server] = each
        self._known = known

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception as exc:
                # A server that answers in a new way is no reason to look at none any more.
                log.warning("looking at the model servers failed", exc_info=exc)
            self._stop.wait(EVERY_S)

    def _missed(self, server: ModelServer, known: _Known) -> bool:
        """Whether a server that is there no more is one to tell of: it was not stopped in order."""
        known.not_before = 0.0
        if self._ask(server, known):
            known.gone_at = None
            # vLLM ended or hangs, and is started again behind the front. What is well is about to stop, or is somebody else.
            return not known.well
        # In order the front goes before vLLM does, and takes its announcement along.
        if known.gone_at is None and (known.failing or server in self._killed()):
            known.gone_at = self._clock()
        return known.gone_at is not None and self._clock() - known.gone_at < GONE_S

    def _ask(self, server: ModelServer, known: _Known) -> bool:
        """Whether somebody is there."""
        now = self._clock()
        if now < known.not_before:
            return True
        if self._client is None:
            # No proxy of the environment stands between this and a server that runs beside.
            self._client = httpx.Client(timeout=TIMEOUT_S, trust_env=False, transport=self._transport)
        headers = {"authorization": f"Bearer {server.key}"} if server.key else {}
        try:
            with self._client.stream("GET", f"{server.url}/metrics", headers=headers) as reply:
                text = _text(reply) if reply.status_code == httpx.codes.OK else ""
        except (httpx.HTTPError, httpx.InvalidURL) as exc:
            known.well = False
            return isinstance(exc, httpx.ReadTimeout)
        # 503 is what the front says for a vLLM that is away; whatever else replies is there.
        known.failing = reply.status_code >= httpx.codes.INTERNAL_SERVER_ERROR
        known.well = not known.failing
        reading = read(text, now)
        if reading is not None:
            known.history.add(reading)
        elif known.well:
            known.not_before = now + AGAIN_S
        return True


def servers_at(urls: Sequence[str], key: str, release: str) -> list[ModelServer]:
    """Servers by the base URLs that questions are sent to, which end in /v1."""
    return [ModelServer(_origin(url), key, release) for url in urls]


def without_key(url: str) -> str:
    """An address as it may be shown: without a name and password in it."""
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _origin(url: str) -> str:
    return url.rstrip("/").removesuffix("/v1")


def _text(reply: httpx.Response) -> str:
    received = bytearray()
    for piece in reply.iter_bytes():
        received += piece
        if len(received) > _MOST_BYTES:
            return ""
    return received.decode("utf-8", "replace")
