"""What is asked: a host that we may load, and the requests as bytes."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..errors import ConfigurationError, Unreachable

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods of requests that may be sent a second time (RFC 9110, 9.2.1)."""


@dataclass(frozen=True, slots=True)
class Target:
    """A server; `address` is what *host* resolved to, once."""

    host: str
    port: int
    address: str

    @property
    def url(self) -> str:
        """As people write it, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it goes onto the wire; `safe`: sending it twice does no harm."""

    raw: bytes
    safe: bool


def resolve(url: str, allowed: Collection[str] = ()) -> Target:
    """The server of *url*; only this machine's, unless *allowed* names the host.

    Raises:
        ConfigurationError: Not an http URL, or a host that nobody allowed.
        Unreachable: The host has no address.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port or 80
    except ValueError as error:
        raise ConfigurationError(f"{url}: {error}") from None
    if parts.scheme != "http" or not host:
        raise ConfigurationError(f"{url} is no http:// URL; an example: http://127.0.0.1:8001")
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unreachable(f"{host} has no address: {error.strerror}") from None
    address = str(found[0][4][0])
    if host not in allowed and not _ours(address):
        raise ConfigurationError(
            f"{host} is not this machine; --allow-host {host} if you may load it"
        )
    return Target(host, port, address)


def request(
    target: Target, path: str, *, method: str = "GET", body: bytes = b"",
    headers: Mapping[str, str] | None = None,
) -> Request:  # fmt: skip
    """An HTTP/1.1 request of *path*, which begins with a slash.

    Raises:
        ConfigurationError: *path* or a header cannot stand in a request.
    """
    lines = [f"{method} {path} HTTP/1.1", f"host: {target.url.removeprefix('http://')}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += [f"content-length: {len(body)}", "content-type: application/json"]
    wrong = [line for line in lines if not line.isascii() or not line.isprintable()]
    if not path.startswith("/") or " " in path or wrong:
        raise ConfigurationError(
            f"path {path!r}: must begin with / and be percent-encoded, e.g. /prices/SKU-001"
        )
    return Request("\r\n".join([*lines, "", ""]).encode() + body, method in SAFE)


def woven(weights: Sequence[int]) -> list[int]:
    """Positions so that each comes as often as its weight, spread as evenly as possible.

    Smooth weighted round robin, as in nginx: `[2, 1]` gives `[0, 1, 0]`.
    """
    credit = [0] * len(weights)
    order = []
    for _ in range(sum(weights)):
        credit = [have + weight for have, weight in zip(credit, weights, strict=True)]
        chosen = max(range(len(credit)), key=credit.__getitem__)
        credit[chosen] -= sum(weights)
        order.append(chosen)
    return order


def _ours(address: str) -> bool:
    """Whether *address* is this machine's: only then it can be bound."""
    if ipaddress.ip_address(address.partition("%")[0]).is_loopback:
        return True
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.bind((address, 0))
    except OSError:
        return False
    return True
