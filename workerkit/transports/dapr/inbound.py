"""Events that a sidecar has handed to this process, each until it is answered.

Dapr gives no lease and no count: an event is ours until we answer it, or until
the sidecar loses patience and hands it out again, under another name. Here it
gets both, so that an event whose lane died comes again, counted, without the
sidecar; and one that the sidecar repeats while it is worked on joins the first.
What a killed process had in hand is counted too, see `hand`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import count
from typing import Any, Protocol
from uuid import uuid4

import orjson

from ...core.clock import Clock
from ...events.envelope import moment
from ...events.transport import Delivery
from .hand import Hand, Identity
from .trace import restore


class Status(Enum):
    """What a sidecar is told of an event. Nothing is ever dropped: we keep what cannot be done."""

    SUCCESS = "SUCCESS"
    RETRY = "RETRY"


class Answer(Protocol):
    """Where the sidecar waits for what became of the events of one request."""

    def settle(self, name: str, status: Status) -> None:
        """Tell what became of the event that the sidecar calls *name*; from any thread."""


@dataclass(slots=True)
class Held:
    """One event in this process, and everywhere that its outcome is waited for."""

    delivery: Delivery
    identity: Identity | None
    waiting: list[tuple[Answer, str]]
    consumer: str = ""
    until: float = 0.0


class Inbound:
    """The events of one topic; *lease* tells how many seconds one is held without `renew`."""

    def __init__(
        self, topic: str, lease: Callable[[], float], clock: Clock, hand: Hand | None = None
    ) -> None:
        self.topic = topic
        self.hand = hand
        self.lease = lease
        self.clock = clock
        self.closed = False
        self.trouble: str | None = None
        """What keeps events from coming here."""
        self._changed = threading.Condition()
        self._fresh: deque[Held] = deque()
        self._held: dict[str, Held] = {}
        self._known: dict[Identity, Held] = {}
        self._numbers = count(1)
        self._name = uuid4().hex
        self._look_at = 0.0
        self._woken = False

    def __len__(self) -> int:
        """Events that are not answered."""
        return len(self._fresh) + len(self._held)

    def put(self, events: Sequence[tuple[str, Any]], answer: Answer) -> None:
        """Take *events*, each with the sidecar's name for it, and answer them to *answer*."""
        now = self.clock.time()
        arrived = [self._arrived(name, envelope, answer, now) for name, envelope in events]
        with self._changed:
            if not self.closed:
                for held in arrived:
                    self._add(held)
                self._changed.notify_all()
                return
        for name, _ in events:
            answer.settle(name, Status.RETRY)

    def take(self, consumer: str, limit: int, timeout: float) -> list[Delivery]:
        """Up to *limit* deliveries, lapsed ones first; waits *timeout* seconds for the first."""
        with self._changed:
            taken = self._take(consumer, limit)
            if not taken and timeout > 0 and not self._woken:
                self._changed.wait(timeout)
                taken = self._take(consumer, limit)
            self._woken = False
            return taken

    def settle(self, consumer: str, deliveries: Sequence[Delivery], status: Status) -> None:
        """Answer *deliveries*, those that *consumer* still holds."""
        with self._changed:
            ended = self._mine(consumer, deliveries)
            self._forget(ended)
            if not self:
                self._changed.notify_all()
        for held in ended:
            for answer, name in held.waiting:
                answer.settle(name, status)

    def renew(self, consumer: str, deliveries: Sequence[Delivery]) -> None:
        """Hold *deliveries* for another lease."""
        until = self.clock.monotonic() + self.lease()
        with self._changed:
            for held in self._mine(consumer, deliveries):
                held.until = until

    def wake(self) -> None:
        """Make a waiting `take` return."""
        with self._changed:
            self._woken = True
            self._changed.notify_all()

    def open(self) -> None:
        """Take events again."""
        with self._changed:
            self.closed = False

    def drain(self, timeout: float) -> None:
        """Take nothing more, and wait *timeout* seconds for what is here.

        What is left is answered RETRY. It may still be done: then it comes
        again as a duplicate.
        """
        with self._changed:
            self.closed = True
            self._changed.wait_for(lambda: not self, timeout)
            left = [*self._fresh, *self._held.values()]
            self._forget(left)
            self._fresh.clear()
        for held in left:
            for answer, name in held.waiting:
                answer.settle(name, Status.RETRY)

    def _arrived(self, name: str, envelope: Any, answer: Answer, now: float) -> Held:
        """A foreign entry has no id and maybe no envelope; it becomes a dead letter in the end."""
        about = envelope if isinstance(envelope, dict) else {}
        restore(about)
        body = orjson.dumps(envelope)
        source, given = about.get("source") or "", about.get("id")
        identity: Identity | None = None
        if isinstance(source, str) and isinstance(given, str) and given:
            identity = (source, given)
        published = moment(about.get("time")) or now
        # Our own name: the sidecar's may come back for another event after its restart.
        entry = f"{self._name}-{next(self._numbers)}"
        number = self.hand.count(identity) if self.hand else 1
        delivery = Delivery(self.topic, body, entry, number, published)
        return Held(delivery, identity, [(answer, name)])

    def _add(self, held: Held) -> None:
        if held.identity is not None:
            first = self._known.setdefault(held.identity, held)
            if first is not held:
                first.waiting += held.waiting
                return
        self._fresh.append(held)

    def _take(self, consumer: str, limit: int) -> list[Delivery]:
        now = self.clock.monotonic()
        taken = self._lapsed(now, limit)
        while self._fresh and len(taken) < limit:
            held = self._fresh.popleft()
            self._held[held.delivery.entry] = held
            taken.append(held)
        until = now + self.lease()
        for held in taken:
            held.consumer, held.until = consumer, until
        if self.hand and taken:
            self.hand.take([(h.identity, h.delivery.count) for h in taken if h.identity])
        return [held.delivery for held in taken]

    def _lapsed(self, now: float, limit: int) -> list[Held]:
        """What nobody has renewed, looked for twice a second: its lane has died."""
        if now < self._look_at:
            return []
        lapsed = [held for held in self._held.values() if held.until < now][:limit]
        if not lapsed:
            self._look_at = now + min(0.5, max(0.0, self.lease()) / 3)
        for held in lapsed:
            old = held.delivery
            held.delivery = Delivery(old.topic, old.body, old.entry, old.count + 1, old.published)
        return lapsed

    def _mine(self, consumer: str, deliveries: Sequence[Delivery]) -> list[Held]:
        found = (self._held.get(delivery.entry) for delivery in deliveries)
        return [held for held in found if held is not None and held.consumer == consumer]

    def _forget(self, ended: Sequence[Held]) -> None:
        for held in ended:
            self._held.pop(held.delivery.entry, None)
            if held.identity is not None:
                self._known.pop(held.identity, None)
        if self.hand and ended:
            self.hand.give([held.identity for held in ended if held.identity])
