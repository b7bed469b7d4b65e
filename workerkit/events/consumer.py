"""Receives a topic's events and routes them to lanes: one a worker and process."""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from typing import Any

from ..core.backoff import Retry
from ..core.clock import Clock, SystemClock
from ..core.hooks import Hook
from ..core.loop import EventLoop
from ..core.supervisor import Supervisor
from ..core.worker import BaseWorker
from ..errors import StorageError
from .item import Item, Reader
from .lane import Lane, Pace
from .pipeline import QUICK, Pipeline
from .store import Store
from .transport import Message, Subscription, Transport
from .worker import EventWorker, check_worker, worker_name

STORAGE_BACKOFF = Retry(attempts=1_000_000, first=0.1, factor=2.0, cap=5.0)
"""Waits while our own storage or broker is in trouble."""

BLAMED_AFTER = 3
"""Failures of the storage with one batch after which a storage that works is not at fault."""

IDLE_TURN = 0.5
"""Seconds that a receiver without events sleeps; an event ends it at once."""

FORGIVEN = 60.0
"""Seconds after which a handler that was slow may count as quick again."""

MOVING_LIMIT = 0.1
"""Seconds that events may wait for a running handler on their way to one lane."""

PARKED_LOOK = 1.0
"""Seconds between looks for parked events that other replicas left; ours are known."""


