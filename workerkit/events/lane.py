"""One thread that applies events in order, in micro-batches sized by time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence

from ..core.worker import BaseWorker
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

    def __init__(
        self, name: str, apply: Callable[[Sequence[Item]], float | None], pace: Pace
    ) -> None:
        super().__init__(name)
        self.apply = apply
        self.pace = pace
        self._changed = threading.Condition()
        self._waiting: deque[Item] = deque()
        self.running: Sequence[Item] = ()

    def put(self, items: Sequence[Item]) -> None:
        """Queue *items* behind what waits."""
        with self._changed:
            self._waiting.extend(items)
            self._changed.notify()

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
        while batch := self._take():
            try:
                busy = self.apply(batch)
                if busy is not None:
                    self.pace.learn(len(batch), busy)
            finally:
                self.running = ()

    def _take(self) -> Sequence[Item]:
        with self._changed:
            while not self._waiting and not self.stopping.is_set():
                self._changed.wait()
            if self.stopping.is_set():
                return ()
            size = min(self.pace.batch, len(self._waiting))
            batch = [self._waiting.popleft() for _ in range(size)]
            self.running = batch
            return batch
