"""Events that may have ended their process: counted, and kept apart from each other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from ..errors import WorkerKilled
from .item import Item
from .store import Store


class Quarantine:
    """One event alone, or any number beside each other; one a process, for all of its workers."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._beside = 0
        self._alone = False
        self._waiting = 0

    @contextmanager
    def beside(self) -> Iterator[None]:
        """Run while nobody is alone, or waits to be."""
        with self._changed:
            self._changed.wait_for(lambda: not self._alone and not self._waiting)
            self._beside += 1
        try:
            yield
        finally:
            with self._changed:
                self._beside -= 1
                self._changed.notify_all()

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Run while nobody else in here does."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._alone and not self._beside)
            self._waiting -= 1
            self._alone = True
        try:
            yield
        finally:
            with self._changed:
                self._alone = False
                self._changed.notify_all()


class Suspects:
    """Tells by durable counts which event ends its process each time that it is started.

    What runs when a process dies is counted, so a killer must not run beside
    another that is: that one would become a dead letter with it.
    """

    def __init__(self, store: Store, consumer: str, attempts: int, quarantine: Quarantine) -> None:
        self.store = store
        self.consumer = consumer
        self.attempts = attempts
        self.quarantine = quarantine

    @contextmanager
    def started(self, item: Item) -> Iterator[BaseException | None]:
        """Count the start of *item* where that matters; yields why it must not be started."""
        if item.problem is not None or (not item.suspect and item.parked is None):
            yield item.problem
            return
        if not item.suspect:
            with self.quarantine.beside():
                if not self._count(item):
                    yield None
                    return
        with self.quarantine.alone():
            before = self._count(item)
            killed = f"started alone {before} times, its process died each time"
            yield WorkerKilled(killed) if before >= self.attempts else None

    def _count(self, item: Item) -> int:
        """How often *item* was started before; counted once for each time it comes here."""
        if item.starts is None:
            item.starts = self.store.started(self.consumer, item.identity)
        return item.starts
