"""Where a request may go: the address is parsed once, checked, resolved, and connected to as it was checked.

A name is resolved once a connection and the connection goes to the very address that was checked, so a name server that
answers differently the second time (DNS rebinding) gains nothing. Odd spellings of addresses (decimal, octal, other
scripts) are not understood here at all: the resolver turns them into addresses, and those are checked.
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httpcore

from ingest.errors import AddressRefused
from ingest.sources.hosts import PORTS, HostPattern, normal_host, reach

_LONGEST_URL = 2000
# (host, port) to addresses; a test hands in its own.
Resolver = Callable[[str, int], Sequence[str]]


class NotReached(Exception):
    """The host is unknown, does not answer, or answers too slowly; str() is the reason."""


@dataclass(frozen=True, slots=True)
class WebAddress:
    """A web address taken apart once; what is checked is what is asked."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str) -> WebAddress:
        """Take an address apart.

        Raises:
            AddressRefused: it is none of http or https, carries a user's name, or is malformed.
        """
        shown = text if len(text) <= 200 else text[:200] + "…"
        if len(text) > _LONGEST_URL:
            raise AddressRefused(f"{shown}: an address may have {_LONGEST_URL} characters")
        # What one parser drops and another keeps makes two addresses of one.
        if any(char in "\\\x7f" or char <= " " for char in text):
            raise AddressRefused(f"{shown!r}: an address holds no white space, control characters or backslashes")
        try:
            parts = urlsplit(text)
            port, host = parts.port, parts.hostname or ""
            if parts.scheme.lower() not in PORTS:
                raise AddressRefused(f"{shown}: only http and https addresses are fetched")
            if "@" in parts.netloc:
                raise AddressRefused(
                    f"{shown.split('@')[-1]}: an address with a user's name or password is not fetched"
                )
            scheme = parts.scheme.lower()
            # 0 is falsy, and no port.
            port = PORTS[scheme] if port is None else port
            name = normal_host(host)
            if not 0 < port < 65536:
                raise ValueError(f"port {port}")
        except ValueError as exc:
            raise AddressRefused(f"{shown}: not a web address ({exc})") from exc
        path = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~-._")
        query = f"?{quote(parts.query, safe='/%:@!$&()*+,;=~-._?[]')}" if parts.query else ""
        return cls(scheme, name, port, path + query)

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        """Host, and the port where it is not the usual one; as the Host header has it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == PORTS[self.scheme] else f"{host}:{self.port}"


def resolve(host: str, port: int) -> Sequence[str]:
    """Addresses of a host by the system's resolver.

    Raises:
        NotReached: the name is unknown.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise NotReached(f"the host {host} is not known ({exc})") from exc
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Guard:
    """The rules for addresses: an allow-list of hosts, and those of them that may lie in a private network."""

    def __init__(self, allow: Iterable[str], allow_private: Iterable[str] = (), resolver: Resolver = resolve) -> None:
        self._allow = [HostPattern.parse(pattern) for pattern in allow]
        self._private = [HostPattern.parse(pattern) for pattern in allow_private]
        self._resolver = resolver

    def check(self, text: str) -> WebAddress:
        """Parse an address and see that its host is allowed; nothing is asked yet.

        Raises:
            AddressRefused: it may not be asked; the message names the setting.
        """
        address = WebAddress.parse(text)
        if not self._allow:
            raise AddressRefused(
                f"{address.host} may not be asked: no host is allowed yet; name it in FRONTDESK_URL_ALLOW"
            )
        if not any(pattern.fits(address.scheme, address.host, address.port) for pattern in self._allow):
            raise AddressRefused(
                f"{address.scheme}://{address.authority} may not be asked: FRONTDESK_URL_ALLOW does not name it"
            )
        return address

    def addresses(self, host: str, port: int) -> list[str]:
        """Network addresses of a host, every one of them checked.

        Raises:
            AddressRefused: one of them lies where this host may not lie.
            NotReached: the host is unknown.
        """
        private = any(pattern.names(host) for pattern in self._private)
        found = [text.split("%")[0] for text in self._resolver(host, port)]
        if not found:
            raise NotReached(f"the host {host} has no address")
        for text in found:
            where = reach(ipaddress.ip_address(text))
            if where == "never":
                raise AddressRefused(f"{host} may not be asked: {text} is not an address of the internet")
            if where == "private" and not private:
                raise AddressRefused(
                    f"{host} may not be asked: {text} lies in a private network (if it is meant to, name the host in "
                    "FRONTDESK_URL_ALLOW_PRIVATE)"
                )
        return found


class GuardedBackend(httpcore.NetworkBackend):
    """Opens connections to checked addresses alone, and lets nothing last beyond a moment.

    deadline: on the clock of time.monotonic; dripping a byte at a time does not move it.
    """

    def __init__(self, guard: Guard, deadline: float) -> None:
        self._guard = guard
        self._deadline = deadline
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to one of the host's addresses, in the resolver's order."""
        problem: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self._guard.addresses(host, port):
            try:
                left = remaining(self._deadline, timeout)
                stream = self._inner.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as exc:
                problem = exc
            else:
                return _TimedStream(stream, self._deadline)
        raise problem

    def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[Any] | None = None
    ) -> httpcore.NetworkStream:
        """Never: nothing is fetched from this machine's sockets."""
        raise AddressRefused(f"{path}: only http and https addresses are fetched")


class _TimedStream(httpcore.NetworkStream):
    """A connection that ends at the deadline."""

    def __init__(self, inner: httpcore.NetworkStream, deadline: float) -> None:
        self._inner = inner
        self._deadline = deadline

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, remaining(self._deadline, timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, remaining(self._deadline, timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        left = remaining(self._deadline, timeout)
        return _TimedStream(self._inner.start_tls(ssl_context, server_hostname, left), self._deadline)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


def remaining(deadline: float, most: float | None) -> float:
    """Seconds that a step may take.

    Raises:
        httpcore.ReadTimeout: the moment has passed.
    """
    left = deadline - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout("it took too long altogether")
    return left if most is None else min(left, most)