class EventConsumer(BaseWorker):
    """The receiver thread of one worker, with its lanes.

    `concurrency` is the number of lanes, for handlers that wait for something;
    a quick handler's events go through one of them, in larger batches: threads
    that take turns make nothing quicker. `in_flight` bounds the events held at
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
        self._reader = Reader(worker)
        self._subscription: Subscription | None = None
        self._room = threading.Event()
        self._renewed = 0.0
        self._parked_look = 0.0
        self.pipeline = Pipeline(
            service, name, worker, store, self._settle, self.clock, loop or EventLoop(), hooks
        )
        self.lanes = [
            Lane(f"{self.name}#{n}", self._apply, Pace(batch_seconds))
            for n in range(max(1, concurrency))
        ]
        self._supervisor = Supervisor(self.lanes, self.clock, name=f"{self.name} lanes")
        self.spread = len(self.lanes)
        """Lanes in use: all while the handler is slow or unknown, one while it is quick."""
        self._between: list[Item] = []
        self._moving_since = 0.0
        self._slow_at = -math.inf
        self.released = 0
        self.beat = self.clock.monotonic()

    @property
    def trouble(self) -> str | None:
        """What keeps it from working, in one line; None when nothing does."""
        return self._storage_trouble or self._broker_trouble

    @property
    def held(self) -> int:
        """Events taken and not settled yet."""
        return len(self._between) + sum(len(lane) for lane in self.lanes)

    def start(self) -> None:
        """Join the group and start the lanes.

        Raises:
            StorageError: The broker does not answer.
        """
        self._subscription = self.transport.subscribe(self.worker.topic, self._group)
        self._supervisor.start()
        super().start()

    def stop(self, timeout: float = 25.0) -> None:
        """Finish what runs, give back the rest; `released` tells how many."""
        end = self.clock.monotonic() + timeout
        super().stop(timeout)
        subscription = self._subscription
        if subscription is None:
            return
        for lane in self.lanes:
            lane.stopping.set()
        left = [*self._between, *(item for lane in self.lanes for item in lane.abandon())]
        self._supervisor.stop(max(0.0, end - self.clock.monotonic()))
        left += [item for lane in self.lanes for item in lane.abandon()]
        self.released = len(left) + sum(len(lane.running) for lane in self.lanes)
        self._subscription = None
        try:
            subscription.release([item.delivery for item in left if item.delivery])
            subscription.close()
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
            except StorageError as error:
                failures += 1
                self._broker_trouble = str(error)
                self.log.warning("receiving is in trouble", extra={"error": str(error)})
                self.clock.wait(self.stopping, STORAGE_BACKOFF.wait(failures))

    def _turn(self) -> None:
        self.beat = self.clock.monotonic()
        subscription = self._subscription
        if subscription is None:
            return
        self._renew(subscription)
        if self._moving():
            return
        self._feed_parked()
        room = self.in_flight - self.held
        if room < self.in_flight // 2:
            self._room.clear()
            self.clock.wait(self._room, 0.05)
            return
        deliveries = subscription.receive(min(500, room), min(IDLE_TURN, self.lease / 3))
        if deliveries and not self.stopping.is_set():
            self.route([Item(delivery) for delivery in deliveries])
        elif deliveries:
            subscription.release(deliveries)
        self._broker_trouble = None

    @property
    def _group(self) -> str:
        return self.pipeline.service

    def _moving(self) -> bool:
        """Whether events are on their way between one lane and all of them.

        What waits is taken back, and given out anew once nothing runs: a key
        is never in two lanes. The way to one lane is given up when a handler
        takes its time after all.
        """
        now = self.clock.monotonic()
        if self.pipeline.usual > 2 * QUICK:
            wanted = len(self.lanes)
        elif self.pipeline.usual < QUICK and now > self._slow_at + FORGIVEN:
            wanted = 1
        else:
            wanted = self.spread
        if wanted == self.spread:
            self._give_out()
            return False
        self._between += [item for lane in self.lanes for item in lane.abandon()]
        if any(len(lane) for lane in self.lanes):
            self.clock.wait(self.stopping, 0.001)
            self._moving_since = self._moving_since or now
            if wanted == 1 and now > self._moving_since + MOVING_LIMIT:
                self._slow_at = now
            return True
        if wanted > 1:
            self._slow_at = now
        self.spread = wanted
        self._give_out()
        return False

    def _give_out(self) -> None:
        self._moving_since = 0.0
        if self._between:
            moved, self._between = self._between, []
            self.route(moved)

    def route(self, items: Sequence[Item]) -> None:
        """Queue *items* at lanes: the same key to the same lane, others to the shortest.

        With one lane there is nothing to choose, and the lane reads its events
        itself: parsed on this thread they cost it a third of its rate.
        """
        lanes = self.lanes
        if self.spread == 1:
            lanes[0].put(items)
            return
        lists: list[list[Item]] = [[] for _ in lanes]
        alive = [n for n, lane in enumerate(lanes) if lane.alive] or list(range(len(lanes)))
        for item in items:
            key = item.key if item.ready else self._reader.read(item).key
            if key is not None:
                chosen = hash(key) % len(lanes)
            else:
                chosen = min(alive, key=lambda n: len(lanes[n]) + len(lists[n]))
            lists[chosen].append(item)
        for lane, share in zip(lanes, lists, strict=True):
            if share:
                lane.put(share)

    def _feed_parked(self) -> None:
        now = self.clock.monotonic()
        if now < self._parked_look and self.clock.time() < self.pipeline.next_due:
            return
        self._parked_look = now + PARKED_LOOK
        self.pipeline.next_due = math.inf
        due = self.store.due(self.name, 100, self.lease)
        if due:
            self._parked_look = now
            self.route([Item(parked=event) for event in due])

    def _renew(self, subscription: Subscription) -> None:
        now = self.clock.monotonic()
        if now < self._renewed + self.lease / 3:
            return
        self._renewed = now
        held = [item for lane in self.lanes if lane.alive for item in lane.held()]
        held += self._between
        deliveries = [item.delivery for item in held if item.delivery]
        if deliveries:
            subscription.renew(deliveries)
        parked = [item.parked for item in held if item.parked]
        if parked:
            self.store.hold(parked, self.lease)

    def _apply(self, items: Sequence[Item]) -> float | None:
        """The lanes' work: storage trouble is waited out, it is not an attempt."""
        failures = 0
        for item in items:
            if not item.ready:
                self._reader.read(item)
        while True:
            try:
                blame = failures >= BLAMED_AFTER and self.store.works()
                busy = self.pipeline.apply(items, blame=blame)
                self._storage_trouble = None
                return busy
            except StorageError as error:
                failures += 1
                self._storage_trouble = str(error)
                self.log.warning("storage is in trouble", extra={"error": str(error)})
            self.clock.wait(self.stopping, STORAGE_BACKOFF.wait(failures))
            if self.stopping.is_set():
                subscription = self._subscription
                if subscription is not None:
                    subscription.release([item.delivery for item in items if item.delivery])
                return None

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
        return True
