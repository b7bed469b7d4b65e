"""State on the Redis server that carries the events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import orjson

from ..connections.redis import RedisServer
from ..core.state import FORGOTTEN, Lease, Member

_LEASE = "workerkit:lease:"
"""A hash with holder, token and `until` in milliseconds; it stays, or tokens would repeat."""

_MEMBERS = "workerkit:members"

_CACHE = "workerkit:cache:"

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

_ACQUIRE = f"""{_NOW}
if tonumber(redis.call('HGET', KEYS[1], 'until') or 0) > now then return false end
local last = tonumber(redis.call('HGET', KEYS[1], 'token') or 0)
local token = math.max(last, tonumber(ARGV[3])) + 1
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'until', now + ARGV[2], 'token', token)
return token
"""

_IF_HELD = """
local held = redis.call('HMGET', KEYS[1], 'holder', 'token')
if held[1] ~= ARGV[1] or held[2] ~= ARGV[2] then return 0 end
"""

_RENEW = f"""{_NOW}{_IF_HELD}
redis.call('HSET', KEYS[1], 'until', now + ARGV[3])
return 1
"""

_RELEASE = f"""{_IF_HELD}
redis.call('HSET', KEYS[1], 'holder', '', 'until', 0)
return 1
"""


class RedisState:
    """See `core.state.State`; time is the server's."""

    def __init__(self, url: str) -> None:
        self.server = RedisServer(url)
        self._acquire = self.server.client.register_script(_ACQUIRE)
        self._renew = self.server.client.register_script(_RENEW)
        self._release = self.server.client.register_script(_RELEASE)

    def acquire(self, name: str, holder: str, seconds: float, above: int = 0) -> Lease | None:
        """The lease on *name*, unless somebody has it."""
        with self.server.guard():
            token = self._acquire(keys=[_LEASE + name], args=[holder, int(seconds * 1000), above])
        return Lease(name, holder, token) if token else None

    def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold *lease* longer."""
        arguments = [lease.holder, lease.token, int(seconds * 1000)]
        with self.server.guard():
            return bool(self._renew(keys=[_LEASE + lease.name], args=arguments))

    def release(self, lease: Lease) -> None:
        """Let another have it."""
        with self.server.guard():
            self._release(keys=[_LEASE + lease.name], args=[lease.holder, lease.token])

    def announce(self, member: Member, seconds: float) -> None:
        """Say that *member* runs."""
        with self.server.guard() as redis:
            whole, micros = redis.time()
            shown = replace(member, until=whole + micros / 1e6 + seconds)
            redis.hset(_MEMBERS, member.id, orjson.dumps(asdict(shown)))

    def withdraw(self, id: str) -> None:
        """Forget member *id*."""
        with self.server.guard() as redis:
            redis.hdel(_MEMBERS, id)

    def members(self) -> list[Member]:
        """Who runs, and who was lost lately."""
        with self.server.guard() as redis:
            found = [Member(**orjson.loads(value)) for value in redis.hvals(_MEMBERS)]
            oldest = redis.time()[0] - FORGOTTEN
            lost = [member.id for member in found if member.until <= oldest]
            if lost:
                redis.hdel(_MEMBERS, *lost)
        kept = [member for member in found if member.until > oldest]
        return sorted(kept, key=lambda m: (m.service, m.mode, m.started))

    def cached(self, keys: Sequence[str]) -> dict[str, bytes]:
        """What is in the cache."""
        if not keys:
            return {}
        with self.server.guard() as redis:
            found = redis.mget([_CACHE + key for key in keys])
        return {key: value for key, value in zip(keys, found, strict=True) if value is not None}

    def cache(self, values: Mapping[str, bytes], seconds: float) -> None:
        """Keep *values*."""
        milliseconds = max(1, int(seconds * 1000))
        with self.server.guard() as redis, redis.pipeline(transaction=False) as pipeline:
            for key, value in values.items():
                pipeline.set(_CACHE + key, value, px=milliseconds)
            pipeline.execute()

    def close(self) -> None:
        """Close the connections."""
        self.server.close()
