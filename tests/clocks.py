"""Clocks that a test moves, on the one that the package gives its users."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

from workerkit.testing import FakeClock


class SteppedClock(FakeClock):
    """Its wall can also jump alone."""

    ahead = 0.0

    @property
    def now(self) -> datetime:
        """The wall's time."""
        return datetime.fromtimestamp(self.time(), UTC)

    def time(self) -> float:
        return super().time() + self.ahead

    def jump(self, seconds: float) -> None:
        """Set the wall clock, as an administrator does."""
        self.ahead += seconds


class StillClock(FakeClock):
    """Stands until moved; whoever waits on it waits for the event alone."""

    def wait(self, event: threading.Event, timeout: float) -> bool:
        return event.wait()
