"""A schedule in plain English."""

from __future__ import annotations

from itertools import product

import pytest

from workerkit.cron import Expression


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("* * * * * *", "every second"),
        ("*/10 * * * * *", "every 10 seconds"),
        ("* * * * *", "every minute"),
        ("*/5 * * * *", "every 5 minutes"),
        ("*/7 * * * *", "at every 7th minute from 0 to 56 of every hour (Europe/Berlin)"),
        ("15 * * * *", "at minute 15 of every hour (Europe/Berlin)"),
        ("5 * * * * *", "at second 5 of every minute"),
        ("@hourly", "every hour (Europe/Berlin)"),
        ("0 */2 * * *", "every 2 hours (Europe/Berlin)"),
        ("0 2 * * *", "daily at 02:00 (Europe/Berlin)"),
        ("30 5 2 * * *", "daily at 02:05:30 (Europe/Berlin)"),
        ("0 0,12 * * *", "daily at 00:00 and 12:00 (Europe/Berlin)"),
        ("TZ=UTC 30 9 * * 1-5", "at 09:30 on Monday to Friday"),
        ("TZ=UTC 0 9-17 * * *", "every hour from 09:00 to 17:00"),
        ("TZ=UTC */5 9-17 * * *", "every 5 minutes from 09:00 to 17:59"),
        ("TZ=UTC * 3 * * *", "every minute from 03:00 to 03:59"),
        ("TZ=UTC 0 12 * * 0,6", "at 12:00 on Sunday and Saturday"),
        ("TZ=UTC 0 0 1,15 3-5 *", "at 00:00 on days 1 and 15 of the month in March to May"),
        ("TZ=UTC 0 0 13 * 5", "at 00:00 on day 13 of the month or on Friday"),
        ("TZ=UTC 15 10 * 1,7 *", "daily at 10:15 in January and July"),
        ("TZ=UTC @yearly", "at 00:00 on 1 January"),
        ("TZ=UTC 0 0 31 2 *", "never (at 00:00 on 31 February)"),
        ("TZ=UTC 5,10 3-5 * * * *", "at seconds 5 and 10 of minutes 3 to 5 of every hour"),
        ("TZ=UTC * * , * *", "never (every minute on no day of the month)"),
        (", * * * *", "never"),
        ("@every 1h30m10s", "every 1 hour 30 minutes 10 seconds"),
        ("@every 1m", "every minute"),
        ("@every 36h", "every 36 hours"),
    ],
)
def test_in_words(text, words):
    assert Expression.parse(text, "Europe/Berlin").words() == words


FIELDS = (
    ("0", "7", "*", "*/10", "*/7", "1-3", "3,40"),
    ("0", "7", "*", "*/5", "*/30", "*/7", "5-9", "0,20,40", "1,2,8"),
    ("0", "7", "*", "*/2", "*/5", "9-17", "0,12", "1,2,8"),
    ("*", "1", "*/2", "1-5", "1,15"),
    ("*", "2", "2-4", "*/3"),
    ("*", "0", "1-5", "0,6"),
)


def test_two_schedules_are_never_said_alike():
    said = {}
    for fields in product(*FIELDS[:3]):
        schedule = Expression.parse(f"{' '.join(fields)} * * *")
        other = said.setdefault(schedule.words(), schedule)
        assert other.schedule == schedule.schedule, (other.text, schedule.text)
    for fields in product(*FIELDS[3:]):
        for time in ("* * *", "0 0 2"):
            schedule = Expression.parse(f"{time} {' '.join(fields)}")
            other = said.setdefault(schedule.words(), schedule)
            assert other.schedule == schedule.schedule, (other.text, schedule.text)
