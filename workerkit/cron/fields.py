"""The six fields of a cron expression: what each may hold, and the reading of one.

The grammar is that of robfig/cron v3: `*`, `?`, `5`, `5-10`, any of them with
`/step`, and lists. What it accepts is accepted here, odd as it may be: empty
parts of a list, `5/10` for `5-59/10`, and anything after `*-`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from ..errors import ConfigurationError
from .quoted import short

_NUMBER = re.compile(r"\+?[0-9]{1,18}")


@dataclass(frozen=True, slots=True)
class Values:
    """What a field allows: bit *n* of `bits` for the value *n*.

    `star` tells `*` and `?` from a list of all values: of the two day fields
    one without a star does not restrict the other (see `Calendar`).
    """

    bits: int
    star: bool = False

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and bool(self.bits >> value & 1)

    def __iter__(self) -> Iterator[int]:
        return (value for value in range(self.bits.bit_length()) if self.bits >> value & 1)

    @property
    def first(self) -> int:
        """The smallest value; there must be one."""
        return (self.bits & -self.bits).bit_length() - 1

    def from_(self, value: int) -> int | None:
        """The smallest value that is *value* or more."""
        rest = self.bits >> value
        return value + (rest & -rest).bit_length() - 1 if rest else None


@dataclass(frozen=True)
class Field:
    """One field: its lowest and highest value, and their names if they have any."""

    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()

    @property
    def full(self) -> int:
        """The bits of all values."""
        return (1 << self.high + 1) - (1 << self.low)

    @property
    def allowed(self) -> str:
        """The values for an error message, e.g. `0-6 or SUN-SAT`."""
        named = f" or {self.names[0]}-{self.names[-1]}" if self.names else ""
        return f"{self.low}-{self.high}{named}"


MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
WEEKDAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")

SECOND = Field("second", 0, 59)
MINUTE = Field("minute", 0, 59)
HOUR = Field("hour", 0, 23)
DAY = Field("day of month", 1, 31)
MONTH = Field("month", 1, 12, MONTHS)
WEEKDAY = Field("day of week", 0, 6, WEEKDAYS)


@lru_cache(maxsize=4096)
def read(text: str, field: Field) -> Values:
    """The values that *text* allows in *field*.

    Raises:
        ConfigurationError: A part of it is no value, range or step of the field.
    """
    bits, star = 0, False
    for part in text.split(","):
        if part:
            values = _part(part, field)
            bits, star = bits | values.bits, star or values.star
    return Values(bits, star)


def _part(text: str, field: Field) -> Values:
    span, *steps = text.split("/")
    low, *highs = span.split("-")
    star = low in {"*", "?"}
    if len(steps) > 1 or (len(highs) > 1 and not star):
        raise _wrong(text, field, "one range and one step at most")
    step = _step(steps[0], text, field) if steps else 1
    if star:
        start, end = field.low, field.high
    else:
        start = _value(low, text, field)
        end = _value(highs[0], text, field) if highs else field.high if steps else start
    if start > end:
        around = f"{low}-{field.high},{field.low}-{highs[0]}"
        raise _wrong(text, field, f"ranges go from low to high; did you mean {around}?")
    return Values(sum(1 << value for value in range(start, end + 1, step)), star and step == 1)


def _step(text: str, part: str, field: Field) -> int:
    if not _NUMBER.fullmatch(text) or int(text) == 0:
        raise _wrong(part, field, "the step after / must be a whole number from 1 on")
    return int(text)


def _value(text: str, part: str, field: Field) -> int:
    """The number that *text* is or names."""
    name = text.upper()
    if name in field.names:
        return field.low + field.names.index(name)
    value = int(text) if _NUMBER.fullmatch(text) else None
    if value is not None and field.low <= value <= field.high:
        return value
    hint = ""
    if field is WEEKDAY and value == 7:
        hint = "; Sunday is 0"
    elif near := difflib.get_close_matches(name[:20], field.names, n=1):
        hint = f"; did you mean {near[0]}?"
    raise _wrong(part, field, f"allowed are {field.allowed}{hint}")


def _wrong(part: str, field: Field, fact: str) -> ConfigurationError:
    return ConfigurationError(f"{field.name} is {short(part)}, {fact}")
