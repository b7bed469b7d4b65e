"""The due ticks of one job, claimed in order."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from .expression import EPOCH, Expression
from .job import CronJob

LATE = (60.0, 3600.0)
"""Seconds that a success may be late, at least and at most; between them, as long as a period."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A job of a service; `name` is `service/job`."""

    name: str
    job: CronJob
    expression: Expression

    def success_due(self, since: float) -> float | None:
        """By when the job is to have succeeded after *since*, in epoch seconds.

        The next tick has its jitter, its timeout, and until the tick after it:
        a minute at least, an hour at most. None when no tick is to come.
        """
        tick = self.expression.next(datetime.fromtimestamp(since, UTC), EPOCH)
        if tick is None:
            return None
        following = self.expression.next(tick, tick)
        least, most = LATE
        period = (following - tick).total_seconds() if following else most
        late = min(max(period, least), most)
        return tick.timestamp() + self.job.jitter + (self.job.timeout or 0.0) + late


@dataclass(frozen=True, slots=True)
class Due:
    """A due tick in epoch seconds; with a `reason` it is left out."""

    tick: float
    reason: str = ""


class Line:
    """Ticks of one job that have no row yet; one thread at a time claims them.

    Each replica goes through a job's ticks in order, so that where the ledger
    has a tick, it has those before it.
    """

    def __init__(self, entry: Entry) -> None:
        self.entry = entry
        self.retry_at = 0.0
        self.failures = 0
        self._lock = threading.Lock()
        self._due: deque[Due] = deque()
        self._claimed = False

    def __len__(self) -> int:
        """Ticks that wait."""
        return len(self._due)

    @property
    def oldest(self) -> float | None:
        """The tick that has waited longest; None when none waits."""
        try:
            return self._due[0].tick
        except IndexError:
            return None

    def add(self, due: Sequence[Due]) -> None:
        """Put ticks behind those that wait."""
        with self._lock:
            self._due.extend(due)

    def take(self) -> bool:
        """Whether the caller may claim: something waits, and nobody else does."""
        with self._lock:
            if self._claimed or not self._due:
                return False
            self._claimed = True
            return True

    def leave(self) -> None:
        """Let another claim."""
        with self._lock:
            self._claimed = False

    def head(self) -> list[Due]:
        """The next tick to claim, or all next ones that are left out; empty when none waits."""
        with self._lock:
            left_out = []
            for due in self._due:
                if not due.reason:
                    break
                left_out.append(due)
            return left_out or list(self._due)[:1]

    def done(self, count: int) -> None:
        """The first *count* have their rows."""
        with self._lock:
            for _ in range(count):
                self._due.popleft()
