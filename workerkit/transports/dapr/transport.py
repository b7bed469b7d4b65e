"""Events by way of a Dapr sidecar: whatever broker its `pubsub` component names."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from uuid import uuid4

from ...core.clock import Clock, SystemClock
from ...core.labels import label_of
from ...errors import ConfigurationError, StorageError
from ...events.transport import Broker, Delivery, Lag, Message
from .callbacks import Callbacks
from .client import SidecarClient
from .hand import Hand
from .inbound import Inbound, Status

log = logging.getLogger("workerkit.dapr")

PROBE = 2.0
"""Seconds between looks at a sidecar that hands out nothing."""

ASKED_WITHIN = 15.0
"""Seconds that a sidecar may take to ask for our subscriptions, before that is trouble."""


@dataclass(frozen=True, slots=True)
class DaprOptions:
    """Where the sidecar is, and how its events come here.

    `receive` "http": it calls a port of ours; "stream": we hold a gRPC stream to
    `grpc_port`, for where no port of ours can be called. `wait` is how many
    seconds a start waits for the sidecar.
    """

    http_port: int = 3500
    grpc_port: int = 50001
    pubsub: str = "pubsub"
    token: str | None = None
    receive: Literal["http", "stream"] = "http"
    wait: float = 60.0


class DaprTransport:
    """See `events.transport.Transport`; `lease` in seconds.

    What differs: Dapr keeps no order, so it refuses who wants to be `alone`;
    the group of a subscription is the sidecar's app-id, whatever *group* says;
    `release` makes the sidecar decide when an event comes again. Dapr cannot be
    looked into: `topics`, `read`, `last` and `lag` show what *beneath* holds,
    the broker that a local sidecar keeps its events in, and nothing without it.
    Deliveries that ended with their process are counted in the folder *hands*,
    for who comes after it on this machine.
    """

    def __init__(
        self,
        options: DaprOptions,
        lease: float = 30.0,
        beneath: Callable[[], Broker | None] = lambda: None,
        clock: Clock | None = None,
        hands: Path | None = None,
    ) -> None:
        self.options = options
        self.hands = hands
        self.lease = lease
        self.clock = clock or SystemClock()
        self.client = SidecarClient(
            options.http_port, pubsub=options.pubsub, token=options.token, clock=self.clock
        )
        self.inbounds: dict[str, Inbound] = {}
        self.callbacks = Callbacks(options.pubsub, self.inbounds)
        self._open_beneath = beneath
        self._beneath: Broker | None = None
        self._opening = threading.Lock()
        self._probing = threading.Lock()
        self._probed = self.clock.monotonic()
        self._due = self._probed + ASKED_WITHIN

    def publish(self, messages: Sequence[Message]) -> None:
        """Return once the sidecar's broker has *messages*; Dapr keeps no order."""
        self.client.publish(messages)

    def subscribe(self, topic: str, group: str, *, alone: bool = False) -> DaprSubscription:
        """Take the events of *topic* that the sidecar hands to this process.

        Raises:
            ConfigurationError: *alone*, which Dapr has no means for.
        """
        if alone:
            raise ConfigurationError(
                f'{group}: order = "strict" on {topic} cannot be kept, since Dapr delivers in no '
                'order: use transport = "redis", or drop the order'
            )
        inbound = self.inbounds.get(topic)
        if inbound is None:
            hand = Hand(self.hands, topic) if self.hands else None
            inbound = Inbound(topic, lambda: self.lease, self.clock, hand)
            self.inbounds[topic] = inbound
        inbound.open()
        return DaprSubscription(self, inbound)

    def check_app_id(self, service: str) -> None:
        """Warn when who shares a stream's events with us is not *service* alone.

        Raises:
            StorageError: The sidecar does not answer.
        """
        app_id = self.client.metadata().get("id")
        if self.options.receive == "stream" and app_id not in (service, label_of(service)):
            log.warning(
                "the sidecar's app-id is not the service's name: all who have it share the events",
                extra={"app_id": app_id, "service": service},
            )

    def check(self) -> None:
        """Look at the sidecar, every few seconds; called while it hands out nothing.

        Raises:
            StorageError: It does not answer, or does not know of us.
        """
        with self._probing:
            now = self.clock.monotonic()
            if now < self._probed + PROBE:
                return
            trouble = self.client.trouble()
            if trouble is not None:
                self.callbacks.asked.clear()
                self._due = now + ASKED_WITHIN
                raise StorageError(trouble)
            if self.options.receive == "http" and not self.callbacks.asked.is_set():
                self._check_known(now)
            self._probed = now

    def _check_known(self, now: float) -> None:
        """A sidecar that was there before us does not ask again; then its metadata tells."""
        found = self.client.metadata().get("subscriptions") or []
        known = {each.get("topic") for each in found if isinstance(each, dict)}
        missing = sorted(self.inbounds.keys() - known)
        if not missing:
            self.callbacks.asked.set()
        elif now >= self._due:
            raise StorageError(
                f"{self.client.shown} hands out nothing of {', '.join(missing)}: start it with "
                f"--app-port {self.callbacks.port}, or start it anew"
            )

    def lag(self, topic: str, group: str) -> Lag:
        """What *group* has not settled of *topic*, as far as can be seen."""
        beneath = self.beneath
        return beneath.lag(topic, group) if beneath else Lag(0, 0.0)

    def topics(self) -> dict[str, list[str]]:
        """Every topic with its groups, as far as can be seen."""
        beneath = self.beneath
        return beneath.topics() if beneath else {}

    def read(self, topic: str, after: str, limit: int) -> list[Delivery]:
        """Up to *limit* entries behind *after*, as far as can be seen."""
        beneath = self.beneath
        return beneath.read(topic, after, limit) if beneath else []

    def latest(self, topic: str, limit: int) -> list[Delivery]:
        """The newest entries, oldest first, as far as can be seen."""
        beneath = self.beneath
        return beneath.latest(topic, limit) if beneath else []

    def last(self, topic: str) -> str:
        """The newest entry's name, as far as can be seen."""
        beneath = self.beneath
        return beneath.last(topic) if beneath else ""

    def tidy(self, topics: Iterable[str]) -> None:
        """Drop what every group has settled, where we can see it; else its broker does."""
        beneath = self.beneath
        if beneath:
            beneath.tidy(topics)

    @property
    def beneath(self) -> Broker | None:
        """The broker that can be looked into, opened by its first use."""
        with self._opening:
            if self._beneath is None:
                self._beneath = self._open_beneath()
            return self._beneath

    def close(self) -> None:
        """Close the connections."""
        self.client.close()
        for inbound in self.inbounds.values():
            if inbound.hand is not None:
                inbound.hand.close()
        if self._beneath is not None:
            self._beneath.close()


