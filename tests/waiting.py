"""Waiting for a fact: a test never waits for a time."""

from __future__ import annotations

import time
from collections.abc import Callable


def until(fact: Callable[[], object], timeout: float = 60.0) -> None:
    """Return once *fact* is true; fails the test after *timeout* seconds."""
    end = time.monotonic() + timeout
    while not fact():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)
