"""`workerkit.testing.Sandbox`: a service on the test's own thread, with the engine's own rows."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pydantic import BaseModel
from sqlalchemy import text

from workerkit import CronJob, EventWorker, Reject, Retry, Service
from workerkit.errors import ConfigurationError
from workerkit.testing import FakeClock, Sandbox


class Order(BaseModel):
    id: int


class OrderWorker(EventWorker[Order]):
    topic = "orders"
    retry = Retry(attempts=3, first=10.0, factor=2.0, cap=60.0)

    def handle(self, order, context):
        if order.id == 13 or (order.id == 14 and context.attempt == 1):
            raise RuntimeError("unlucky")
        if order.id < 0:
            raise Reject("no such order")
        context.session.execute(text("INSERT INTO booked VALUES (:id)"), {"id": order.id})
        context.publish("orders.booked", {"id": order.id})


class BookedWorker(EventWorker[Order]):
    topic = "orders.booked"

    async def handle(self, order, context):
        context.session.execute(text("INSERT INTO booked VALUES (:id)"), {"id": order.id + 1000})


class ReportJob(CronJob):
    schedule = "30 3 * * *"
    timezone = "Europe/Berlin"
    jitter = 5.0

    def run(self, context):
        context.publish("reports", {"tick": context.tick.isoformat()})
        context.rows += 2


class BrokenJob(CronJob):
    schedule = "@hourly"

    def run(self, context):
        context.session.execute(text("INSERT INTO booked VALUES (1)"))
        raise ValueError("no stock")


def migrate(connection):
    connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS booked (id INTEGER)")


def wire(settings):
    assert settings.cache.get("nothing") is None
    return Service(
        "shop", events=[OrderWorker(), BookedWorker()], cron=[ReportJob(), BrokenJob()],
        migrate=migrate,
    )  # fmt: skip


@pytest.fixture
def sandbox():
    with Sandbox("shop", wire) as opened:
        yield opened


def booked(sandbox):
    with sandbox.read() as session:
        return list(session.scalars(text("SELECT id FROM booked ORDER BY id")))


def test_an_event_and_its_follow_up_are_applied_once(sandbox):
    for _ in range(2):
        sandbox.publish("orders", {"id": 7}, id="e7")
    assert sandbox.settle() == ["applied", "duplicate", "applied"]
    assert booked(sandbox) == [7, 1007]
    assert sandbox.published("orders.booked") == [{"id": 7}]
    assert sandbox.settle() == []


def test_a_failing_event_waits_until_time_has_passed(sandbox):
    sandbox.publish("orders", {"id": 14})
    assert sandbox.settle() == ["parked"]
    assert sandbox.settled[0].message == "RuntimeError: unlucky"
    assert sandbox.settle() == []
    sandbox.clock.advance(10.0)
    assert sandbox.settle() == ["applied", "applied"]
    assert booked(sandbox) == [14, 1014]


def test_what_fails_for_good_is_a_dead_letter_and_leaves_nothing(sandbox):
    sandbox.publish("orders", {"id": 13})
    for outcome in ("parked", "parked", "dead"):
        assert sandbox.settle() == [outcome]
        sandbox.clock.advance(60.0)
    sandbox.publish("orders", {"id": -1})
    sandbox.publish("orders", {"id": "seven"})
    assert sandbox.settle() == ["dead", "dead"]
    assert booked(sandbox) == []


def test_a_job_runs_for_its_next_tick_on_the_sandboxs_clock(sandbox):
    runs = [sandbox.tick("report") for _ in range(2)]
    assert [(run.state, run.trigger, run.rows) for run in runs] == [
        ("succeeded", "schedule", 2)
    ] * 2
    ticks = ["2026-01-02T02:30:00+00:00", "2026-01-03T02:30:00+00:00"]
    assert [datetime.fromtimestamp(run.tick, UTC).isoformat() for run in runs] == ticks
    assert sandbox.published("reports") == [{"tick": tick} for tick in ticks]
    assert 0.0 <= sandbox.clock.time() - runs[1].tick <= 5.0


def test_a_job_that_fails_leaves_nothing_but_its_run(sandbox):
    run = sandbox.tick("broken")
    assert (run.state, run.reason) == ("failed", "ValueError: no stock")
    assert booked(sandbox) == []


def test_a_job_that_is_not_there_is_named(sandbox):
    with pytest.raises(ConfigurationError, match="no job 'reprot'; did you mean 'report'"):
        sandbox.tick("reprot")


def test_a_wrong_service_is_refused():
    with pytest.raises(ConfigurationError, match="returned service 'shop'"):
        Sandbox("store", wire).__enter__()


def test_the_fake_clock_moves_only_when_told():
    clock = FakeClock(datetime(2026, 5, 1, tzinfo=UTC))
    assert (clock.time(), clock.monotonic()) == (datetime(2026, 5, 1, tzinfo=UTC).timestamp(), 0.0)
    clock.advance(2.5)
    assert clock.monotonic() == 2.5
