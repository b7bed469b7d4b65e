"""Threads for the jobs that are due."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable

log = logging.getLogger("workerkit.cron")

Task = Callable[[], None]


class Crew:
    """Runs tasks on up to *limit* daemon threads; the rest wait in order.

    A thread ends when nothing waits: most jobs sleep for minutes. No thread
    of a job that hangs keeps the process from ending.
    """

    def __init__(self, name: str, limit: int) -> None:
        self.name = name
        self.limit = limit
        self._lock = threading.Lock()
        self._idle = threading.Condition(self._lock)
        self._waiting: deque[Task] = deque()
        self._threads = 0

    def submit(self, task: Task, *, at_once: bool = False) -> None:
        """Run *task* as soon as a thread is free; *at_once* on one more than the limit."""
        with self._lock:
            if at_once:
                self._waiting.appendleft(task)
            else:
                self._waiting.append(task)
            if self._threads >= self.limit and not at_once:
                return
            self._threads += 1
        threading.Thread(target=self._work, name=self.name, daemon=True).start()

    def drain(self, timeout: float, hopeless: int = 0) -> bool:
        """Drop what waits, and wait for what runs, save for so many *hopeless* ones.

        Whether they have ended within *timeout* seconds.
        """
        with self._lock:
            self._waiting.clear()
            return self._idle.wait_for(lambda: self._threads <= hopeless, timeout)

    def _work(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._threads -= 1
                    self._idle.notify_all()
                    return
                task = self._waiting.popleft()
            try:
                task()
            except Exception:
                log.exception("task of a job failed")
