"""What an expression may say, how a wrong one is told, and when a right one fires."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from workerkit.cron import EPOCH, Expression
from workerkit.errors import ConfigurationError

START = datetime(2026, 1, 14, 12, 0, 0, tzinfo=UTC)  # a Wednesday


def following(text: str, count: int = 1, after: datetime = START, zone=None) -> list[str]:
    """The next times, in the zone's own clock with its offset."""
    expression = Expression.parse(text, zone)
    times = []
    for _ in range(count):
        after = expression.next(after)
        times.append(after.astimezone(expression.zone).isoformat(" ", "seconds"))
    return times


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("61 * * * *", "minute is 61, allowed are 0-59"),
        ("60 * * * * *", "second is 60, allowed are 0-59"),
        ("* 1,24 * * *", "hour is 24, allowed are 0-23"),
        ("* * 0 * *", "day of month is 0, allowed are 1-31"),
        ("* * * 0-3 *", "month is 0-3, allowed are 1-12 or JAN-DEC"),
        ("* * * * 7", "day of week is 7, allowed are 0-6 or SUN-SAT; Sunday is 0"),
        ("* * * * MOM", "day of week is MOM, allowed are 0-6 or SUN-SAT; did you mean MON?"),
        ("* * * january *", "month is january, allowed are 1-12 or JAN-DEC; did you mean JAN?"),
        ("* 22-6 * * *", "hour is 22-6, ranges go from low to high; did you mean 22-23,0-6?"),
        ("*/0 * * * *", "minute is */0, the step after / must be a whole number from 1 on"),
        ("*/ * * * *", "minute is */, the step after / must be a whole number from 1 on"),
        ("1-2-3 * * * *", "minute is 1-2-3, one range and one step at most"),
        ("*/2/3 * * * *", "minute is */2/3, one range and one step at most"),
        ("-1 * * * *", "minute is -1, allowed are 0-59"),
        ("1.5 * * * *", "minute is 1.5, allowed are 0-59"),
        ("\N{ARABIC-INDIC DIGIT THREE} * * * *", "allowed are 0-59"),
        ("* * L * *", "day of month is L, allowed are 1-31"),
        ("", "has 0 fields, needs 5 (minute, hour, day of month, month, day of week) or 6"),
        ("0 2 * *", 'has 4 fields, needs 5 (minute, hour, day of month, month, day of week) or 6 '
                    '(second first); did you mean "0 2 * * *"?'),
        ("0 0 2 * * ? 2026", 'has 7 fields, needs 5 (minute, hour, day of month, month, '
                             'day of week) or 6 (second first); did you mean "0 0 2 * * ?"?'),
        ("@dayly", "did you mean @daily?"),
        ("@Daily", "did you mean @daily?"),
        ("@every5m", "did you mean @every 5m?"),
        ("@reboot", "there is no @reboot, allowed are @yearly, @annually, @monthly, @weekly,"),
        ("@every x", 'the interval is "x", allowed are durations such as 1h30m10s'),
        ("@every 5", "did you mean @every 5s?"),
        ("@every 1d", "a day is 24h"),
        ("@every 1h 30m", "did you mean @every 1h30m?"),
        ("@every ", 'the interval is "", allowed are durations'),
        ("@every .s", 'the interval is ".s", allowed are durations'),
        ("@every 3000000h", 'the interval is "3000000h", the longest is 292 years'),
        ("TZ=Europe/Berlin", "nothing follows the time zone"),
        ("CRON_TZ=Europe/Berlim 0 2 * * *", "no time zone Europe/Berlim; did you mean Europe/B"),
        ("TZ=../etc/passwd 0 2 * * *", "no time zone ../etc/passwd, must be one such as Eur"),
    ],
)  # fmt: skip
def test_a_wrong_expression_is_told_in_one_line(text, said):
    with pytest.raises(ConfigurationError) as raised:
        Expression.parse(text)
    message = str(raised.value)
    assert message.startswith(f'cron "{text}": ')
    assert said in message
    assert message.isprintable()


def test_a_zone_that_does_not_exist_is_told_with_the_expression():
    with pytest.raises(ConfigurationError, match="no time zone Mars/Base, must be one such as"):
        Expression.parse("0 2 * * *", "Mars/Base")


