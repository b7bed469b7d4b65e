"""Events within one process, with the leases and redelivery of a real broker; for tests."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from ..core.clock import Clock, SystemClock
from ..events.transport import Delivery, Lag, Message


@dataclass(slots=True)
class _Held:
    consumer: str
    until: float
    count: int


@dataclass(slots=True)
class _Group:
    cursor: int = 0
    held: dict[int, _Held] = field(default_factory=dict)


class MemoryTransport:
    """See `events.transport.Transport`; `lease` in seconds, told by *clock*."""

    def __init__(self, lease: float = 30.0, clock: Clock | None = None) -> None:
        self.lease = lease
        self.clock = clock or SystemClock()
        self.changed = threading.Condition(threading.RLock())
        self.entries: dict[str, list[tuple[bytes, float]]] = defaultdict(list)
        self.groups: dict[tuple[str, str], _Group] = {}

    def publish(self, messages: Sequence[Message]) -> None:
        """Append *messages*, in order."""
        with self.changed:
            for message in messages:
                self.entries[message.topic].append((message.body, self.clock.time()))
            self.changed.notify_all()

    def subscribe(self, topic: str, group: str, *, alone: bool = False) -> MemorySubscription:
        """Join *group* on *topic*; a new group starts at the oldest event."""
        with self.changed:
            held = self.groups.setdefault((topic, group), _Group())
        return MemorySubscription(self, topic, held, alone)

    def lag(self, topic: str, group: str) -> Lag:
        """What *group* has not settled of *topic*."""
        with self.changed:
            known = self.groups.get((topic, group), _Group())
            entries = self.entries[topic]
            waiting = [*known.held, *range(known.cursor, len(entries))]
            if not waiting:
                return Lag(0, 0.0)
            return Lag(len(waiting), self.clock.time() - entries[min(waiting)][1])

    def topics(self) -> dict[str, list[str]]:
        """Every topic with its groups, in alphabetical order."""
        with self.changed:
            found: dict[str, list[str]] = {t: [] for t, entries in self.entries.items() if entries}
            for topic, group in sorted(self.groups):
                found.setdefault(topic, []).append(group)
        return dict(sorted(found.items()))

    def read(self, topic: str, after: str, limit: int) -> list[Delivery]:
        """Up to *limit* entries behind *after*, oldest first."""
        with self.changed:
            entries = self.entries[topic]
            first = int(after) + 1 if after else 0
            return [
                Delivery(topic, entries[n][0], str(n), 0, entries[n][1])
                for n in range(first, min(len(entries), first + limit))
            ]

    def latest(self, topic: str, limit: int) -> list[Delivery]:
        """The newest entries, oldest first."""
        with self.changed:
            count = len(self.entries[topic])
        return self.read(topic, str(count - limit - 1) if count > limit else "", limit)

    def last(self, topic: str) -> str:
        """The newest entry's name."""
        with self.changed:
            entries = self.entries[topic]
            return str(len(entries) - 1) if entries else ""

    def tidy(self, topics: Iterable[str]) -> None:
        """Nothing to drop: it all ends with the process."""

    def close(self) -> None:
        """Nothing to release."""


class MemorySubscription:
    """See `events.transport.Subscription`."""

    def __init__(self, transport: MemoryTransport, topic: str, group: _Group, alone: bool) -> None:
        self.transport = transport
        self.topic = topic
        self.group = group
        self.alone = alone
        self.consumer = uuid4().hex
        self._woken = False

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """Up to *limit* deliveries; waits *timeout* seconds for the first."""
        with self.transport.changed:
            taken = self._take(limit)
            if not taken and timeout > 0 and not self._woken:
                self.transport.changed.wait(timeout)
                taken = self._take(limit)
            self._woken = False
            return taken

    def settle(self, done: Sequence[Delivery], follow_ups: Sequence[Message]) -> None:
        """Publish *follow_ups* and acknowledge *done*."""
        with self.transport.changed:
            for _, seq in self._mine(done):
                del self.group.held[seq]
            self.transport.publish(follow_ups)

    def renew(self, held: Sequence[Delivery]) -> None:
        """Hold *held* for another lease."""
        with self.transport.changed:
            for hold, _ in self._mine(held):
                hold.until = self.transport.clock.time() + self.transport.lease

    def release(self, held: Sequence[Delivery]) -> None:
        """Give *held* back at once, uncounted."""
        with self.transport.changed:
            for hold, _ in self._mine(held):
                hold.until = 0.0
                hold.count -= 1
            self.transport.changed.notify_all()

    def wake(self) -> None:
        """Make a waiting `receive` return."""
        with self.transport.changed:
            self._woken = True
            self.transport.changed.notify_all()

    def close(self) -> None:
        """Nothing to forget."""

    def _mine(self, deliveries: Sequence[Delivery]) -> list[tuple[_Held, int]]:
        held = ((self.group.held.get(int(d.entry)), int(d.entry)) for d in deliveries)
        return [(hold, seq) for hold, seq in held if hold and hold.consumer == self.consumer]

    def _take(self, limit: int) -> list[Delivery]:
        now = self.transport.clock.time()
        entries = self.transport.entries[self.topic]
        lapsed = sorted(
            seq
            for seq, hold in self.group.held.items()
            if hold.until < now or (self.alone and hold.consumer != self.consumer)
        )
        if not self.alone:
            del lapsed[limit:]
        end = min(len(entries), self.group.cursor + max(0, limit - len(lapsed)))
        fresh = list(range(self.group.cursor, end))
        self.group.cursor = end
        taken = []
        for seq in [*lapsed, *fresh]:
            before = self.group.held.get(seq)
            count = before.count + 1 if before else 1
            self.group.held[seq] = _Held(self.consumer, now + self.transport.lease, count)
            body, published = entries[seq]
            taken.append(Delivery(self.topic, body, str(seq), count, published))
        return taken
