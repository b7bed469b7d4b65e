"""Cron expressions: robfig/cron v3, with optional seconds."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from ..errors import ConfigurationError
from .calendar import Calendar
from .fields import DAY, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, read
from .interval import Interval, read_interval
from .quoted import short
from .words import describe
from .zones import load_zone

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
"""Where intervals are anchored that have not ticked yet, so that replicas agree."""

LONGEST = 1000
"""Characters an expression may have; all that can be said fits in less."""

_FIELDS = (SECOND, MINUTE, HOUR, DAY, MONTH, WEEKDAY)
_EVERY = "@every "
_DESCRIPTORS = {
    "@yearly": "0 0 0 1 1 *",
    "@annually": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 0",
    "@daily": "0 0 0 * * *",
    "@midnight": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}


@dataclass(frozen=True)
class Expression:
    """A parsed expression, in the zone whose clock it is about."""

    text: str
    zone: tzinfo
    schedule: Calendar | Interval

    @classmethod
    def parse(cls, text: str, zone: str | tzinfo | None = None) -> Expression:
        """Read *text*; its own `CRON_TZ=` or `TZ=` beats *zone*, and UTC is for want of both.

        Raises:
            ConfigurationError: One line that names the field, what it holds,
                what is allowed, and what was probably meant.
        """
        if not isinstance(text, str):
            raise ConfigurationError(f'cron {text!r}: must be text such as "*/5 * * * *"')
        try:
            if len(text) > LONGEST:
                raise ConfigurationError(f"has {len(text)} characters, at most {LONGEST} can be")
            rest, own_zone = _split_zone(text)
            chosen = zone if own_zone is None else own_zone
            in_zone = load_zone(chosen) if isinstance(chosen, str) else chosen or UTC
            return cls(text, in_zone, _read_schedule(rest))
        except ConfigurationError as error:
            raise ConfigurationError(f'cron "{short(text)}": {error}') from None

    def next(self, after: datetime, anchor: datetime | None = None) -> datetime | None:
        """The first time after *after*, in UTC; None when there is none within five years.

        Ticks of `@every` lie whole intervals from *anchor*: the tick before,
        else `EPOCH`. Without one they count from *after*, as robfig/cron does.
        Other expressions take no notice of it.

        Raises:
            TypeError: A time without a zone.
        """
        second = _second(after)
        if isinstance(self.schedule, Interval):
            moment = self.schedule.next(second, None if anchor is None else _second(anchor))
        else:
            found = self.schedule.next(second + 1, self.zone)
            if found is None:
                return None
            moment = found
        try:
            return EPOCH + timedelta(seconds=moment)
        except OverflowError:
            return None

    @property
    def never(self) -> bool:
        """Whether it can never fire, e.g. on 31 February."""
        return isinstance(self.schedule, Calendar) and self.schedule.never

    def words(self) -> str:
        """In plain English, e.g. `daily at 02:00 (Europe/Berlin)`."""
        return describe(self.schedule, self.zone)

    def __str__(self) -> str:
        return self.text


def _split_zone(text: str) -> tuple[str, str | None]:
    """What follows a `CRON_TZ=` or `TZ=`, and the zone it names."""
    if not text.startswith(("CRON_TZ=", "TZ=")):
        return text, None
    prefix, space, rest = text.partition(" ")
    if not space:
        raise ConfigurationError("nothing follows the time zone")
    return rest.strip(), prefix.partition("=")[2]


def _read_schedule(text: str) -> Calendar | Interval:
    if text.startswith(_EVERY):
        return read_interval(text.removeprefix(_EVERY))
    if text.lstrip().startswith("@") and text not in _DESCRIPTORS:
        raise ConfigurationError(_unknown_descriptor(text))
    fields = _DESCRIPTORS.get(text, text).split()
    if len(fields) not in {5, 6}:
        raise ConfigurationError(_wrong_count(fields))
    if len(fields) == 5:
        fields.insert(0, "0")
    return Calendar(*map(read, fields, _FIELDS))


def _unknown_descriptor(text: str) -> str:
    first = text.split(maxsplit=1)[0]
    known = {**dict.fromkeys(_DESCRIPTORS), _EVERY.strip(): "@every 5m"}
    near = difflib.get_close_matches(first.lower(), known, n=1)
    if near:
        return f"did you mean {known[near[0]] or near[0]}?"
    return f"there is no {short(first)}, allowed are {', '.join(_DESCRIPTORS)} and @every 5m"


def _wrong_count(fields: list[str]) -> str:
    names = ", ".join(field.name for field in _FIELDS[1:])
    count = f"{len(fields)} field{'' if len(fields) == 1 else 's'}"
    meant = {4: [*fields, "*"], 7: fields[:6]}.get(len(fields))
    hint = f'; did you mean "{short(" ".join(meant))}"?' if meant else ""
    return f"has {count}, needs 5 ({names}) or 6 (second first){hint}"


def _second(moment: datetime) -> int:
    """The last whole second since the epoch."""
    return (moment - EPOCH) // timedelta(seconds=1)
