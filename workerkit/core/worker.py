"""The life of anything that runs in the background."""

from __future__ import annotations

import logging
import threading
from typing import Protocol, runtime_checkable


@runtime_checkable
class Worker(Protocol):
    """Something with a name that can be started and stopped."""

    @property
    def name(self) -> str:
        """Unique within its process; used in logs, metrics and health."""

    def start(self) -> None:
        """Begin to work and return; raises when that is not possible."""

    def stop(self, timeout: float = 25.0) -> None:
        """Block until done, *timeout* seconds at most; idempotent, fine before start."""


class BaseWorker:
    """One thread around `work`, with the promises of `Worker`.

    A subclass overrides `work`, which returns soon after `self.stopping` is set.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.log = logging.getLogger(f"workerkit.{name}")
        self.stopping = threading.Event()
        self.failure: BaseException | None = None
        self._thread: threading.Thread | None = None

    def work(self) -> None:
        """Do the job until `self.stopping` is set."""
        raise NotImplementedError

    def start(self) -> None:
        """Start the thread; does nothing when it is running."""
        if self.alive:
            return
        self.stopping.clear()
        self.failure = None
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self, timeout: float = 25.0) -> None:
        """Ask the thread to end and wait for it, *timeout* seconds at most."""
        self.stopping.set()
        self.wake()
        thread = self._thread
        if thread is not None and thread is not threading.current_thread():
            thread.join(timeout)

    def wake(self) -> None:
        """Interrupt whatever `work` waits for; called by `stop`."""

    @property
    def alive(self) -> bool:
        """Whether the thread is running."""
        return self._thread is not None and self._thread.is_alive()

    def _run(self) -> None:
        try:
            self.work()
        except BaseException as error:
            self.failure = error
            self.log.exception("worker ended by an error")
