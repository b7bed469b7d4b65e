"""Redis Streams, entry by entry as Dapr's `pubsub.redis` writes and reads them.

The stream's key is the topic, its field `data` holds the envelope, the group
is the service's name. A pending entry is the lease: its idle time is reset by
whoever holds it, and an entry that is idle for a lease is taken over.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from threading import Event
from typing import Any
from uuid import uuid4

import orjson
from redis.exceptions import ResponseError

from ..connections.redis import RedisServer
from ..errors import GroupLost, StorageError
from ..events.transport import Delivery, Lag, Message

BLOCK = 0.5
"""Seconds of one blocking read: what `wake` and a stop may have to wait for."""

CHUNK = 1000
"""Messages of one script call, which stops the server for about 2 ms."""

KEPT = 1000
"""Entries that stay on a stream after every group has settled them, to be looked at."""

TRIMMED = 10_000
"""Entries that one script call trims at most, which stops the server for about a millisecond."""

FORGOTTEN = 3_600_000
"""Milliseconds after which a consumer that holds nothing is removed from its group."""

_SETTLE = """
local follow_ups = tonumber(ARGV[1])
for i = 1, follow_ups do
    redis.call('XADD', KEYS[tonumber(ARGV[2 * i])], '*', 'data', ARGV[2 * i + 1])
