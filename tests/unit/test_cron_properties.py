"""What holds for every expression: compared with a clock that is read second by second."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workerkit.cron import EPOCH, Expression
from workerkit.errors import ConfigurationError

ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata")
ODD_ZONES = ("Pacific/Chatham", "Australia/Lord_Howe", "Africa/Cairo", "America/Havana")
"""Their clocks change by half an hour, at a quarter to, or at midnight."""

CHANGES = [
    datetime(2026, 3, 29, 1, tzinfo=UTC),
    datetime(2026, 10, 25, 1, tzinfo=UTC),
    datetime(2026, 3, 8, 7, tzinfo=UTC),
    datetime(2026, 11, 1, 6, tzinfo=UTC),
    datetime(2026, 4, 4, 14, tzinfo=UTC),
    datetime(2026, 9, 26, 14, tzinfo=UTC),
    datetime(2026, 4, 23, 22, tzinfo=UTC),
    datetime(2028, 2, 29, 0, tzinfo=UTC),
]
"""Moments around which clocks change in some of the zones, and a leap day."""

starts = st.builds(
    lambda change, seconds: change + timedelta(seconds=seconds),
    st.sampled_from(CHANGES),
    st.integers(-90_000, 20_000),
)


@st.composite
def fields(draw, low: int, high: int) -> str:
    def part() -> str:
        first, last = sorted(draw(st.tuples(*[st.integers(low, high)] * 2)))
        span = draw(st.sampled_from(["*", "?", f"{first}", f"{first}-{last}"]))
        step = draw(st.sampled_from(["", "", f"/{draw(st.integers(1, high))}"]))
        return span + step

    return ",".join(part() for _ in range(draw(st.integers(1, 2))))


minutely = st.tuples(fields(0, 59), fields(0, 23), fields(1, 31), fields(1, 12), fields(0, 6))
secondly = st.tuples(fields(0, 59), minutely).map(lambda both: (both[0], *both[1]))
texts = st.one_of(minutely, secondly).map(" ".join)


def fits(expression: Expression, moment: datetime) -> bool:
    """Whether the zone's clock agrees with every field."""
    wall, fields = moment.astimezone(expression.zone), expression.schedule
    day, weekday = wall.day in fields.day, wall.isoweekday() % 7 in fields.weekday
    both = fields.day.star or fields.weekday.star
    return (
        wall.second in fields.second
        and wall.minute in fields.minute
        and wall.hour in fields.hour
        and wall.month in fields.month
        and (day and weekday if both else day or weekday)
    )


def first_fit(expression: Expression, after: datetime, window: timedelta) -> datetime | None:
    """The first second that fits, looked for in each second of each minute that can have one."""
    moment, end = after + timedelta(seconds=1), after + window
    while moment <= end:
        wall = moment.astimezone(expression.zone)
        fields = expression.schedule
        if wall.minute in fields.minute and wall.hour in fields.hour:
            if fits(expression, moment):
                return moment
            moment += timedelta(seconds=1)
        else:
            moment += timedelta(seconds=60 - wall.second)
    return None


@pytest.mark.parametrize("zone", ZONES)
@given(text=texts, after=starts)
@settings(max_examples=20)
def test_next_is_the_first_second_that_fits(zone, text, after):
    expression = Expression.parse(text, zone)
    window = timedelta(hours=5)
    found = expression.next(after)
    expected = first_fit(expression, after, window)
    assert expected == (found if found is not None and found <= after + window else None)


@pytest.mark.parametrize("zone", [*ZONES, *ODD_ZONES])
@given(text=texts, after=starts)
@settings(max_examples=20)
def test_next_is_later_and_fits(zone, text, after):
    expression = Expression.parse(text, zone)
    for _ in range(4):
        found = expression.next(after)
        if found is None:
            assert expression.never
            return
        assert found > after
        assert found.tzinfo is UTC
        assert fits(expression, found)
        after = found


@pytest.mark.parametrize("zone", ZONES)
@given(text=texts, after=starts, percent=st.integers(0, 99))
@settings(max_examples=20)
def test_any_earlier_start_gives_the_same_next_time(zone, text, after, percent):
    expression = Expression.parse(text, zone)
    found = expression.next(after)
    if found is not None:
        between = after + (found - after) * percent / 100
        assert expression.next(between) == found


@given(
    seconds=st.integers(1, 10**7),
    after=starts,
    anchor=st.one_of(st.just(EPOCH), starts),
)
@settings(max_examples=60)
def test_an_interval_lies_whole_steps_from_its_anchor(seconds, after, anchor):
    found = Expression.parse(f"@every {seconds}s").next(after, anchor)
    step = timedelta(seconds=seconds)
    assert after < found <= after + step
    assert (found - anchor) % step == timedelta()


@given(
    st.text(
        "0159*/-,?@ \tTZ=CRON_aeilvynuhms.+\n\0\N{MICRO SIGN}\N{FULLWIDTH DIGIT ONE}", max_size=30
    )
)
@settings(max_examples=60)
def test_no_text_breaks_the_parser(text):
    try:
        expression = Expression.parse(text)
    except ConfigurationError as error:
        assert str(error).isprintable()
    else:
        assert expression.words()


def test_the_odd_zones_have_their_changes():
    for zone in ODD_ZONES:
        clock = ZoneInfo(zone)
        assert len({clock.utcoffset(datetime(2026, month, 15)) for month in (1, 7)}) == 2
