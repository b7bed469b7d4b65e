"""SIGINT and SIGTERM, for commands that run until told to end.

A handler may interrupt a thread that holds an event's own lock, so it must not set one: it would
wait for itself for ever. A SimpleQueue may be put to from anywhere, and a thread passes it on.
"""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP end the block as an exception does, so that nothing is left running."""

    def end(number: int, frame: object) -> None:
        sys.exit(128 + number)

    names = [name for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
    before = {name: signal.signal(getattr(signal, name), end) for name in names}
    try:
        yield
    finally:
        for name, handler in before.items():
            signal.signal(getattr(signal, name), handler)


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that the first Ctrl-C sets; a second one ends the process as usual."""
    stop = threading.Event()
    taken: queue.SimpleQueue[bool] = queue.SimpleQueue()

    def pass_on() -> None:
        if taken.get():
            stop.set()

    def take(number: int, frame: object) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        taken.put(True)

    threading.Thread(target=pass_on, name="signals", daemon=True).start()
    before = signal.signal(signal.SIGINT, take)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
        taken.put(False)


class Signals:
    """The first SIGINT or SIGTERM asks for an end, the second makes it.

    `number` is the first one's; 0 while there was none. Make it on the main
    thread. Children of ours end with us, also when the second one ends us.
    """

    def __init__(self) -> None:
        self.first = threading.Event()
        self.number = 0
        self._taken: queue.SimpleQueue[int] = queue.SimpleQueue()
        threading.Thread(target=self._pass_on, name="signals", daemon=True).start()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._take)

    @property
    def exit_code(self) -> int:
        """130 after SIGINT, else 0."""
        return 130 if self.number == signal.SIGINT else 0

    def wait(self) -> None:
        """Until the first, or until `first` is set."""
        # Windows wakes no wait for a signal, so it must not be endless.
        while not self.first.wait(0.5):
            pass

    def _take(self, number: int, frame: object) -> None:
        if self.number:
            os._exit(128 + number)
        self.number = number
        self._taken.put(number)

    def _pass_on(self) -> None:
        self._taken.get()
        self.first.set()
