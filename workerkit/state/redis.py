"""State on the Redis server that carries the events."""

from __future__ import annotations

from dataclasses import asdict, replace

import orjson

from ..connections.redis import RedisServer
from ..core.state import FORGOTTEN, Lease, Member

_LEASE = "workerkit:lease:"
"""A hash with holder, token and `until` in milliseconds; it stays, or tokens would repeat."""

_MEMBERS = "workerkit:members"

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

_ACQUIRE = f"""{_NOW}
if tonumber(redis.call('HGET', KEYS[1], 'until') or 0) > now then return false end
redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'until', now + ARGV[2])
return redis.call('HINCRBY', KEYS[1], 'token', 1)
"""

_HOLD = f"""{_NOW}
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'until', tonumber(ARGV[2]) == 0 and 0 or now + ARGV[2])
return 1
"""


class RedisState:
    """See `core.state.State`; time is the server's.

    A flushed server forgets its tokens, which begin at 1 again: the service's
    own database refuses them until they have caught up.
    """

    def __init__(self, url: str) -> None:
        self.server = RedisServer(url)
        self._acquire = self.server.client.register_script(_ACQUIRE)
        self._hold = self.server.client.register_script(_HOLD)

    def acquire(self, name: str, holder: str, seconds: float) -> Lease | None:
        """The lease on *name*, unless somebody has it."""
        with self.server.guard():
            token = self._acquire(keys=[_LEASE + name], args=[holder, int(seconds * 1000)])
        return Lease(name, holder, token) if token else None

    def renew(self, lease: Lease, seconds: float) -> bool:
        """Hold *lease* longer."""
        return self._set(lease, max(1, int(seconds * 1000)))

    def release(self, lease: Lease) -> None:
        """Let another have it."""
        self._set(lease, 0)

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

    def close(self) -> None:
        """Close the connections."""
        self.server.close()

    def _set(self, lease: Lease, milliseconds: int) -> bool:
        with self.server.guard():
            return bool(self._hold(keys=[_LEASE + lease.name], args=[lease.token, milliseconds]))
