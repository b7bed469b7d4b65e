"""Time zones by their IANA name."""

from __future__ import annotations

import difflib
import zoneinfo
from datetime import UTC, tzinfo

from ..errors import ConfigurationError
from .quoted import short


def load_zone(name: str) -> tzinfo:
    """The zone *name*, e.g. `Europe/Berlin`; an empty name is UTC, as in Go.

    Raises:
        ConfigurationError: No such zone, or this machine has no zones.
    """
    if name in {"", "UTC"}:
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(_unknown(name)) from None


def _unknown(name: str) -> str:
    known = {zone.lower(): zone for zone in zoneinfo.available_timezones()}
    if not known:
        return f"no time zone {short(name)}, as this machine has none: install tzdata"
    near = difflib.get_close_matches(name.lower()[:40], known, n=1)
    meant = f"; did you mean {known[near[0]]}?" if near else ", must be one such as Europe/Berlin"
    return f"no time zone {short(name)}{meant}"
