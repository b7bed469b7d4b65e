"""Clients of a Redis server by URL, and its errors as ours."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ReadOnlyError, RedisError
from redis.retry import Retry
from redis.sentinel import Sentinel

from ..errors import ConfigurationError, StorageError

TIMEOUT = 5.0
"""Seconds until a connection that does not answer is given up, a half-open one too."""


class RedisServer:
    """One client for all threads of a process.

    *url*: `redis://user:password@host:6379/0`, `rediss://` for TLS,
    `unix:///path?db=0`, or `redis+sentinel://:password@one:26379,two:26379/service/0`.
    The client is Any to the type checker: redis-py's types name what its async
    client answers, too. The protocol is RESP2: RESP3 changes the shape of XREADGROUP's answer.
    """

    def __init__(self, url: str) -> None:
        self.shown = without_password(url)
        options: dict[str, Any] = {
            "protocol": 2, "socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT,
            "retry": Retry(NoBackoff(), 1), "max_connections": 1000,
        }  # fmt: skip
        if not url.startswith("unix:"):
            options["socket_keepalive"] = True
        try:
            self.client: Any = (
                _through_sentinels(url, options)
                if url.startswith("redis+sentinel:")
                else Redis.from_url(url, **options)
            )
        except ValueError as error:
            raise ConfigurationError(
                f"REDIS_URL {self.shown} cannot be read: {error}; "
                "an example: redis://:password@localhost:6379/0"
            ) from None

    @contextmanager
    def guard(self) -> Iterator[Any]:
        """The client; what it raises becomes StorageError."""
        try:
            yield self.client
        except RedisError as error:
            if isinstance(error, ReadOnlyError):
                # A failover has made a replica of it: the next connection finds the new master.
                self.client.connection_pool.disconnect()
            raise StorageError(f"redis {self.shown}: {error}") from error

    def close(self) -> None:
        """Close every connection; idempotent."""
        self.client.close()


def without_password(url: str) -> str:
    """*url* as it may be shown."""
    parts = urlsplit(url)
    user, at, rest = parts.netloc.rpartition("@")
    hidden = f"{user.partition(':')[0]}:***@" if ":" in user else f"{user}{at}"
    return urlunsplit((parts.scheme, f"{hidden}{rest}", parts.path, "", ""))


def _through_sentinels(url: str, options: dict[str, Any]) -> Any:
    parts = urlsplit(url)
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    service, _, database = parts.path.strip("/").partition("/")
    if not service or not hosts:
        raise ValueError("needs redis+sentinel://HOST:PORT,.../SERVICE")
    pairs = [host.rpartition(":") for host in hosts.split(",")]
    sentinels = [(name or port, int(port) if name else 26379) for name, _, port in pairs]
    waits = {"socket_timeout": TIMEOUT, "socket_connect_timeout": TIMEOUT}
    sentinel: Any = Sentinel(sentinels, sentinel_kwargs=waits)  # type: ignore[no-untyped-call]
    login_options = {"username": user or None, "password": password or None}
    return sentinel.master_for(service, db=int(database or 0), **login_options, **options)
