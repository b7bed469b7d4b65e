"""Tells the other processes of a project that this one runs."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ..errors import StorageError
from .clock import Clock, SystemClock
from .state import Member, State
from .worker import BaseWorker

PERIOD, LIFE = 5.0, 15.0
"""Seconds between two announcements, and how long one holds."""


class Heartbeat(BaseWorker):
    """Announces *member* every PERIOD seconds; a state that does not answer stops nobody."""

    def __init__(
        self, state: State, member: Callable[[], Member], name: str, clock: Clock | None = None
    ) -> None:
        super().__init__(name)
        self.state = state
        self.member = member
        self.clock = clock or SystemClock()
        self._silent = threading.Event()

    def work(self) -> None:
        """Announce until stopped, then withdraw."""
        member = self.member()
        while True:
            self._try(lambda: self.state.announce(member, LIFE))
            if self.clock.wait(self.stopping, PERIOD):
                break
        self._try(lambda: self.state.withdraw(member.id))

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
            self._silent.clear()
        except StorageError as error:
            if not self._silent.is_set():
                self.log.warning("the state does not answer", extra={"error": str(error)})
            self._silent.set()