class DaprSubscription:
    """See `events.transport.Subscription`; the leases are this process's own."""

    def __init__(self, transport: DaprTransport, inbound: Inbound) -> None:
        self.transport = transport
        self.inbound = inbound
        self.consumer = uuid4().hex

    def receive(self, limit: int, timeout: float) -> list[Delivery]:
        """Up to *limit* deliveries; waits *timeout* seconds for the first.

        Raises:
            StorageError: Nothing came, and the sidecar does not answer.
        """
        taken = self.inbound.take(self.consumer, limit, timeout)
        if not taken:
            if self.inbound.trouble is not None:
                raise StorageError(self.inbound.trouble)
            self.transport.check()
        return taken

    def settle(self, done: Sequence[Delivery], follow_ups: Sequence[Message]) -> None:
        """Publish *follow_ups*, and answer *done* in any case: it has been committed."""
        try:
            if follow_ups:
                self.transport.publish(follow_ups)
        finally:
            self.inbound.settle(self.consumer, done, Status.SUCCESS)

    def renew(self, held: Sequence[Delivery]) -> None:
        """Hold *held* for another lease; the sidecar knows of none."""
        self.inbound.renew(self.consumer, held)

    def release(self, held: Sequence[Delivery]) -> None:
        """Answer that *held* has not been done; the sidecar decides when it comes again."""
        self.inbound.settle(self.consumer, held, Status.RETRY)

    def wake(self) -> None:
        """Make a waiting `receive` return."""
        self.inbound.wake()

    def close(self) -> None:
        """Nothing to forget."""
