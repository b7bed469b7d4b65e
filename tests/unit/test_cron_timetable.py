"""The loop of due jobs on a clock of the test's own, and jobs said in `schedule`'s style."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
import schedule
from schedule import every

from tests.clocks import SteppedClock
from workerkit.cron import EPOCH, Expression
from workerkit.cron.every import expression_of
from workerkit.cron.timetable import Timetable
from workerkit.errors import ConfigurationError

NOON = datetime(2026, 1, 14, 12, 0, 0, tzinfo=UTC)  # a Wednesday


@pytest.fixture
def clock() -> SteppedClock:
    return SteppedClock(NOON)


@pytest.fixture
def timetable(clock) -> Timetable:
    return Timetable(clock)


@pytest.fixture
def ran() -> list[str]:
    return []


@pytest.fixture
def add(timetable, ran):
    """Enters a job that writes its name and tick into `ran`."""

    def add(name: str, text: str, last_tick: datetime | None = None):
        def act(tick: datetime) -> None:
            ran.append(f"{name} {tick:%H:%M:%S}")

        return timetable.add(name, Expression.parse(text), act, last_tick)

    return add


def pass_time(timetable: Timetable, clock: SteppedClock, seconds: float) -> None:
    """Wait as the worker does, until *seconds* have passed."""
    end = clock.now + timedelta(seconds=seconds)
    while (idle := timetable.idle_seconds) is not None:
        if clock.now + timedelta(seconds=idle) > end:
            break
        clock.wait(threading.Event(), idle)
        timetable.run_pending()
    clock.advance((end - clock.now).total_seconds())


def test_jobs_run_at_their_ticks_in_order(timetable, clock, add, ran):
    add("slow", "*/2 * * * *")
    add("quick", "30 * * * * *")
    assert timetable.idle_seconds == 30.0
    pass_time(timetable, clock, 125)
    assert ran == ["quick 12:00:30", "quick 12:01:30", "slow 12:02:00"]


def test_nothing_runs_before_its_time(timetable, clock, add, ran):
    add("job", "* * * * *")
    clock.advance(59.999)
    timetable.run_pending()
    assert ran == []


def test_a_job_that_raises_runs_again_and_holds_up_no_other(timetable, clock, add, ran, caplog):
    def fail(tick: datetime) -> None:
        raise RuntimeError("no")

    timetable.add("bad", Expression.parse("* * * * *"), fail)
    add("good", "* * * * *")
    pass_time(timetable, clock, 120)
    assert ran == ["good 12:01:00", "good 12:02:00"]
    assert [record.job for record in caplog.records] == ["bad", "bad"]


def test_a_late_job_gets_every_tick_it_missed(timetable, clock, add, ran):
    add("job", "* * * * *")
    add("other", "30 2 12 * * *")
    clock.advance(190)
    while timetable.idle_seconds == 0.0:
        timetable.run_pending()
    assert ran == ["job 12:01:00", "job 12:02:00", "other 12:02:30", "job 12:03:00"]


def test_a_job_can_leave_out_ticks_it_missed(timetable, clock, ran):
    def act(tick: datetime) -> None:
        ran.append(f"{tick:%H:%M:%S}")
        job.skip_to(NOON + timedelta(minutes=10))

    job = timetable.add("job", Expression.parse("@every 5m"), act)
    clock.advance(660)
    timetable.run_pending()
    assert ran == ["12:05:00"]
    assert job.next_run == NOON + timedelta(minutes=15)


def test_a_clock_set_back_runs_no_tick_twice(timetable, clock, add, ran):
    add("job", "* * * * *")
    pass_time(timetable, clock, 60)
    clock.jump(-3600)
    timetable.run_pending()
    assert timetable.idle_seconds == 3660.0
    pass_time(timetable, clock, 3660)
    assert ran == ["job 12:01:00", "job 12:02:00"]


def test_the_last_tick_says_what_was_missed_while_nobody_ran(timetable, add, ran):
    add("job", "0 * * * *", NOON - timedelta(hours=2))
    timetable.run_pending()
    timetable.run_pending()
    assert ran == ["job 11:00:00", "job 12:00:00"]


def test_an_interval_goes_on_from_its_last_tick_else_from_the_epoch(add):
    assert (add("new", "@every 7m").next_run - EPOCH) % timedelta(minutes=7) == timedelta()
    last = NOON - timedelta(minutes=1, seconds=1)
    assert add("old", "@every 7m", last).next_run == last + timedelta(minutes=7)


def test_a_job_that_never_fires_is_refused(add, timetable):
    with pytest.raises(ConfigurationError, match='job odd: cron "0 0 31 2 \\*" never fires'):
        add("odd", "0 0 31 2 *")
    assert timetable.idle_seconds is None


def test_a_cancelled_job_is_gone(timetable, clock, add, ran):
    jobs = [add(name, "* * * * *") for name in "abc"]
    timetable.cancel_job(jobs[1])
    pass_time(timetable, clock, 60)
    assert sorted(ran) == ["a 12:01:00", "c 12:01:00"]


def test_ten_thousand_jobs_cost_no_more_than_ten(timetable, clock, add, ran):
    start = time.process_time()
    for number in range(10_000):
        add(str(number), f"{number % 60} {number // 60 % 60} * * * *")
    assert time.process_time() - start < 4.0
    ran.clear()
    start = time.process_time()
    pass_time(timetable, clock, 10)
    assert 20 <= len(ran) <= 40
    assert time.process_time() - start < 0.2


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (every(5).minutes, "@every 5m"),
        (every().hour, "@every 1h"),
        (every(2).weeks, "@every 336h"),
        (every().day.at("10:30"), "30 10 * * *"),
        (every().day.at("10:30:15"), "15 30 10 * * *"),
        (every().hour.at(":30"), "30 * * * *"),
        (every().hour.at("30:15"), "15 30 * * * *"),
        (every().minute.at(":15"), "15 * * * * *"),
        (every().monday, "0 0 * * MON"),
        (every().wednesday.at("13:15"), "15 13 * * WED"),
        ("*/5 * * * *", "*/5 * * * *"),
    ],
)
def test_the_style_of_schedule_is_an_expression(said, text):
    assert expression_of(said, "Europe/Berlin").schedule == Expression.parse(text).schedule
    assert str(expression_of(said, "Europe/Berlin").zone) == "Europe/Berlin"


def test_an_expression_is_one_already():
    expression = Expression.parse("@daily")
    assert expression_of(expression) is expression


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (every(5), r"every\(5\): has no unit, needs one such as .minutes"),
        (every(5).to(10).minutes, r"\.to\(\) and \.until\(\) cannot be used"),
        (every(3).days.at("10:30"), r"every\(3\): \.days\.at\(\) cannot be used with more than"),
        (every(0).minutes, "the interval must be 1 or more"),
    ],
)
def test_what_no_expression_can_say_is_refused(said: schedule.Job, why):
    with pytest.raises(ConfigurationError, match=why):
        expression_of(said)