@pytest.mark.parametrize("thing", [None, 5, b"* * * * *"])
def test_what_is_no_text_is_no_expression(thing):
    with pytest.raises(ConfigurationError, match="must be text such as"):
        Expression.parse(thing)


@pytest.mark.parametrize(
    "text",
    ["*" * 1_000_000, "1," * 500_000 + "1 * * * *", "*/" * 490, "1-" * 490 + " * * * *",
     "9" * 990 + " * * * *", "@every " + "1" * 990 + "h", "@every " + "1h" * 490 + "x",
     "TZ=" + "A/" * 490 + " * * * * *", "x" * 990 + " * * * *", "@" + "d" * 998,
     "a\nb\x00c * * *", "\ud800 * * * *", "TZ=\x00 * * * * *", "\u2067* * * * x"],
)  # fmt: skip
def test_hostile_text_is_refused_at_once_in_one_short_line(text):
    start = time.process_time()
    with pytest.raises(ConfigurationError) as raised:
        Expression.parse(text)
    assert time.process_time() - start < 0.2
    assert str(raised.value).isprintable()
    assert len(str(raised.value)) < 300


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("0 0 * JAN,feb Mon-wed", "0 0 0 * 1-2 1-3"),
        ("? ? ? ? ?", "0 * * * * *"),
        ("3/10 * * * *", "3-59/10 * * * *"),
        ("10-40/10 * * * *", "10,20,30,40 * * * *"),
        ("*/100 * * * *", "0 * * * *"),
        ("05,,+6 * * * *", "5,6 * * * *"),
        ("*-7 * * * *", "* * * * *"),
        ("  0\t0  * * * ", "@daily"),
        ("@midnight", "@daily"),
        ("@annually", "@yearly"),
        ("@weekly", "0 0 * * SUN"),
        ("TZ=UTC @hourly", "0 * * * *"),
        ("@every 1.5h", "@every 90m"),
        ("@every +1h1m1.9s", "@every 3661s"),
        ("@every 1500000us", "@every 1s"),
        ("@every 10ms", "@every 1s"),
        ("@every 0", "@every 1s"),
        ("@every -5m", "@every 1s"),
    ],
)
def test_two_ways_to_say_the_same(text, same):
    assert Expression.parse(text).schedule == Expression.parse(same).schedule


def test_two_restricted_day_fields_fit_if_one_of_them_does():
    assert following("0 0 16 * SUN", 3) == [
        "2026-01-16 00:00:00+00:00", "2026-01-18 00:00:00+00:00", "2026-01-25 00:00:00+00:00"
    ]  # fmt: skip
    assert following("0 0 16 * *", 2) == ["2026-01-16 00:00:00+00:00", "2026-02-16 00:00:00+00:00"]
    # With a step the star is a restriction like any other.
    assert following("0 0 16 * */6", 2) == [
        "2026-01-16 00:00:00+00:00", "2026-01-17 00:00:00+00:00"
    ]  # fmt: skip


def test_an_own_zone_beats_the_given_one():
    given = Expression.parse("0 2 * * *", ZoneInfo("Europe/Berlin"))
    own = Expression.parse("CRON_TZ=Asia/Kolkata 0 2 * * *", "Europe/Berlin")
    assert given.next(START) == datetime(2026, 1, 15, 1, 0, tzinfo=UTC)
    assert own.next(START) == datetime(2026, 1, 14, 20, 30, tzinfo=UTC)
    assert own.next(START).tzinfo is UTC


def test_next_is_after_the_second_it_is_asked_about():
    noon = Expression.parse("0 12 * * *")
    assert noon.next(START) == START + timedelta(days=1)
    assert noon.next(START - timedelta(microseconds=1)) == START
    with pytest.raises(TypeError):
        noon.next(datetime(2026, 1, 1))


