"""A Redis database of one's own on a server that others use."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from urllib.parse import parse_qs, urlsplit, urlunsplit

from ..errors import ConfigurationError
from .redis import RedisServer

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

NUMBERS = range(15, 0, -1)
"""The databases that a server has unless it is told otherwise, but for 0, which people use."""


@contextmanager
def scratch_redis(url: str) -> Iterator[str]:
    """The URL of an empty database on the server at *url*; emptied at the end.

    Raises:
        ConfigurationError: The server is on another machine, or has none that is empty.
        StorageError: It does not answer.
    """
    redis_address(url)
    numbered = (_with_number(url, number) for number in NUMBERS)
    chosen = next((each for each in numbered if _empty(each)), "")
    if not chosen:
        raise ConfigurationError("no database of the Redis server from 1 to 15 is empty: empty one")
    try:
        yield chosen
    finally:
        with closing(RedisServer(chosen)) as server, server.guard() as redis:
            redis.flushdb()


def redis_address(url: str) -> tuple[str, int] | str:
    """Host and port of the server at *url*, or its socket's path.

    Raises:
        ConfigurationError: It is on another machine, or cannot be proxied: TLS, Sentinel.
    """
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return parts.path
    if parts.scheme != "redis" or (parts.hostname or "localhost") not in LOCAL:
        raise ConfigurationError(
            "chaos breaks a Redis server on this machine only, by redis:// or unix://"
        )
    return parts.hostname or "localhost", parts.port or 6379


def redis_through(url: str, port: int) -> str:
    """*url* by way of a proxy on *port* of loopback."""
    parts = urlsplit(url)
    number = parts.path.strip("/")
    if parts.scheme == "unix":
        number = parse_qs(parts.query).get("db", ["0"])[0]
    login, at, _ = parts.netloc.rpartition("@")
    return urlunsplit(("redis", f"{login}{at}127.0.0.1:{port}", f"/{number}", "", ""))


def _with_number(url: str, number: int) -> str:
    parts = urlsplit(url)
    if parts.scheme == "unix":
        return urlunsplit((*parts[:3], f"db={number}", ""))
    return urlunsplit((parts.scheme, parts.netloc, f"/{number}", "", ""))


def _empty(url: str) -> bool:
    with closing(RedisServer(url)) as server, server.guard() as redis:
        return bool(redis.dbsize() == 0)
