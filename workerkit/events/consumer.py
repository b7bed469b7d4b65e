"""Receives a topic's events and routes them to lanes: one a worker and process."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

from ..core.backoff import STORAGE_BACKOFF
from ..core.clock import Clock, SystemClock
from ..core.hooks import Hook
from ..core.loop import EventLoop
from ..core.state import State
from ..core.worker import BaseWorker
from ..errors import ConfigurationError, GroupLost, LeaseLost, StorageError
from .batch import MicroBatch
from .item import Item, Reader
from .lanes import LOOK, Lanes
from .leadership import Leadership
from .pipeline import Pipeline
from .store import Store
from .suspects import Quarantine
from .transport import Delivery, Message, Subscription, Transport
from .worker import EventWorker, check_worker, worker_name

BLAMED_AFTER = 3
"""Failures of the storage with one batch after which a storage that works is not at fault."""

IDLE_TURN = 0.5
"""Seconds that a receiver without events sleeps; an event ends it at once."""

LOSS_SHOWN = 60.0
"""Seconds that a worker is degraded after the broker had lost its group, and is silent of more."""

PARKED_LOOK = 1.0
"""Seconds between looks for parked events that other replicas left; ours are known."""


class EventConsumer(BaseWorker):
    """The receiver thread of one worker, with its lanes.

    `concurrency` is the number of lanes; `in_flight` bounds the events held at
    once; `lease` in seconds is how long a parked event is held while it is
    tried again; `batch_seconds` is how long a batch may take. `beat` is the
    monotonic time of the receiver's last turn.
    """

    def __init__(
        self,
        service: str,
        worker: EventWorker[Any],
        transport: Transport,
        store: Store,
        *,
        concurrency: int = 1,
        in_flight: int = 2000,
        lease: float = 30.0,
        batch_seconds: float = 0.015,
        clock: Clock | None = None,
        loop: EventLoop | None = None,
        hooks: Sequence[Hook] = (),
        state: State | None = None,
        quarantine: Quarantine | None = None,
    ) -> None:
        check_worker(worker)
        name = worker_name(worker)
        super().__init__(f"{service}/{name}")
        self.worker = worker
        self.transport = transport
        self.store = store
        self.lease = lease
        self.in_flight = in_flight
        self.clock = clock or SystemClock()
        self._storage_trouble: str | None = None
        self._broker_trouble: str | None = None
        self.groups_lost = 0
        self._lost_at = -math.inf
        self._loss: str | None = None
        self._reader = Reader(worker)
        self._subscription: Subscription | None = None
        self._room = threading.Event()
        self._renewed = 0.0
        self._parked_look = 0.0
        self.pipeline = Pipeline(
            service, name, worker, store, self._settle, self.clock, loop or EventLoop(), hooks,
            quarantine,
        )  # fmt: skip
        self.lanes = Lanes(
            self.name, concurrency, self._apply, self.pipeline.relieve, batch_seconds,
            self._reader, lambda: self.pipeline.usual, self.clock,
        )  # fmt: skip
        self._leadership = self._claim(state) if worker.order == "strict" else None
        self.released = 0
        self.beat = self.clock.monotonic()

    def _claim(self, state: State | None) -> Leadership:
        if state is None:
            raise ConfigurationError(f'{self.name} has order = "strict": it needs a state store')
        self.pipeline.token = 0
        return Leadership(state, self.store, self.name, self.lease, self.clock)

    @property
    def trouble(self) -> str | None:
        """What keeps it from working, in one line; None when nothing does."""
        lately = self.clock.monotonic() < self._lost_at + LOSS_SHOWN
        return self._storage_trouble or self._broker_trouble or (self._loss if lately else None)

    @property
    def held(self) -> int:
        """Events taken and not settled yet."""
        return len(self.lanes)

    def start(self) -> None:
        """Join the group and start the lanes.

        Raises:
            StorageError: The broker does not answer.
        """
        self._subscription = self.transport.subscribe(
            self.worker.topic, self._group, alone=self._leadership is not None
        )
        self.lanes.start()
        super().start()

    def stop(self, timeout: float = 25.0) -> None:
        """Finish what runs, give back the rest; `released` tells how many."""
        end = self.clock.monotonic() + timeout
        super().stop(timeout)
        subscription = self._subscription
        if subscription is None:
            return
        left, running = self.lanes.stop(max(0.0, end - self.clock.monotonic()))
        self.released = len(left) + running
        self._subscription = None
        try:
            subscription.release([item.delivery for item in left if item.delivery])
            subscription.close()
            if self._leadership is not None:
                self._leadership.resign()
        except StorageError as error:
            self.log.warning("could not give events back", extra={"error": str(error)})

    def wake(self) -> None:
        """Interrupt a waiting receive."""
        self._room.set()
        if self._subscription is not None:
            self._subscription.wake()

    def work(self) -> None:
        """Receive, route, renew, until stopped."""
        failures = 0
        while not self.stopping.is_set():
            try:
                self._turn()
                failures = 0
            except GroupLost as error:
                self._count_loss(error)
            except StorageError as error:
                failures += 1
                self._broker_trouble = str(error)
                self.log.warning("receiving is in trouble", extra={"error": str(error)})
                self.clock.wait(self.stopping, STORAGE_BACKOFF.wait(failures))

    def _count_loss(self, error: GroupLost) -> None:
        now = self.clock.monotonic()
        self.groups_lost += 1
        if now >= self._lost_at + LOSS_SHOWN:
            self.log.error("group lost", extra={"error": str(error)})
        self._lost_at = now
        self._loss = str(error)

    def _turn(self) -> None:
        self.beat = self.clock.monotonic()
        subscription = self._subscription
        if subscription is None:
            return
        if not self._leads(subscription):
            return
        self._renew(subscription)
        self.lanes.look()
        if self.lanes.moving():
            self.clock.wait(self.stopping, 0.001)
            return
        self._feed_parked()
        room = self.in_flight - self.held
        if room < (1 if self.lanes.stuck else self.in_flight // 2):
            self._room.clear()
            self.clock.wait(self._room, 0.05)
            return
        turn = LOOK if self.held else IDLE_TURN
        wait = max(0.0, min(turn, self.lease / 3, self._until_due()))
        deliveries = subscription.receive(min(500, room), wait)
        if deliveries and not self.stopping.is_set():
            self.lanes.route([Item(delivery) for delivery in self._not_held(deliveries)])
        elif deliveries:
            subscription.release(deliveries)
        self._broker_trouble = None

    @property
    def _group(self) -> str:
        return self.pipeline.service

    def _leads(self, subscription: Subscription) -> bool:
        """Whether this replica may work; what waits here is given back when it may not.

        It asks to be active again once nothing runs here: what a later batch
        did under a new token would overtake an earlier one that was refused.
        """
        leadership = self._leadership
        if leadership is None:
            return True
        if leadership.token or not self.held:
            leads = leadership.hold()
            self.pipeline.token = leadership.token
            if leads:
                return True
        left = self.lanes.abandon()
        if left:
            subscription.release([item.delivery for item in left if item.delivery])
        self._broker_trouble = None
        self.clock.wait(self.stopping, min(IDLE_TURN, self.lease / 6))
        return False

    def _not_held(self, deliveries: list[Delivery]) -> list[Delivery]:
        """Without those that wait or run here: this process stood still, and renewed them late."""
        if all(delivery.count == 1 for delivery in deliveries):
            return deliveries
        held = {item.delivery.entry for item in self.lanes.held() if item.delivery}
        return [delivery for delivery in deliveries if delivery.entry not in held]

    def _until_due(self) -> float:
        """Seconds until an event that was parked here is due."""
        return self.pipeline.next_due - self.clock.time()

    def _feed_parked(self) -> None:
        now, is_due = self.clock.monotonic(), self._until_due() <= 0
        if now < self._parked_look and not is_due:
            return
        self._parked_look = now + PARKED_LOOK
        if is_due:
            self.pipeline.next_due = math.inf
        longest = max(self.lease, self.pipeline.worker.retry.cap)
        due = self.store.due(self.name, 100, self.lease, longest)
        if due:
            self._parked_look = now
            self.lanes.route([Item(parked=event) for event in due])

    def _renew(self, subscription: Subscription) -> None:
        now = self.clock.monotonic()
        if now < self._renewed + self.lease / 3:
            return
        self._renewed = now
        held = self.lanes.held()
        deliveries = [item.delivery for item in held if item.delivery]
        if deliveries:
            subscription.renew(deliveries)
        parked = [item.parked for item in held if item.parked]
        if parked:
            self.store.hold(parked, self.lease)

    def _apply(self, batch: MicroBatch) -> float | None:
        """The lanes' work: storage trouble is waited out, it is not an attempt."""
        failures = 0
        for item in batch.items:
            if not item.ready:
                self._reader.read(item)
        while True:
            try:
                blame = failures >= BLAMED_AFTER and self.store.works()
                busy = self.pipeline.apply(batch, blame=blame)
                self._storage_trouble = None
                return busy
            except LeaseLost as error:
                self._doubt(error)
                self._give_back(batch.items)
                return None
            except StorageError as error:
                failures += 1
                self._storage_trouble = str(error)
                self.log.warning("storage is in trouble", extra={"error": str(error)})
            self.clock.wait(self.stopping, STORAGE_BACKOFF.wait(failures))
            if self.stopping.is_set():
                self._give_back(batch.items)
                return None

    def _doubt(self, error: LeaseLost) -> None:
        if self._leadership is not None and self._leadership.doubt():
            self.log.warning("another replica is active", extra={"error": str(error)})
            self.wake()

    def _give_back(self, items: Sequence[Item]) -> None:
        subscription = self._subscription
        if subscription is not None:
            subscription.release([item.delivery for item in items if item.delivery])

    def _settle(self, items: Sequence[Item], messages: Sequence[Message]) -> bool:
        subscription = self._subscription
        deliveries = [item.delivery for item in items if item.delivery is not None]
        try:
            if subscription is None:
                return False
            if deliveries or messages:
                subscription.settle(deliveries, messages)
        except StorageError as error:
            self._broker_trouble = str(error)
            self.log.warning("could not acknowledge", extra={"error": str(error)})
            return False
        if not self._room.is_set():
            self._room.set()
        if self._until_due() < IDLE_TURN:
            subscription.wake()
        return True
