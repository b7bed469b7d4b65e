"""How long to wait before trying again."""

from __future__ import annotations

import random
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retry:
    """Exponential backoff with full jitter, in seconds.

    The wait before attempt *n* + 1 is drawn evenly from 0 to
    `min(cap, first * factor ** (n - 1))`: "full jitter" of the AWS
    Architecture Blog, "Exponential Backoff And Jitter" (2015).
    `attempts` counts every try, the first included.
    """

    attempts: int = 10
    first: float = 0.2
    factor: float = 2.0
    cap: float = 300.0

    def __post_init__(self) -> None:
        if self.attempts < 1 or self.first <= 0 or self.factor < 1 or self.cap < self.first:
            raise ValueError(
                f"{self}: needs attempts >= 1, first > 0, factor >= 1 and cap >= first"
            )

    def ceiling(self, failures: int) -> float:
        """Longest wait in seconds after *failures* failed attempts (1 or more)."""
        exponent = min(failures - 1, 1000)
        try:
            return min(self.cap, self.first * self.factor**exponent)
        except OverflowError:
            return self.cap

    def wait(self, failures: int, draw: float | None = None) -> float:
        """Seconds to wait after *failures*; *draw* in [0, 1) replaces the random number."""
        return self.ceiling(failures) * (random.random() if draw is None else draw)


STORAGE_BACKOFF = Retry(attempts=1_000_000, first=0.1, factor=2.0, cap=5.0)
"""Waits while our own storage or broker is in trouble."""
