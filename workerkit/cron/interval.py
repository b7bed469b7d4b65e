"""`@every 1h30m10s`: a tick each so many seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ..errors import ConfigurationError
from .quoted import short

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "\N{MICRO SIGN}s": 10**3,
    "\N{GREEK SMALL LETTER MU}s": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_LONGEST = 2**63 - 1
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")


@dataclass(frozen=True)
class Interval:
    """A tick every `seconds`, one or more."""

    seconds: int

    def next(self, after: int, anchor: int | None = None) -> int:
        """The first tick after *after*, in seconds since the epoch.

        Ticks lie whole intervals before and after *anchor*; without one, *after* is it.
        """
        since = 0 if anchor is None else (after - anchor) % self.seconds
        return after + self.seconds - since


def read_interval(text: str) -> Interval:
    """The interval for a duration in Go's syntax, as robfig/cron takes it.

    Fractions of a second are dropped, and anything below one second is one.

    Raises:
        ConfigurationError: No duration, or one of more than 292 years.
    """
    return Interval(max(1, _nanoseconds(text) // 10**9))


def _nanoseconds(text: str) -> int:
    """Read a duration as Go's `time.ParseDuration` does."""
    unsigned = text[1:] if text[:1] in {"+", "-"} else text
    if unsigned == "0":
        return 0
    total, at = 0, 0
    while at < len(unsigned) or not at:
        part = _PART.match(unsigned, at)
        whole, fraction, unit = part.groups("") if part else ("", "", "")
        if not (whole or fraction) or unit not in _NANOSECONDS:
            raise ConfigurationError(_wrong(text, unit if whole or fraction else ""))
        size = _NANOSECONDS[unit]
        total += int(whole or 0) * size + int(fraction or 0) * size // 10 ** len(fraction)
        at += len(part[0]) if part else 0
    if total > _LONGEST:
        raise ConfigurationError(f'the interval is "{short(text)}", the longest is 292 years')
    return -total if text[0] == "-" else total


def _wrong(text: str, unit: str) -> str:
    """What is wrong with a duration, and what was meant where that is plain."""
    meant = ""
    spaceless = "".join(text.split())
    if spaceless != text and _is_duration(spaceless):
        meant = f"; did you mean @every {short(spaceless)}?"
    elif text.isascii() and text.isdigit():
        meant = f"; did you mean @every {short(text)}s?"
    elif unit.strip()[:1] == "d":
        meant = "; a day is 24h"
    return f'the interval is "{short(text)}", allowed are durations such as 1h30m10s{meant}'


def _is_duration(text: str) -> bool:
    try:
        _nanoseconds(text)
    except ConfigurationError:
        return False
    return True
