"""Events of a chaos run, published at a steady rate and written down one by one."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Protocol

from ..core.clock import Clock, SystemClock
from ..core.worker import BaseWorker
from ..errors import ConfigurationError, InvalidPayload, StorageError
from ..events.envelope import Event, encode
from ..events.transport import Message
from ..events.worker import EventWorker, PayloadReader
from ..storage.effects import name_of
from .probe import DEADLY, FAILING, RUDE
from .verdict import Attempt, Kind

STEP = 0.02
"""Seconds between two batches."""

_WRONG: tuple[Any, ...] = ("a payload that cannot be read", ["wrong"], {"wrong": "keys"}, -1, None)


def unreadable(workers: Sequence[EventWorker[Any]]) -> Any:
    """Data that every one of *workers* must refuse.

    Raises:
        ConfigurationError: They take anything.
    """
    readers = [PayloadReader(worker) for worker in workers]
    for data in _WRONG:
        if all(_refuses(reader, data) for reader in readers):
            return data
    raise ConfigurationError("its workers take any payload, so none can be wrong")


def _refuses(reader: PayloadReader, data: Any) -> bool:
    try:
        reader.read(data)
    except InvalidPayload:
        return True
    return False


class Sender(Protocol):
    """Where events go: a transport, or a way to one."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Return once it has *messages*; raises StorageError when that is not known."""


class Load(BaseWorker):
    """Publishes *rate* events a second with *data* to *topic* until stopped.

    They are known by *run* as their source and by a number. What the broker
    has not confirmed is published again under its id, until it is.
    """

    def __init__(
        self,
        transport: Sender,
        topic: str,
        data: Any,
        run: str,
        rate: float,
        listeners: Sequence[EventWorker[Any]] = (),
        clock: Clock | None = None,
    ) -> None:
        super().__init__("load")
        self.transport = transport
        self.topic = topic
        self.data = data
        self.run = run
        self.rate = rate
        self.listeners = listeners
        self.clock = clock or SystemClock()
        self.attempts: dict[str, Attempt] = {}
        self.trouble: str | None = None
        self._lock = threading.Lock()
        self._unconfirmed: list[Event] = []

    @property
    def confirmed(self) -> int:
        """Events that the broker has."""
        return sum(attempt.confirmed_at is not None for attempt in list(self.attempts.values()))

    def work(self) -> None:
        """Publish what is due, until stopped."""
        began, made = self.clock.monotonic(), 0
        while not self.clock.wait(self.stopping, STEP):
            due = int((self.clock.monotonic() - began) * self.rate)
            self.publish([self._event(f"e{number}", self.data) for number in range(made, due)])
            made = due

    def publish(self, events: Sequence[Event], kind: Kind = "normal") -> None:
        """Publish *events* and what was not confirmed; trouble is kept in `trouble`."""
        with self._lock:
            now = self.clock.time()
            for event in events:
                name = self._name(event)
                self.attempts[name] = Attempt(name, now, None, kind)
            waiting, self._unconfirmed = [*self._unconfirmed, *events], []
            if not waiting:
                return
            try:
                self.transport.publish([Message(self.topic, encode(event)) for event in waiting])
            except StorageError as error:
                self.trouble, self._unconfirmed = str(error), waiting
                return
            self.trouble = None
            now = self.clock.time()
            for event in waiting:
                name = self._name(event)
                self.attempts[name] = replace(self.attempts[name], confirmed_at=now)

    def again(self, count: int, kind: Kind = "normal") -> list[str]:
        """Publish the latest *count* events of *kind* a second time; their ids."""
        known = [a.id for a in self.attempts.values() if a.kind == kind and "/" not in a.id]
        latest = known[-count:]
        self.transport.publish(
            [Message(self.topic, encode(self._event(id, self.data))) for id in latest]
        )
        return latest

    def twins(self, ids: Sequence[str]) -> None:
        """Publish other events under *ids*, of another source."""
        source = f"{self.run}/twin"
        self.publish([replace(self._event(id, self.data), source=source) for id in ids])

    def backwards(self, count: int) -> None:
        """Publish events of the last *count* seconds, the latest first."""
        events = [self._event(f"back{n}", self.data) for n in range(count)]
        self.publish([replace(event, time=event.time - n) for n, event in enumerate(events)])

    def failing(self, count: int) -> None:
        """Publish events whose handler raises at the first attempt."""
        self.publish([self._event(f"{FAILING}{n}", self.data) for n in range(count)], "failing")

    def rude(self, count: int) -> None:
        """Publish events whose handler tries to roll back its neighbours' work."""
        self.publish([self._event(f"{RUDE}{n}", self.data) for n in range(count)])

    def poison(self, count: int) -> None:
        """Publish events that *listeners* cannot read."""
        events = [self._event(f"poison{n}", unreadable(self.listeners)) for n in range(count)]
        self.publish(events, "poison")

    def deadly(self, count: int) -> None:
        """Publish events that kill the process that handles them."""
        self.publish([self._event(f"{DEADLY}{n}", self.data) for n in range(count)], "deadly")

    def finish(self, timeout: float) -> None:
        """Stop, and go on with what was not confirmed for at most *timeout* seconds."""
        self.stop(5.0)
        end = self.clock.monotonic() + timeout
        while self._unconfirmed and self.clock.monotonic() < end:
            self.publish([])
            if self._unconfirmed:
                time.sleep(0.1)

    def _name(self, event: Event) -> str:
        return name_of(self.run, event.source, event.id)

    def _event(self, id: str, data: Any) -> Event:
        return Event(self.topic, data, id=id, source=self.run, time=self.clock.time())
