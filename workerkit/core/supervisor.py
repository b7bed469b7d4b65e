"""Keeps workers alive: starts in order, restarts what died, stops in reverse."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from .backoff import Retry
from .clock import Clock, SystemClock
from .worker import BaseWorker

log = logging.getLogger("workerkit.supervisor")

RESTART = Retry(attempts=1_000_000, first=0.2, factor=2.0, cap=30.0)
"""Waits between restarts of one worker that keeps dying."""


class Supervisor(BaseWorker):
    """Owns a list of workers for as long as the process serves.

    A worker that dies is started again after a growing wait; a minute of
    life forgives what came before.
    """

    def __init__(
        self, workers: Sequence[BaseWorker], clock: Clock | None = None, name: str = "supervisor"
    ) -> None:
        super().__init__(name)
        self.workers = list(workers)
        self.clock = clock or SystemClock()
        self.restarts: dict[str, int] = {}
        self._failures: dict[str, int] = {}
        self._due: dict[str, float] = {}
        self._started: dict[str, float] = {}

    def start(self) -> None:
        """Start every worker in order; on a failure stop those that did start, and raise."""
        begun: list[BaseWorker] = []
        try:
            for worker in self.workers:
                begun.append(worker)
                worker.start()
                self._started[worker.name] = self.clock.monotonic()
        except BaseException:
            for worker in reversed(begun):
                worker.stop(5.0)
            raise
        super().start()

    def stop(self, timeout: float = 25.0) -> None:
        """Stop in reverse order within *timeout* seconds for all of them together."""
        end = self.clock.monotonic() + timeout
        super().stop(1.0)
        for worker in reversed(self.workers):
            worker.stop(max(0.05, end - self.clock.monotonic()))

    def work(self) -> None:
        """Look after the workers until stopped."""
        while not self.clock.wait(self.stopping, 0.2):
            self.check()

    def check(self) -> None:
        """Restart each dead worker whose wait is over."""
        for worker in self.workers:
            if worker.alive or worker.stopping.is_set():
                continue
            now = self.clock.monotonic()
            if worker.name not in self._due:
                self._plan(worker, now)
            elif now >= self._due[worker.name]:
                del self._due[worker.name]
                self._started[worker.name] = now
                self.restarts[worker.name] = self.restarts.get(worker.name, 0) + 1
                try:
                    worker.start()
                except Exception:  # its port or its broker may be back at the next try
                    log.exception("worker did not start", extra={"worker": worker.name})

    def _plan(self, worker: BaseWorker, now: float) -> None:
        lived = now - self._started.get(worker.name, now)
        failures = 1 if lived > 60 else self._failures.get(worker.name, 0) + 1
        self._failures[worker.name] = failures
        self._due[worker.name] = now + RESTART.wait(failures)
        log.warning("worker died", extra={"worker": worker.name, "failures": failures})
