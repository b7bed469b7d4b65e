"""A schedule in plain English, for people; precise before it is pretty."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from .calendar import Calendar
from .fields import DAY, HOUR, MINUTE, MONTH, SECOND, WEEKDAY, Field, Values
from .interval import Interval

_NAMES = {
    MONTH: ("", "January", "February", "March", "April", "May", "June", "July", "August",
            "September", "October", "November", "December"),
    WEEKDAY: ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"),
}  # fmt: skip
_MOST_TIMES = 6


def describe(schedule: Calendar | Interval, zone: tzinfo) -> str:
    """*schedule* in words; *zone* is named where it matters and is not UTC."""
    if isinstance(schedule, Interval):
        return f"every {_duration(schedule.seconds)}"
    if not (schedule.second.bits and schedule.minute.bits and schedule.hour.bits):
        return "never"
    times = _times(schedule)
    time = f"at {_listed(times)}" if times else _frequency(schedule)
    days, months = _days(schedule), _months(schedule)
    daily = "daily" if times and not days else ""
    words = " ".join(filter(None, (daily, time, days, months)))
    if schedule.never:
        return f"never ({words})"
    often = _is_often(schedule.minute, MINUTE) and schedule.hour.bits == HOUR.full
    same_everywhere = str(zone) == "UTC" or (often and not days and not months)
    return words if same_everywhere else f"{words} ({zone})"


def _duration(seconds: int) -> str:
    hours, rest = divmod(seconds, 3600)
    parts = [(hours, "hour"), (rest // 60, "minute"), (rest % 60, "second")]
    given = [(count, unit) for count, unit in parts if count]
    if len(given) == 1 and given[0][0] == 1:
        return given[0][1]
    return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in given)


def _times(schedule: Calendar) -> list[str]:
    """The times of a day where they are few and no rhythm says them better."""
    seconds, minutes, hours = list(schedule.second), list(schedule.minute), list(schedule.hour)
    every_hour = minutes == [0] and len(hours) > 2 and (_is_run(hours) or _is_often(hours, HOUR))
    every_minute = len(minutes) > 2 and _is_often(minutes, MINUTE)
    many = len(seconds) > 1 or len(minutes) * len(hours) > _MOST_TIMES
    if many or every_minute or (every_hour and seconds == [0]):
        return []
    second = f":{seconds[0]:02}" if seconds != [0] else ""
    return [f"{hour:02}:{minute:02}{second}" for hour in hours for minute in minutes]


def _frequency(schedule: Calendar) -> str:
    """The times of a day, finest part first, e.g. `at second 5 of minutes 0 to 3 of hour 2`."""
    seconds, minutes, hours = list(schedule.second), list(schedule.minute), list(schedule.hour)
    if seconds == [0] and minutes == [0]:
        if _is_often(hours, HOUR):
            return _rhythm(hours, HOUR)
        if _is_run(hours):
            return f"every hour from {hours[0]:02}:00 to {hours[-1]:02}:00"
    if seconds == [0]:
        words, often = _beginning(minutes, MINUTE)
    else:
        words, often = _beginning(seconds, SECOND)
        if minutes != list(range(60)):
            words, often = f"{words} of {_members(minutes, MINUTE)}", False
        elif not often:
            words = f"{words} of every minute"
            often = len(hours) == 24
    if often and len(hours) == 24:
        return words
    if often and _is_run(hours):
        return f"{words} from {hours[0]:02}:00 to {hours[-1]:02}:59"
    return f"{words} of {_members(hours, HOUR)}"


def _beginning(values: Sequence[int], field: Field) -> tuple[str, bool]:
    """The finest part, and whether it is a rhythm that goes on from one hour to the next."""
    if _is_often(values, field):
        return _rhythm(values, field), True
    return f"at {_members(values, field)}", False


def _days(schedule: Calendar) -> str:
    """The days, unless it is every day; with the month where both are one."""
    days, weekdays = list(schedule.day), list(schedule.weekday)
    either = not (schedule.day.star or schedule.weekday.star)
    every_day, every_weekday = len(days) == 31, len(weekdays) == 7
    if (either and (every_day or every_weekday)) or (every_day and every_weekday):
        return ""
    of_month = f"on {_members(days, DAY)} of the month"
    if _is_one_date(schedule):
        of_month = f"on {days[0]} {_NAMES[MONTH][schedule.month.first]}"
    of_week = f"on {_members(weekdays, WEEKDAY)}"
    if either:
        return " or ".join(([of_month] if days else []) + ([of_week] if weekdays else []))
    return of_week if every_day else of_month


def _months(schedule: Calendar) -> str:
    if schedule.month.bits == MONTH.full or _is_one_date(schedule):
        return ""
    return f"in {_members(list(schedule.month), MONTH)}"


def _is_one_date(schedule: Calendar) -> bool:
    return schedule.weekday.star and len(list(schedule.day)) == len(list(schedule.month)) == 1


def _is_run(values: Sequence[int]) -> bool:
    return len(values) == values[-1] - values[0] + 1


def _is_often(values: Sequence[int] | Values, field: Field) -> bool:
    """Whether *values* come at one distance, also from the last to the first of the next round."""
    members = list(values)
    step = (field.high + 1) // len(members)
    return len(members) > 1 and members == list(range(0, field.high + 1, step))


def _rhythm(values: Sequence[int], field: Field) -> str:
    """E.g. `every 5 minutes`, for values that come often."""
    step = (field.high + 1) // len(values)
    return f"every {field.name}" if step == 1 else f"every {step} {field.name}s"


def _members(values: Sequence[int], field: Field) -> str:
    """E.g. `minute 5`, `hours 1, 2 and 9 to 17`, `every 7th minute from 0 to 56`."""
    if field in _NAMES:
        return _listed(_runs(values, _NAMES[field])) if values else f"no {field.name}"
    unit = field.name.removesuffix(" of month")
    if not values:
        return f"no {unit}"
    if len(values) == field.high - field.low + 1:
        return f"every {unit}"
    step = values[1] - values[0] if len(values) > 2 else 1
    if step > 1 and list(values) == list(range(values[0], values[-1] + 1, step)):
        return f"every {_ordinal(step)} {unit} from {values[0]} to {values[-1]}"
    plural = "s" if len(values) > 1 else ""
    return f"{unit}{plural} {_listed(_runs(values, range(field.high + 1)))}"


def _runs(values: Sequence[int], names: Sequence[object]) -> list[str]:
    """The names of *values*, with `A to C` for three or more in a row."""
    runs: list[list[int]] = []
    for value in values:
        if runs and runs[-1][-1] == value - 1:
            runs[-1].append(value)
        else:
            runs.append([value])
    told = []
    for run in runs:
        if len(run) > 2:
            told.append(f"{names[run[0]]} to {names[run[-1]]}")
        else:
            told.extend(str(names[value]) for value in run)
    return told


def _listed(items: Sequence[str]) -> str:
    """`a, b and c`."""
    return " and ".join(filter(None, (", ".join(items[:-1]), items[-1])))


def _ordinal(number: int) -> str:
    ending = {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{'th' if 10 < number % 100 < 14 else ending}"
