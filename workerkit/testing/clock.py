"""Time that passes when a test says so."""

from __future__ import annotations

import threading
from datetime import UTC, datetime

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


class FakeClock:
    """Wall and monotonic time from *now* on; waiting takes no time, and moves it on."""

    def __init__(self, now: datetime = NOON) -> None:
        self._wall = now.timestamp()
        self._uptime = 0.0

    def time(self) -> float:
        """Seconds since the epoch."""
        return self._wall

    def monotonic(self) -> float:
        """Seconds since the clock was made."""
        return self._uptime

    def wait(self, event: threading.Event, timeout: float) -> bool:
        """Let *timeout* seconds pass unless *event* is set; whether it is."""
        if not event.is_set():
            self.advance(timeout)
        return event.is_set()

    def advance(self, seconds: float) -> None:
        """Let *seconds* pass."""
        self._wall += seconds
        self._uptime += seconds
