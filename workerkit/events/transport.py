"""The seam between the engine and whatever carries events."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """An encoded event on its way out."""

    topic: str
    body: bytes


@dataclass(slots=True)
class Delivery:
    """One attempt to hand an event to a group, held under a lease.

    `entry` is the transport's own name for it; `count` is 1 on the first
    delivery and grows each time a lease lapsed; `published` is in epoch seconds.
    """

    topic: str
    body: bytes
    entry: str
    count: int
    published: float


@dataclass(frozen=True, slots=True)
class Lag:
    """What a group has not settled: how many, and since when (seconds; 0.0 when none)."""

    events: int
    oldest_age: float


class Subscription(Protocol):
    """A group's hold on one topic, used by one process."""

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """Up to *limit* deliveries, lapsed ones included; waits *timeout* seconds for the first.

        Raises:
            StorageError: No answer; nothing was taken that will not come back.
        """

    def settle(self, done: Sequence[Delivery], follow_ups: Sequence[Message]) -> None:
        """Publish *follow_ups* and acknowledge *done*, in one step where the broker can."""

    def renew(self, held: Sequence[Delivery]) -> None:
        """Hold *held* for another lease."""

    def release(self, held: Sequence[Delivery]) -> None:
        """Give *held* back at once, uncounted, for another consumer."""

    def wake(self) -> None:
        """Make a waiting `receive` return."""

    def close(self) -> None:
        """Forget the consumer; what it held lapses or was released."""


class Transport(Protocol):
    """Carries events between processes."""

    def publish(self, messages: Sequence[Message]) -> None:
        """Return once *messages* are durable, in order.

        Raises:
            StorageError: It may or may not have happened; publishing again is safe.
        """

    def subscribe(self, topic: str, group: str, *, alone: bool = False) -> Subscription:
        """Join *group* on *topic*; a new group starts at the oldest event kept.

        *alone*: it is the group's only active consumer. Every `receive` takes
        what others hold, before anything newer and even beyond its limit: one
        that was active before can then bring nothing out of order.
        """

    def lag(self, topic: str, group: str) -> Lag:
        """What *group* has not settled of *topic*."""

    def tidy(self, topics: Iterable[str]) -> None:
        """Housekeeping, every few seconds: drop what every group of *topics* has settled.

        Never what some group has not settled, and nothing of a topic without groups.
        """

    def close(self) -> None:
        """Release files and connections; idempotent."""


class Browser(Protocol):
    """Looks at what a transport keeps, without a group and without taking anything."""

    def topics(self) -> dict[str, list[str]]:
        """Every topic that holds an event or has a group, with the names of its groups."""

    def read(self, topic: str, after: str, limit: int) -> list[Delivery]:
        """Up to *limit* entries behind entry *after*, oldest first; "" is before the oldest.

        Their `count` is 0: nobody was handed them here.
        """

    def latest(self, topic: str, limit: int) -> list[Delivery]:
        """The newest entries, *limit* at most, oldest first; as `read` gives them."""

    def last(self, topic: str) -> str:
        """The newest entry's name, to `read` what comes after it; "" when there is none."""


class Broker(Transport, Browser, Protocol):
    """A transport that can be looked into: what tools work with."""
