"""One thread that applies events in order, in micro-batches sized by time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from ..core.worker import BaseWorker
from .batch import MicroBatch
from .item import Item


class Pace:
    """How many events fit into the target time, from a moving average per event.

    `target` in seconds: how long a batch may hold the database's write lock.
    The first event, of which nothing is known, is a batch of its own.
    """

    def __init__(self, target: float, largest: int = 500) -> None:
        self.target = target
        self.largest = largest
        self.per_event: float | None = None

    def learn(self, events: int, seconds: float) -> None:
        """Take one batch into account; a slower event counts at once, a faster one slowly."""
        latest = seconds / max(events, 1)
        if self.per_event is None:
            self.per_event = latest
        weight = 0.5 if latest > self.per_event else 0.2
        self.per_event += weight * (latest - self.per_event)

    @property
    def batch(self) -> int:
        """Events in the next batch, at least one."""
        if self.per_event is None:
            return 1
        return max(1, min(self.largest, int(self.target / max(self.per_event, 1e-7))))


class Lane(BaseWorker):
    """Takes what waits, never lingers to fill a batch, and hands it to *apply*."""

    def __init__(self, name: str, apply: Callable[[MicroBatch], float | None], pace: Pace) -> None:
        super().__init__(name)
        self.apply = apply
        self.pace = pace
        self._changed = threading.Condition()
        self._waiting: deque[Item] = deque()
        self.batch = MicroBatch(())

    def put(self, items: Sequence[Item]) -> None:
        """Queue *items* behind what waits."""
        with self._changed:
            self._waiting.extend(items)
            self._changed.notify()

    @property
    def running(self) -> Sequence[Item]:
        """What was taken and has not come to its end."""
        return self.batch.items

    def busy_since(self, moment: float) -> bool:
        """Whether it has been at one batch of handlers since *moment* (monotonic)."""
        return self.batch.since < moment

    def put_back(self, items: Sequence[Item]) -> None:
        """Queue *items* before what waits."""
        with self._changed:
            self._waiting.extendleft(reversed(items))

    def __len__(self) -> int:
        """Events waiting or running."""
        return len(self._waiting) + len(self.running)

    def abandon(self) -> list[Item]:
        """Take back what has not been started."""
        with self._changed:
            left = list(self._waiting)
            self._waiting.clear()
            return left

    def held(self) -> list[Item]:
        """What waits and what runs, for the renewal of leases."""
        with self._changed:
            return [*self.running, *self._waiting]

    def wake(self) -> None:
        """End a wait for events."""
        with self._changed:
            self._changed.notify_all()

    def work(self) -> None:
        """Apply batches until stopped; what waits then is for `abandon`.

        A batch that ends the thread is left to its leases: they lapse, and the
        deliveries come back with their count, to run alone in the end.
        """
        while (batch := self._take()).items:
            try:
                busy = self.apply(batch)
                if busy is not None:
                    self.pace.learn(len(batch.items), busy)
            finally:
                self.batch = MicroBatch(())

    def _take(self) -> MicroBatch:
        with self._changed:
            while not self._waiting and not self.stopping.is_set():
                self._changed.wait()
            if self.stopping.is_set():
                return MicroBatch(())
            size = min(self.pace.batch, len(self._waiting))
            items = [self._waiting.popleft() for _ in range(size)]
            self.batch = MicroBatch(items, self.put_back)
            return self.batch
