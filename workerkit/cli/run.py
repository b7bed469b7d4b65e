"""`workerkit run`."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path

from ..config.settings import check_mode, read_environment
from ..errors import ConfigurationError
from ..events.consumer import EventConsumer
from ..project import Project


def run_events(folder: Path, service: str | None, mode: str | None, concurrency: int | None) -> int:
    """Run event workers until a signal; return 130 after SIGINT, else 0.

    The first signal drains within WORKER_DRAIN_TIMEOUT seconds, the second stops at once.
    """
    environment = read_environment()
    source = "--mode" if mode else "WORKER_MODE"
    wanted = check_mode(mode or environment.worker_mode or "events", source)
    if wanted != "events":
        raise ConfigurationError(f"{source}: mode {wanted!r} is not there yet; there is: events")
    logging.basicConfig(
        level="INFO", stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
    project = Project.open(folder, environment)
    received = _Signals()
    try:
        name = project.choose(service)
        workers = project.event_workers(name, concurrency or environment.worker_concurrency)
        workers.start()
        print(f"{name} events: running, pid {os.getpid()}", file=sys.stderr, flush=True)  # noqa: T201
        received.first.wait()
        workers.stop(environment.worker_drain_timeout)
        released = sum(w.released for w in workers.workers if isinstance(w, EventConsumer))
        print(f"{name} events: stopped, gave back {released}", file=sys.stderr)  # noqa: T201
    finally:
        project.close()
    return 130 if received.number == signal.SIGINT else 0


class _Signals:
    """The first signal asks for an end, the second makes it."""

    def __init__(self) -> None:
        self.first = threading.Event()
        self.number = 0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    def _take(self, number: int, frame: object) -> None:
        if self.first.is_set():
            os._exit(128 + number)
        self.number = number
        self.first.set()
