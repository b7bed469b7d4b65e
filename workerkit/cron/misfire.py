"""Ticks that were missed, and which of them are still run."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

from .expression import Expression

Misfire = Literal["skip", "latest", "all"]

MOST = 1000
"""Missed ticks of a job that are looked at; those before them are neither run nor recorded."""


def due_ticks(expression: Expression, first: datetime, now: datetime) -> list[datetime]:
    """*first* and the ticks after it until *now*; of more than MOST the latest."""
    span = timedelta(hours=1)
    while True:
        start = max(first, now - span)
        ticks = deque(_from(expression, start, now, first), maxlen=MOST)
        if start == first or len(ticks) == MOST:
            return list(ticks) or [first]
        span *= 4


def judge(
    ticks: Sequence[datetime], now: datetime, misfire: Misfire, grace: float
) -> tuple[list[datetime], list[datetime]]:
    """Which of the due *ticks* are run, and which are left out.

    A tick misfires when it is more than *grace* seconds late. `all` runs all
    the same; `skip` leaves those out; `latest` runs only the latest of the
    ticks when any has misfired.
    """
    late = [tick for tick in ticks if now - tick > timedelta(seconds=grace)]
    if misfire == "all" or not late:
        return list(ticks), []
    if misfire == "latest":
        return [ticks[-1]], list(ticks[:-1])
    return list(ticks[len(late) :]), late


def _from(
    expression: Expression, start: datetime, now: datetime, anchor: datetime
) -> Iterator[datetime]:
    tick: datetime | None = start
    if start != anchor:
        tick = expression.next(start, anchor)
    while tick is not None and tick <= now:
        yield tick
        tick = expression.next(tick, anchor)
