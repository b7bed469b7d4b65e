"""What could keep a Redis server from carrying events safely."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from ..connections.redis import RedisServer
from ..errors import StorageError
from .finding import Check

OLDEST = (6, 2)
"""The first with XAUTOCLAIM, by which a dead worker's events are taken over."""


UNREAD = 100_000
"""Events of a topic without a group above which it is told: nothing trims what nobody reads."""


def check_redis(url: str) -> Iterator[Check]:
    """Reachable, new enough, a master, and one that forgets nothing by itself."""
    with closing(RedisServer(url)) as server:
        try:
            with server.guard() as redis:
                info: dict[str, Any] = redis.info()
                unread = _unread(redis)
        except StorageError as error:
            way_out = "is it running, and are URL and password correct?"
            yield Check("redis", "fail", str(error), way_out)
            return
        yield _check_server(server.shown, info)
    yield _check_memory(info)
    yield _check_disk(info)
    if unread:
        topic, length = max(unread.items(), key=lambda pair: pair[1])
        fact = f"{topic} holds {length:,} events that no group reads, and grows"
        way_out = f"start what reads them, or `redis-cli XTRIM {topic} MAXLEN 1000`"
        yield Check("redis: topics", "warn", fact, way_out)


def _unread(redis: Any) -> dict[str, int]:
    """Topics without a group that hold more than UNREAD events, and how many."""
    lengths = {key: redis.xlen(key) for key in redis.scan_iter(count=1000, _type="stream")}
    return {
        key.decode(): length
        for key, length in lengths.items()
        if length > UNREAD and not redis.xinfo_groups(key)
    }


def _check_server(shown: str, info: dict[str, Any]) -> Check:
    version = str(info["redis_version"])
    fact = f"{shown} is Redis {version}"
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        return Check("redis", "fail", f"{fact}, too old", "use Redis 6.2 or newer")
    if info["role"] != "master":
        way_out = "use the master's URL, or Sentinel's: redis+sentinel://HOST:26379/SERVICE"
        return Check("redis", "fail", f"{fact}, a replica that takes no writes", way_out)
    return Check("redis", "ok", fact)


def _check_memory(info: dict[str, Any]) -> Check:
    limit, policy = int(info["maxmemory"]), str(info["maxmemory_policy"])
    if limit and policy != "noeviction":
        fact = f"at {limit / 2**20:.0f} MB it drops what it likes ({policy}), events too"
        return Check("redis: memory", "fail", fact, "set `maxmemory-policy noeviction`")
    used = int(info["used_memory"])
    if limit and used > 0.8 * limit:
        fact = f"{used / 2**20:.0f} of {limit / 2**20:.0f} MB are used; when full it takes no event"
        return Check("redis: memory", "warn", fact, "raise `maxmemory`, or look at `events lag`")
    return Check("redis: memory", "ok", f"{used / 2**20:.0f} MB used, nothing is evicted")


def _check_disk(info: dict[str, Any]) -> Check:
    if not int(info["aof_enabled"]):
        fact = "no append-only file: a restart loses the events since the last snapshot"
        return Check("redis: disk", "warn", fact, "set `appendonly yes`")
    if info["aof_last_write_status"] != "ok":
        return Check("redis: disk", "fail", "the append-only file cannot be written", "free space")
    return Check("redis: disk", "ok", "append-only file")
