"""Which hosts and which network addresses may be asked. Pure: names and numbers, no network.

The ranges are those of the IANA special-purpose registries (RFC 6890 and its successors).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Literal

import idna

PORTS = {"http": 80, "https": 443}
_PATTERN = re.compile(
    r"(?:(?P<scheme>https?)://)?(?P<host>\[[0-9a-f:.]+\]|[^\s/:@\[\]?#]+)(?::(?P<port>\d{1,5}))?/?", re.I
)
_ASCII_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.\-]*[a-z0-9_])?")

Reach = Literal["public", "private", "never"]


def _networks(*texts: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


# Reached only where the settings say that a host may lie there.
_PRIVATE = _networks(
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "fc00::/7", "::1/128"
)
# Clouds tell secrets to whoever asks these; some lie in ranges that are private or even public otherwise.
_METADATA = _networks("169.254.0.0/16", "100.100.100.200/32", "168.63.129.16/32", "192.0.0.192/32", "fd00:ec2::254/128",
                      "fd20:ce::254/128")  # fmt: skip
_NEVER = _networks(
    "0.0.0.0/8", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24", "192.88.99.0/24",
    "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4",
    # 2001::/23 holds Teredo, 2002::/16 is 6to4: both wrap an IPv4 address that a relay would be sent to.
    "2001::/23", "2001:db8::/32", "2002::/16", "2620:4f:8000::/48", "3fff::/20",
)  # fmt: skip
_GLOBAL_V6 = IPv6Network("2000::/3")
_NAT64 = IPv6Network("64:ff9b::/96")


def reach(address: IPv4Address | IPv6Address) -> Reach:
    """Whether an address is one of the internet, of a private network, or one that nobody fetches documents from."""
    if isinstance(address, IPv6Address):
        inner = address.ipv4_mapped
        if inner is None and address in _NAT64:
            # A network without IPv4 reaches public hosts so; what counts is the host behind it.
            inner = IPv4Address(int(address) & 0xFFFFFFFF)
        if inner is not None:
            return reach(inner)
    if _within(address, _METADATA) or _within(address, _NEVER):
        return "never"
    if _within(address, _PRIVATE):
        return "private"
    if isinstance(address, IPv6Address) and address not in _GLOBAL_V6:
        return "never"
    return "public"


def _within(address: IPv4Address | IPv6Address, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    return any(address in network for network in networks if network.version == address.version)


def normal_host(host: str) -> str:
    """A host name as the resolver is asked for it: lower case, without a final dot, other scripts in ASCII letters.

    Raises:
        ValueError: no host can have this name.
    """
    name = host.removesuffix(".").lower().strip("[]")
    if ":" in name:
        return str(IPv6Address(name))
    if not name.isascii():
        try:
            name = idna.encode(name, uts46=True).decode("ascii")
        except idna.IDNAError as exc:
            raise ValueError(f"{host!r} is no host name ({exc})") from exc
    if not _ASCII_HOST.fullmatch(name) or len(name) > 253 or ".." in name:
        raise ValueError(f"{host!r} is no host name")
    return name


@dataclass(frozen=True, slots=True)
class HostPattern:
    """An entry of an allow-list.

    ``help.example.com``           this host, by http and https on their usual ports
    ``*.example.com``              every host below it, not itself
    ``https://help.example.com``   by https alone
    ``intranet.example:8443``      on that port alone
    """

    host: str
    below: bool
    scheme: str | None
    port: int | None

    @classmethod
    def parse(cls, text: str) -> HostPattern:
        """Read an entry.

        Raises:
            ValueError: it is none; the message says what one looks like.
        """
        found = _PATTERN.fullmatch(text.strip())
        below = found is not None and found["host"].startswith("*.")
        try:
            if found is None or int(found["port"] or 1) not in range(1, 65536):
                raise ValueError("no entry")
            host = normal_host(found["host"][2:] if below else found["host"])
        except ValueError as exc:
            raise ValueError(
                f"{text!r} is no host: write help.example.com, *.example.com or https://help.example.com:8443"
            ) from exc
        scheme = found["scheme"].lower() if found["scheme"] else None
        return cls(host, below, scheme, int(found["port"]) if found["port"] else None)

    def fits(self, scheme: str, host: str, port: int) -> bool:
        """Whether an address with these parts is meant; ``host`` as ``normal_host`` gives it."""
        return self.scheme in (None, scheme) and port == (self.port or PORTS[scheme]) and self.names(host)

    def names(self, host: str) -> bool:
        """Whether the host is meant, whatever scheme and port."""
        return host.endswith(f".{self.host}") if self.below else host == self.host
