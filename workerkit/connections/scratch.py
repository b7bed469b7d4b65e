"""A Redis database of one's own on a server that others use."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from urllib.parse import parse_qs, urlsplit, urlunsplit

from ..errors import ConfigurationError
from .redis import RedisServer

LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})

OWNER = "workerkit:chaos:owner"
"""The key that tells whose database it is."""

NUMBERS = range(15, 0, -1)
"""The databases that a server has unless it is told otherwise, but for 0, which people use."""


@contextmanager
def scratch_redis(url: str, owner: str, is_gone: Callable[[str], bool]) -> Iterator[str]:
    """The URL of an empty database on the server at *url*; emptied at the end.

    *owner* is written into it; one whose owner *is_gone* says has ended is
    taken over, emptied.

    Raises:
        ConfigurationError: The server is on another machine, or has none that is empty.
        StorageError: It does not answer.
    """
    redis_address(url)
    numbered = (_with_number(url, number) for number in NUMBERS)
    chosen = next((each for each in numbered if _taken(each, owner, is_gone)), "")
    if not chosen:
        raise ConfigurationError("no database of the Redis server from 1 to 15 is empty: empty one")
    try:
        yield chosen
    finally:
        with closing(RedisServer(chosen)) as server, server.guard() as redis:
            redis.flushdb()


_FLUSH = """
local entries, held = {}, {}
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    if group[2] == ARGV[1] then
        for _, row in ipairs(redis.call('XPENDING', KEYS[1], ARGV[1], '-', '+', 1000000)) do
            held[row[1]] = true
        end
        for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. group[8], '+')) do
            held[entry[1]] = true
        end
    end
end
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '-', '+')) do
    if held[entry[1]] then table.insert(entries, entry[2][2]) end
end
local owner = redis.call('GET', KEYS[2])
redis.call('FLUSHDB')
if owner then redis.call('SET', KEYS[2], owner) end
return entries
"""
"""One step, so that nothing is settled between the look and the flush. The owner's key stays."""


def flush_redis(url: str, topic: str, group: str) -> list[bytes]:
    """Empty the database at *url*; the envelopes that *group* had not settled of *topic*.

    Raises:
        StorageError: The server does not answer.
    """
    with closing(RedisServer(url)) as server, server.guard() as redis:
        return list(redis.register_script(_FLUSH)(keys=[topic, OWNER], args=[group]))


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


def _taken(url: str, owner: str, is_gone: Callable[[str], bool]) -> bool:
    """Make the database at *url* ours if it is empty, or left by a process that is gone."""
    with closing(RedisServer(url)) as server, server.guard() as redis:
        before = redis.get(OWNER)
        if before is not None and is_gone(before.decode()):
            redis.flushdb()
        elif redis.dbsize():
            return False
        return bool(redis.set(OWNER, owner, nx=True))
