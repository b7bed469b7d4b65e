"""When the fields of an expression next agree with a wall clock."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import MAXYEAR, date, tzinfo
from functools import lru_cache

from .fields import Values
from .wall import DAY, HOUR, MINUTE, midnight, offset, steady_offset

YEARS = 5
"""How many years robfig/cron looks ahead before it says that there is no next time."""

_EPOCH = date(1970, 1, 1).toordinal()
_LAST_YEAR = (date(MAXYEAR, 1, 1).toordinal() - _EPOCH) * DAY
_LEAP_YEAR = 2000
_SIX_WEEKS = sum(1 << 7 * week for week in range(6))


@dataclass(frozen=True)
class Calendar:
    """The six fields, and the search for the next second that fits them all.

    A date fits if both day fields do, or, when both are restricted (neither
    has a star), if one of them does. A time that clocks skip does not come; a
    time that they show twice comes twice.
    """

    second: Values
    minute: Values
    hour: Values
    day: Values
    month: Values
    weekday: Values

    @property
    def never(self) -> bool:
        """Whether no time can fit: 31 February, or a field that is only commas."""
        dates = any(self._days(_LEAP_YEAR, month) for month in self.month)
        return not (dates and self.second.bits and self.minute.bits and self.hour.bits)

    def next(self, start: int, zone: tzinfo) -> int | None:
        """The first fitting second from *start* on, both in seconds since the epoch.

        None when there is none until the end of the fifth year after.
        """
        if start >= _LAST_YEAR or not (self.second.bits and self.minute.bits and self.hour.bits):
            return None
        day, second = divmod(start + offset(start, zone), DAY)
        last_year = min(date.fromordinal(day + _EPOCH).year + YEARS, MAXYEAR - 1)
        while (found := self._day_from(day, last_year)) is not None:
            steady = steady_offset(found, zone)
            if steady is None:
                fit = self._walk(found, max(start, midnight(found, zone)), zone)
                if fit is not None:
                    return fit
            else:
                fit = self._time_from(second if found == day else 0)
                if fit is not None:
                    return found * DAY + fit - steady
            day, second = found + 1, 0
        return None

    def _day_from(self, day: int, last_year: int) -> int | None:
        """The first day that fits from *day* on, in days since 1970."""
        start = date.fromordinal(day + _EPOCH)
        year, month, first = start.year, start.month, start.day
        while year <= last_year:
            found = self.month.from_(month)
            if found is None:
                year, month, first = year + 1, 1, 1
                continue
            days = self._days(year, found) >> (first if found == month else 1)
            if days:
                first = (first if found == month else 1) + (days & -days).bit_length() - 1
                return date(year, found, first).toordinal() - _EPOCH
            month, first = found + 1, 1
        return None

    def _days(self, year: int, month: int) -> int:
        """The days of a month that fit: bit *n* for day *n*."""
        weekday_of_first, every = _month(year, month)
        on_weekdays = self.weekday.bits * _SIX_WEEKS >> weekday_of_first << 1
        if self.day.star or self.weekday.star:
            return self.day.bits & on_weekdays & every
        return (self.day.bits | on_weekdays) & every

    def _time_from(self, start: int) -> int | None:
        """The first time of a day that fits from *start* on, in seconds since midnight."""
        hour, rest = divmod(start, HOUR)
        minute, second = divmod(rest, MINUTE)
        if hour in self.hour:
            if minute in self.minute:
                found = self.second.from_(second)
                if found is not None:
                    return start - second + found
            found = self.minute.from_(minute + 1)
            if found is not None:
                return hour * HOUR + found * MINUTE + self.second.first
        found = self.hour.from_(hour + 1)
        if found is None:
            return None
        return found * HOUR + self.minute.first * MINUTE + self.second.first

    def _walk(self, day: int, start: int, zone: tzinfo) -> int | None:
        """`next` on a day whose clocks change, in the steps of robfig/cron.

        It goes by hours until the hour fits, then by minutes. So it passes over
        the minutes that are left of an hour in which clocks change (Chatham).
        """
        now = start
        while True:
            today, time = divmod(now + offset(now, zone), DAY)
            if today != day:
                return None
            if time // HOUR not in self.hour:
                now += HOUR - time % HOUR
                continue
            second = time % MINUTE
            found = self.second.from_(second) if time // MINUTE % 60 in self.minute else None
            if found is not None:
                return now - second + found
            now += MINUTE - second


@lru_cache(maxsize=1024)
def _month(year: int, month: int) -> tuple[int, int]:
    """Weekday of the first day (Sunday is 0), and the days as bits."""
    first = date(year, month, 1)
    following = date(year + month // 12, month % 12 + 1, 1)
    return first.isoweekday() % 7, (1 << (following - first).days + 1) - 2