end
local first = 2 * follow_ups + 3
for i = first, #ARGV, 1000 do
    redis.call('XACK', KEYS[1], ARGV[first - 1], unpack(ARGV, i, math.min(i + 999, #ARGV)))
end
"""
"""Publishes and acknowledges; KEYS[1] is the topic of what is acknowledged."""

_HOLD = """
for i = 5, #ARGV do
    local held = redis.call('XPENDING', KEYS[1], ARGV[1], ARGV[i], ARGV[i], 1, ARGV[2])[1]
    if held then
        redis.call('XCLAIM', KEYS[1], ARGV[1], ARGV[2], 0, ARGV[i], 'IDLE', ARGV[3],
            'RETRYCOUNT', math.max(0, held[4] - ARGV[4]), 'JUSTID')
    end
end
"""
"""Sets the idle time of what is still ours; a bare XCLAIM would take it from its new holder."""

_TRIM = """
if redis.call('XLEN', KEYS[1]) <= tonumber(ARGV[1]) then return 0 end
local lowest
for _, group in ipairs(redis.call('XINFO', 'GROUPS', KEYS[1])) do
    local position = group[8]
    if group[6] > 0 then
        position = redis.call('XPENDING', KEYS[1], group[2])[2]
    end
    local ms, n = position:match('(%d+)-(%d+)')
    ms, n = tonumber(ms), tonumber(n)
    if not lowest or ms < lowest[1] or (ms == lowest[1] and n < lowest[2]) then
        lowest = {ms, n, position}
    end
    for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', KEYS[1], group[2])) do
        if consumer[4] == 0 and consumer[6] > tonumber(ARGV[2]) then
            redis.call('XGROUP', 'DELCONSUMER', KEYS[1], group[2], consumer[2])
        end
    end
end
if not lowest then return 0 end
local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', ARGV[1])
local ms, n = newest[#newest][1]:match('(%d+)-(%d+)')
ms, n = tonumber(ms), tonumber(n)
if ms < lowest[1] or (ms == lowest[1] and n < lowest[2]) then lowest[3] = newest[#newest][1] end
return redis.call('XTRIM', KEYS[1], 'MINID', '~', lowest[3], 'LIMIT', ARGV[3])
"""
"""One step, so that a group which joins meanwhile finds its oldest entry, or was counted."""


class RedisStreamsTransport:
    """See `events.transport.Transport`; `lease` in seconds."""

    def __init__(self, url: str, lease: float = 30.0) -> None:
        self.server = RedisServer(url)
        self.lease = lease
        self._settle = self.server.client.register_script(_SETTLE)
        self._hold = self.server.client.register_script(_HOLD)
        self._trim = self.server.client.register_script(_TRIM)

    def publish(self, messages: Sequence[Message]) -> None:
        """Return once the server has *messages*, in order."""
        self.settle("", "", [], messages)

    def settle(
        self, topic: str, group: str, done: Sequence[Delivery], follow_ups: Sequence[Message]
    ) -> None:
        """Publish *follow_ups*, then acknowledge *done*; both in one step below CHUNK messages."""
        last = max(0, len(follow_ups) - 1) // CHUNK * CHUNK
        with self.server.guard():
            for start in range(0, last + 1, CHUNK):
                chunk = follow_ups[start : start + CHUNK]
                keys = [topic, *dict.fromkeys(message.topic for message in chunk)]
                place = {name: n for n, name in enumerate(keys, 1)}
                arguments: list[Any] = [len(chunk)]
                for message in chunk:
                    arguments += (place[message.topic], message.body)
                arguments.append(group)
                if start == last:
                    arguments += [delivery.entry for delivery in done]
                self._settle(keys=keys, args=arguments)

    def subscribe(self, topic: str, group: str, *, alone: bool = False) -> RedisSubscription:
        """Join *group* on *topic*; a new group starts at the oldest event kept."""
        self.create_group(topic, group)
        return RedisSubscription(self, topic, group, alone)

    def create_group(self, topic: str, group: str) -> None:
        """Create *group*, and the stream, unless they are there."""
        with self.server.guard() as redis:
            try:
                redis.xgroup_create(topic, group, id="0", mkstream=True)
            except ResponseError as error:
                if not str(error).startswith("BUSYGROUP"):
                    raise

    def lag(self, topic: str, group: str) -> Lag:
        """What *group* has not settled of *topic*; all of it when the group is unknown."""
        with self.server.guard() as redis:
            try:
                groups = redis.xinfo_groups(topic)
            except ResponseError:  # no such key
                return Lag(0, 0.0)
            found = next((g for g in groups if g["name"].decode() == group), None)
            if found is None:
                waiting, behind, pending = redis.xlen(topic), b"0-0", 0
            else:
                behind, pending = found["last-delivered-id"], found["pending"]
                waiting = found.get("lag")
                if waiting is None:  # deleted entries in between, or a server before 7.0
                    waiting = len(redis.xrange(topic, b"(" + behind, "+"))
            names = [entry for entry, _ in redis.xrange(topic, b"(" + behind, "+", count=1)]
            # What was pending may have been settled since: then there is no oldest of it.
            if pending and (oldest_pending := redis.xpending(topic, group)["min"]):
                names.append(oldest_pending)
            seconds, microseconds = redis.time()
        if not names:
            return Lag(0, 0.0)
        oldest = min(_published(name) for name in names)
        return Lag(waiting + pending, max(0.0, seconds + microseconds / 1e6 - oldest))

    def topics(self) -> dict[str, list[str]]:
        """Every topic with its groups, in alphabetical order."""
        with self.server.guard() as redis:
            keys = sorted(redis.scan_iter(count=1000, _type="stream"))
            return {
                key.decode(): sorted(group["name"].decode() for group in redis.xinfo_groups(key))
                for key in keys
            }

    def read(self, topic: str, after: str, limit: int) -> list[Delivery]:
        """Up to *limit* entries behind *after*, oldest first."""
        with self.server.guard() as redis:
            entries = redis.xrange(topic, f"({after}" if after else "-", "+", count=limit)
        return [_delivery(topic, name, fields, 0) for name, fields in entries]

    def latest(self, topic: str, limit: int) -> list[Delivery]:
        """The newest entries, oldest first."""
        with self.server.guard() as redis:
            entries = redis.xrevrange(topic, count=limit)
        return [_delivery(topic, name, fields, 0) for name, fields in reversed(entries)]

    def last(self, topic: str) -> str:
        """The newest entry's name."""
        with self.server.guard() as redis:
            entries = redis.xrevrange(topic, count=1)
        return entries[0][0].decode() if entries else ""

    def tidy(self, topics: Iterable[str]) -> None:
        """Trim what every group of *topics* has settled, and remove consumers long gone."""
        with self.server.guard():
            for topic in topics:
                while self._trim(keys=[topic], args=[KEPT, FORGOTTEN, TRIMMED]):
                    pass

    def hold(
        self, topic: str, group: str, consumer: str, held: Sequence[Delivery], idle: int, less: int
    ) -> None:
        """Say that what *consumer* still holds is idle for *idle* ms, with *less* deliveries."""
        with self.server.guard():
            for start in range(0, len(held), CHUNK):
                entries = [delivery.entry for delivery in held[start : start + CHUNK]]
                self._hold(keys=[topic], args=[group, consumer, idle, less, *entries])

    def close(self) -> None:
        """Close the connections."""
        self.server.close()


class RedisSubscription:
    """See `events.transport.Subscription`."""

    def __init__(
        self, transport: RedisStreamsTransport, topic: str, group: str, alone: bool
    ) -> None:
        self.transport = transport
        self.topic = topic
        self.group = group
        self.alone = alone
        self.consumer = f"{socket.gethostname()}-{os.getpid()}-{uuid4().hex[:8]}"
        self._woken = Event()
        self._next_claim = 0.0
        self._held: set[str] = set()

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """Up to *limit* deliveries; waits *timeout* seconds for the first.

        Raises:
            GroupLost: The group was gone, as after a flush; it is there again.
        """
        end = time.monotonic() + timeout
        try:
            while True:
                left = end - time.monotonic()
                wait = min(left, BLOCK)
                if self.alone:
                    taken = self._alone(limit, wait)
                else:
                    taken = self._lapsed(limit) or self._fresh(limit, wait)
                if taken or left <= BLOCK or self._woken.is_set():
                    self._woken.clear()
                    self._held.update([delivery.entry for delivery in taken])
                    return taken
        except StorageError as error:
            if "NOGROUP" not in str(error) and "no longer exists" not in str(error):
                raise
        self.transport.create_group(self.topic, self.group)
        raise GroupLost(
            f"redis {self.transport.server.shown}: group {self.group} of {self.topic} was lost "
            "(was the server flushed?); created again, from the oldest entry"
        )

    def settle(self, done: Sequence[Delivery], follow_ups: Sequence[Message]) -> None:
        """Publish *follow_ups* and acknowledge *done*.

        Redis acknowledges for the group, whoever holds the entry: right, since
        what is acknowledged here has been committed.
        """
        try:
            self.transport.settle(self.topic, self.group, done, follow_ups)
        finally:
            self._held.difference_update([delivery.entry for delivery in done])

    def renew(self, held: Sequence[Delivery]) -> None:
        """Hold *held* for another lease."""
        self.transport.hold(self.topic, self.group, self.consumer, held, 0, 0)

    def release(self, held: Sequence[Delivery]) -> None:
        """Give *held* back at once, uncounted: idle for a day is idle for any lease."""
        try:
            self.transport.hold(self.topic, self.group, self.consumer, held, 86_400_000, 1)
        finally:
            self._held.difference_update([delivery.entry for delivery in held])

    def wake(self) -> None:
        """Make a waiting `receive` return within BLOCK seconds."""
        self._woken.set()

    def close(self) -> None:
        """Nothing to release; `tidy` removes a consumer that holds nothing."""

    def _lapsed(self, limit: int) -> list[Delivery]:
        """Take over what is idle for a lease; looked for about twice a second."""
        now = time.monotonic()
        if now < self._next_claim:
            return []
        idle = max(0, int(self.transport.lease * 1000))
        with self.transport.server.guard() as redis:
            rows = redis.xpending_range(self.topic, self.group, "-", "+", limit, idle=idle)
            counts = {row["message_id"]: row["times_delivered"] + 1 for row in rows}
            if not counts:
                self._next_claim = now + min(0.5, max(0.0, self.transport.lease) / 3)
                return []
        return self._claim(counts, idle)

    def _claim(self, counts: Mapping[bytes, int], idle: int) -> list[Delivery]:
        """Take the entries of *counts* that are still idle for *idle* ms."""
        if not counts:
            return []
        with self.transport.server.guard() as redis:
            entries = redis.xclaim(self.topic, self.group, self.consumer, idle, list(counts))
        return [
            _delivery(self.topic, name, fields, counts[name])
            for name, fields in entries
            if name is not None and fields is not None
        ]

    def _alone(self, limit: int, wait: float) -> list[Delivery]:
        """What is fresh, and all that is pending and not held here, by age.

        What another one has read before us is pending once we have read, so
        nothing older than these is still to come; nor of an answer that was lost.
        """
        fresh = self._fresh(limit, wait)
        known = self._held.union([delivery.entry for delivery in fresh])
        with self.transport.server.guard() as redis:
            rows = redis.xpending_range(self.topic, self.group, "-", "+", 1_000_000)
        counts = {
            row["message_id"]: row["times_delivered"] + 1
            for row in rows
            if row["message_id"].decode() not in known
        }
        return sorted(self._claim(counts, 0) + fresh, key=_age)

    def _fresh(self, limit: int, wait: float) -> list[Delivery]:
        block = max(0, int(wait * 1000)) or None  # 0 would wait for ever
        with self.transport.server.guard() as redis:
            answer = redis.xreadgroup(
                self.group, self.consumer, {self.topic: ">"}, count=limit, block=block
            )
        entries = answer[0][1] if answer else ()
        return [_delivery(self.topic, name, fields, 1) for name, fields in entries]


def _delivery(topic: str, name: bytes, fields: dict[bytes, bytes], count: int) -> Delivery:
    body = fields.get(b"data")
    if body is None:  # not written by Dapr or us; a dead letter shows what was there
        texts = {k.decode(errors="replace"): v.decode(errors="replace") for k, v in fields.items()}
        body = orjson.dumps(texts)
    return Delivery(topic, body, name.decode(), count, _published(name))


def _age(delivery: Delivery) -> tuple[int, int]:
    milliseconds, _, number = delivery.entry.partition("-")
    return int(milliseconds), int(number)


def _published(name: bytes) -> float:
    """An entry's name begins with the server's time in milliseconds."""
    return int(name.partition(b"-")[0]) / 1000
