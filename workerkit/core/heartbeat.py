"""Tells the other processes of a project that this one runs."""

from __future__ import annotations

import math
from collections.abc import Callable

from ..errors import StorageError
from .clock import Clock, SystemClock
from .state import Member, State
from .worker import BaseWorker

PERIOD = 5.0
"""Seconds between two announcements, when nothing else is said."""

LIVES = 3
"""Periods for which an announcement holds."""

SILENCE = 60.0
"""Seconds between two complaints about a state that does not answer."""


class Heartbeat(BaseWorker):
    """Announces *member* every *period* seconds; a state that does not answer stops nobody."""

    def __init__(
        self,
        state: State,
        member: Callable[[], Member],
        name: str,
        clock: Clock | None = None,
        period: float = PERIOD,
    ) -> None:
        super().__init__(name)
        self.state = state
        self.member = member
        self.period = period
        self.clock = clock or SystemClock()
        self._complained = -math.inf

    def work(self) -> None:
        """Announce until stopped, then withdraw."""
        member = self.member()
        while True:
            self._try(lambda: self.state.announce(member, LIVES * self.period))
            if self.clock.wait(self.stopping, self.period):
                break
        self._try(lambda: self.state.withdraw(member.id))

    def _try(self, action: Callable[[], None]) -> None:
        try:
            action()
        except StorageError as error:
            now = self.clock.monotonic()
            if now >= self._complained + SILENCE:
                self._complained = now
                self.log.warning("the state does not answer", extra={"error": str(error)})
