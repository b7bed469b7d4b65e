"""Jobs said in the style of the `schedule` library, e.g. `every(5).minutes`, as expressions."""

from __future__ import annotations

from datetime import time, tzinfo

import schedule

from ..errors import ConfigurationError
from .expression import Expression
from .fields import WEEKDAYS

_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86400, "weeks": 604800}
_FROM_UNIT = {"minutes": "{s} * * * * *", "hours": "{s} {m} * * * *", "days": "{s} {m} {h} * * *"}


def expression_of(
    said: str | schedule.Job | Expression, zone: str | tzinfo | None = None
) -> Expression:
    """The expression for what a job's author wrote.

    `every(5).minutes` is `@every 300s`: counted from the tick before or the
    epoch, not from the process's start, so that replicas agree. A weekday
    without `at` is its midnight. The zone of `at` beats *zone*.

    Raises:
        ConfigurationError: A wrong expression, or what no expression can say.
    """
    if isinstance(said, Expression):
        return said
    if not isinstance(said, schedule.Job):
        return Expression.parse(said, zone)
    try:
        text = _text(said)
    except ConfigurationError as error:
        raise ConfigurationError(f"every({said.interval}): {error}") from None
    return Expression.parse(text, str(said.at_time_zone) if said.at_time_zone else zone)


def _text(job: schedule.Job) -> str:
    if job.unit not in _SECONDS:
        raise ConfigurationError("has no unit, needs one such as .minutes")
    if job.latest is not None or job.cancel_after is not None:
        raise ConfigurationError(".to() and .until() cannot be used, as replicas would not agree")
    if job.at_time is None and job.start_day is None:
        if job.interval < 1:
            raise ConfigurationError("the interval must be 1 or more")
        return f"@every {job.interval * _SECONDS[job.unit]}s"
    if job.interval != 1:
        raise ConfigurationError(f".{job.unit}.at() cannot be used with more than one")
    at = job.at_time or time()
    if job.start_day is not None:
        return f"{at.second} {at.minute} {at.hour} * * {_weekday(job.start_day)}"
    return _FROM_UNIT[job.unit].format(s=at.second, m=at.minute, h=at.hour)


def _weekday(name: str) -> str:
    return next(short for short in WEEKDAYS if name.upper().startswith(short))
