"""Wall clocks: which second of the epoch a zone's clock shows what.

A wall time is told in seconds since 1970-01-01 00:00 of the zone's own clock.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

DAY = 86400
HOUR = 3600
MINUTE = 60


def offset(moment: int, zone: tzinfo) -> int:
    """How far the clocks of *zone* are ahead of UTC at the epoch second *moment*."""
    if zone is UTC:
        return 0
    ahead = datetime.fromtimestamp(moment, zone).utcoffset()
    return (ahead or timedelta()) // timedelta(seconds=1)


def instant(wall: int, zone: tzinfo) -> int:
    """The epoch second at which the clocks of *zone* show *wall*.

    As Go's `time.Date` resolves it: a time that clocks show twice is the second
    one east of Greenwich and the first one west of it, and a time that they
    skip is as far after the change, or before it, as it is into the gap.
    """
    return wall - offset(wall - offset(wall, zone), zone)


@lru_cache(maxsize=4096)
def midnight(day: int, zone: tzinfo) -> int:
    """The first second of *day* (days since 1970); not 00:00 where clocks skip that."""
    begin = instant(day * DAY, zone)
    short = day * DAY - (begin + offset(begin, zone))
    return begin + short if short > 0 else begin


@lru_cache(maxsize=4096)
def steady_offset(day: int, zone: tzinfo) -> int | None:
    """The offset that holds all *day* long; None when clocks change in it or at its start."""
    before = offset(midnight(day, zone) - 1, zone)
    return before if before == offset(midnight(day + 1, zone) - 1, zone) else None
