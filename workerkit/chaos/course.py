"""How a scenario goes: what was published, settled and waiting, moment by moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..core.worker import BaseWorker
from ..errors import StorageError

PERIOD = 0.25
"""Seconds between two looks."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One look: `at` in epoch seconds, the part of the play, and counts since its beginning.

    `lag` are the events that were not settled.
    """

    at: float
    phase: str
    published: int
    settled: int
    lag: int


class Sampler(BaseWorker):
    """Looks until stopped, and hands each look to *tell*; one that fails is left out."""

    def __init__(self, look: Callable[[], Seen], tell: Callable[[Seen], object]) -> None:
        super().__init__("course")
        self.look = look
        self.tell = tell
        self.seen: list[Seen] = []

    def work(self) -> None:
        """Look, until stopped."""
        while not self.stopping.wait(PERIOD):
            try:
                self.seen.append(self.look())
            except StorageError:
                continue
            self.tell(self.seen[-1])


def rates(course: Sequence[Seen]) -> list[tuple[float, float]]:
    """Events settled a second, over the last second each; times in seconds since the first look."""
    found = []
    step = round(1.0 / PERIOD)
    for number, after in enumerate(course):
        before = course[max(0, number - step)]
        passed = max(after.at - before.at, 0.001)
        found.append((after.at - course[0].at, (after.settled - before.settled) / passed))
    return found


def now(phase: str, published: int, settled: int, lag: int) -> Seen:
    """A look at this moment."""
    return Seen(time.time(), phase, published, settled, lag)
