"""One web address to its bytes: every hop checked, nothing endless, nothing that unpacks without bound."""

from __future__ import annotations

import ssl
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from typing import Protocol
from urllib.parse import urljoin

import certifi
import httpcore

from ingest.errors import AddressRefused
from ingest.sources.base import NotRead
from ingest.sources.guard import Guard, GuardedBackend, NotReached, WebAddress, remaining

MOST_REDIRECTS = 5
CONNECT_S = 10.0
# Between two pieces; the whole has a limit of its own.
SILENCE_S = 15.0
_BLOCK = 1 << 16
_GZIP = b"\x1f\x8b"
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_RETRYABLE = frozenset({408, 425, 429, 500, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may have: bytes once unpacked, seconds altogether."""

    bytes: int
    seconds: float


class Source(Protocol):
    """Gives bytes; b"" at the end."""

    def read(self, size: int = -1, /) -> bytes:
        """Up to size bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer whose body is still to be read.

    address: where it came from in the end, after redirects.
    body:    None where the server says that nothing has changed (304).
    mark:    what the server calls this state (ETag or Last-Modified), as ``Fetcher.get`` takes it; "" when nothing.
    """

    address: WebAddress
    content_type: str
    mark: str
    body: Source | None


class Fetcher:
    """Fetches files from allowed hosts."""

    def __init__(self, guard: Guard, limits: Limits) -> None:
        self._guard = guard
        self.limits = limits

    def check(self, url: str) -> WebAddress:
        """See ``Guard.check``."""
        return self._guard.check(url)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        # What the machine trusts (a company's own authority among them), and the usual authorities where it has none.
        context.load_verify_locations(certifi.where())
        return context

    @contextmanager
    def get(self, url: str, mark: str = "") -> Iterator[Fetched]:
        """Ask for a file and follow redirects, each checked like the first address.

        mark: of the state that is known; the server may say that it is still that one.

        Raises:
            AddressRefused: the address, or one that it was redirected to, may not be asked.
            NotRead: there is no file, or none within the limits; also while the body is read.
        """
        deadline = time.monotonic() + self.limits.seconds
        address = self._guard.check(url)
        for _ in range(MOST_REDIRECTS + 1):
            with self._asked(address, mark, deadline) as reply:
                if reply.status not in _REDIRECTS:
                    yield self._fetched(address, reply, mark, deadline)
                    return
                address = self._next(address, reply)
        raise NotRead(f"it redirects more than {MOST_REDIRECTS} times")

    @contextmanager
    def _asked(self, address: WebAddress, mark: str, deadline: float) -> Iterator[httpcore.Response]:
        url = httpcore.URL(
            scheme=address.scheme.encode(),
            host=address.host.encode(),
            port=address.port,
            target=address.target.encode(),
        )
        headers: list[tuple[bytes | str, bytes | str]] = [
            ("Host", address.authority),
            ("User-Agent", _agent()),
            ("Accept", "*/*"),
            ("Accept-Encoding", "gzip"),
        ]
        kind, _, value = mark.partition(":")
        if value:
            headers.append(("If-None-Match" if kind == "etag" else "If-Modified-Since", value))
        timeout = {"connect": CONNECT_S, "read": SILENCE_S, "write": SILENCE_S, "pool": CONNECT_S}
        backend = GuardedBackend(self._guard, deadline)
        with ExitStack() as stack:
            # Only what the network raises is translated, not what becomes of the bytes afterwards.
            with _translated():
                pool = stack.enter_context(httpcore.ConnectionPool(self._tls, network_backend=backend))
                asked = pool.stream("GET", url, headers=headers, extensions={"timeout": timeout})
                reply = stack.enter_context(asked)
            yield reply

    def _next(self, address: WebAddress, reply: httpcore.Response) -> WebAddress:
        location = _header(reply, b"location")
        if not location:
            raise NotRead(f"the server replied with {reply.status} and no address to go to")
        following = self._guard.check(urljoin(str(address), location))
        if (address.scheme, following.scheme) == ("https", "http"):
            raise AddressRefused(f"{address} redirects to {following}, which is not encrypted")
        return following

    def _fetched(self, address: WebAddress, reply: httpcore.Response, known: str, deadline: float) -> Fetched:
        status = reply.status
        content_type = _header(reply, b"content-type").partition(";")[0].strip().lower()
        if status == 304 and known:
            return Fetched(address, content_type, known, None)
        if status in (404, 410):
            raise NotRead(f"the server says that there is no such page ({status})", gone=True)
        if status != 200:
            raise NotRead(f"the server replied with HTTP {status}", away=status in _RETRYABLE)
        length = _header(reply, b"content-length")
        if length.isdecimal() and int(length) > self.limits.bytes:
            raise NotRead(self._too_large)
        encoding = _header(reply, b"content-encoding").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise NotRead(f"the server packs it as {encoding!r}, which was not asked for")
        pieces = reply.iter_stream()
        if encoding not in ("", "identity"):
            pieces = _unpacked(pieces, deadline)
        return Fetched(address, content_type, _mark(reply), _Body(pieces, self.limits.bytes, self._too_large))

    @property
    def _too_large(self) -> str:
        return f"it has more than {self.limits.bytes / 1e6:g} MB (FRONTDESK_URL_MAX_MB)"


class _Body:
    """A body as a reader that counts what it gives."""

    def __init__(self, pieces: Iterator[bytes], most: int, too_large: str) -> None:
        self._pieces = pieces
        self._most = most
        self._too_large = too_large
        self._given = 0

    def read(self, size: int = -1, /) -> bytes:
        """The next piece, whatever its size; b"" at the end."""
        with _translated():
            piece = next(self._pieces, b"")
        self._given += len(piece)
        if self._given > self._most:
            raise NotRead(self._too_large)
        return piece


def _unpacked(packed: Iterator[bytes], deadline: float) -> Iterator[bytes]:
    """A gzip stream unpacked in pieces of ``_BLOCK`` bytes at most: what it becomes can be counted meanwhile."""
    unpack, tail, ended = zlib.decompressobj(wbits=31), b"", False
    while not ended:
        remaining(deadline, None)
        given = tail or next(packed, b"")
        try:
            # Without input it gives what it still holds back.
            piece = unpack.decompress(given, _BLOCK)
        except zlib.error as exc:
            raise NotRead(f"it is packed wrongly ({exc})") from exc
        tail, ended = unpack.unconsumed_tail, unpack.eof
        if ended and unpack.unused_data.startswith(_GZIP):
            # Packed in several parts, as the format allows.
            tail, ended, unpack = unpack.unused_data, False, zlib.decompressobj(wbits=31)
        if piece:
            yield piece
        elif not given and not ended:
            raise NotRead("it ended in the middle", away=True)


@contextmanager
def _translated() -> Iterator[None]:
    """What the network layer raises, as our reasons."""
    try:
        yield
    except NotReached as exc:
        raise NotRead(str(exc), away=True) from exc
    except httpcore.TimeoutException as exc:
        raise NotRead(f"the server is too slow ({str(exc) or type(exc).__name__})", away=True) from exc
    except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, httpcore.UnsupportedProtocol) as exc:
        raise NotRead(f"the server does not answer ({str(exc) or type(exc).__name__})", away=True) from exc
    except (ssl.SSLError, OSError) as exc:
        raise NotRead(f"the connection failed ({exc})", away=True) from exc


def _header(reply: httpcore.Response, name: bytes) -> str:
    return next((value for key, value in reply.headers if key.lower() == name), b"").decode("latin-1")


def _mark(reply: httpcore.Response) -> str:
    etag, modified = _header(reply, b"etag"), _header(reply, b"last-modified")
    mark = f"etag:{etag}" if etag else f"modified:{modified}" if modified else ""
    # The column's width; without a mark the file is simply fetched each time.
    return mark if len(mark) <= 200 and mark.isprintable() and mark.isascii() else ""


def _agent() -> str:
    try:
        return f"frontdesk/{version('frontdesk')}"
    except PackageNotFoundError:
        return "frontdesk"