@pytest.mark.parametrize(
    ("zone", "text", "after", "times"),
    [
        ("Europe/Berlin", "30 2 * * *", "2026-03-28T12:00+01:00",
         ["2026-03-30 02:30:00+02:00", "2026-03-31 02:30:00+02:00"]),
        ("Europe/Berlin", "30 2 * * *", "2026-10-24T12:00+02:00",
         ["2026-10-25 02:30:00+02:00", "2026-10-25 02:30:00+01:00", "2026-10-26 02:30:00+01:00"]),
        ("Europe/Berlin", "0 * * * *", "2026-03-29T00:30+01:00",
         ["2026-03-29 01:00:00+01:00", "2026-03-29 03:00:00+02:00"]),
        ("America/New_York", "30 2 * * *", "2026-03-07T12:00-05:00", ["2026-03-09 02:30:00-04:00"]),
        ("America/New_York", "30 1 * * *", "2026-10-31T12:00-04:00",
         ["2026-11-01 01:30:00-04:00", "2026-11-01 01:30:00-05:00", "2026-11-02 01:30:00-05:00"]),
        # The day begins at 01:00, and is a Friday all the same.
        ("Africa/Cairo", "0 8 * * FRI", "2026-04-22T12:00+02:00", ["2026-04-24 08:00:00+03:00"]),
        ("America/Havana", "0 0,9 * * SUN", "2026-03-07T12:00-05:00",
         ["2026-03-08 09:00:00-04:00"]),
        ("Australia/Lord_Howe", "0 5 * * *", "2026-10-03T12:00+10:30",
         ["2026-10-04 05:00:00+11:00"]),
        ("Pacific/Chatham", "0 4 * * *", "2026-09-26T12:00+12:45", ["2026-09-27 04:00:00+13:45"]),
    ],
)  # fmt: skip
def test_clocks_that_change_skip_a_time_or_show_it_twice(zone, text, after, times):
    assert following(text, len(times), datetime.fromisoformat(after), zone) == times


@pytest.mark.parametrize("text", ["0 0 31 2 *", "0 0 30 2 ?", "0 0 31 4,6,9,11 *", ", * * * *"])
def test_an_impossible_date_never_fires(text):
    expression = Expression.parse(text)
    assert expression.never
    assert expression.next(START) is None
    assert expression.words().startswith("never")


def test_what_can_fire_is_not_called_never():
    for text in ("0 0 29 2 *", "0 0 31 2 MON", "@every 1h", "* * * * *", "0 0 31 1,2 *"):
        assert not Expression.parse(text).never


def test_a_leap_day_is_found_within_five_years_only():
    assert following("0 0 29 2 *", 2) == ["2028-02-29 00:00:00+00:00", "2032-02-29 00:00:00+00:00"]
    assert Expression.parse("0 0 29 2 *").next(datetime(2097, 1, 1, tzinfo=UTC)) is None


def test_the_end_of_the_calendar_is_no_error():
    end = datetime.max.replace(tzinfo=UTC)
    for text in ("* * * * * *", "@every 1h", "0 0 29 2 *"):
        assert Expression.parse(text).next(end) is None
        assert Expression.parse(text, "Asia/Kolkata").next(end) is None


def test_an_interval_counts_from_its_anchor():
    hourly = Expression.parse("@every 1h")
    at = START + timedelta(minutes=17, seconds=5, microseconds=900)
    assert hourly.next(at) == START + timedelta(hours=1, minutes=17, seconds=5)
    assert hourly.next(at, EPOCH) == START + timedelta(hours=1)
    assert hourly.next(START, EPOCH) == START + timedelta(hours=1)
    tick = START + timedelta(minutes=10)
    assert hourly.next(tick, tick) == tick + timedelta(hours=1)
    assert hourly.next(tick + timedelta(hours=5, minutes=1), tick) == tick + timedelta(hours=6)
    # A clock that was set back: the rhythm stays.
    assert hourly.next(tick - timedelta(hours=2, minutes=1), tick) == tick - timedelta(hours=2)


def test_replicas_that_start_at_different_times_agree_on_an_interval():
    every = Expression.parse("@every 7m13s")
    asked = [every.next(START + timedelta(seconds=second), EPOCH) for second in range(60)]
    assert len(set(asked)) <= 2
    assert all((tick - EPOCH) % timedelta(seconds=433) == timedelta() for tick in asked)


@pytest.mark.parametrize("text", ["0 0 31 2 *", "0 0 29 2 *", "59 59 23 31 12 *", "*/7 * * * *"])
def test_next_is_quick_even_for_rare_dates(text):
    expression = Expression.parse(text, "Europe/Berlin")
    expression.next(START)
    start = time.process_time()
    for _ in range(20):
        expression.next(START)
    assert (time.process_time() - start) / 20 < 0.005
