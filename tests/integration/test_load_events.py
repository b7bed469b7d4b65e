"""The event test against an inbox whose times are known, and against real workers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import orjson
import pytest
from sqlalchemy import insert

from workerkit.errors import ConfigurationError, StorageError
from workerkit.loadtest.events import Consumer, EventTest, run_events
from workerkit.storage import tables
from workerkit.storage.database import Database
from workerkit.transports.sqlite import SqliteTransport


class KnownInbox(SqliteTransport):
    """Settles what is published at once, as of `delay(n, now)` seconds after now."""

    def __init__(self, folder, delay: Callable[[int, float], float | None]) -> None:
        super().__init__(folder / "broker.db")
        self.delay = delay
        self.database = Database(f"sqlite:///{folder}/app.db")
        self.database.upgrade()

    def publish(self, messages) -> None:
        super().publish(messages)
        made = [self.row(orjson.loads(message.body)) for message in messages]
        rows = [row for row in made if row]
        if rows:
            with self.database.transaction() as connection:
                connection.execute(insert(tables.inbox), rows)

    def row(self, envelope):
        now = time.time()
        delay = self.delay(int(envelope["id"]), now)
        if delay is None:
            return None
        return {"consumer": "app/order", "source": envelope["source"], "id": envelope["id"],
                "state": "dead" if delay < 0 else "applied",
                "at": now + delay}  # fmt: skip


@pytest.fixture
def measure(tmp_path):
    """Runs 1,000 events, all due at once, against an inbox with these delays."""
    opened: list[KnownInbox] = []

    def run(delay, *, stop=None, tell=lambda settled: None, **changes):
        broker = KnownInbox(tmp_path, delay)
        opened.append(broker)
        given = {"rate": None, "count": 1000, "patience": 0.3, **changes}
        test = EventTest("orders", [{"id": 1}], consumers=[Consumer("app/order", broker.database)],
                         broker=broker, processes=dict, **given)  # fmt: skip
        return run_events(test, stop=stop or threading.Event(), tell=tell)

    yield run
    for broker in opened:
        broker.close()
        broker.database.close()


def test_percentiles_are_those_of_the_inbox(measure):
    run = measure(lambda n, now: 1000 + n)
    for name, expected in (("p50", 1500), ("p95", 1950), ("p99", 1990), ("max", 2000)):
        assert run.figures[name] == pytest.approx(expected, rel=0.02)
    assert run.figures["rate"] == pytest.approx(1000 / 2000, rel=0.02)
    assert run.counts == {"published": 1000, "applied": 1000}
    assert run.exit_code == 0


def test_with_a_rate_each_event_counts_from_its_own_moment(measure):
    pace, before = 400, time.time()

    def settled(n, now):
        if n == 0:  # a broker that is slow at first: the others are due meanwhile
            time.sleep(0.5)
        return before + n / pace + 5 - now

    run = measure(settled, count=200, rate=pace)
    p50, longest, last = run.figures["p50"], run.figures["max"], 199 / pace
    assert 5.0 - (time.time() - before) < p50 <= 5.0
    assert longest == pytest.approx(p50, rel=0.005)
    assert run.figures["rate"] == pytest.approx(200 / (longest + last), rel=0.005)


def test_dead_letters_and_what_was_never_settled_are_errors(measure):
    run = measure(lambda n, now: None if n % 10 == 0 else -1.0 if n % 10 == 1 else 1.0)
    assert run.counts == {"published": 1000, "applied": 800, "dead": 100, "not settled": 100}
    assert run.figures["errors"] == pytest.approx(0.2)
    assert run.ended == ""


def test_when_nothing_is_settled_the_run_ends_and_asks_for_a_worker(measure):
    run = measure(lambda n, now: None)
    assert run.ended == "no event was settled: does a worker run?"
    assert run.exit_code == 3


def test_an_interrupted_run_tells_what_was_settled_until_then(measure):
    stop = threading.Event()
    run = measure(
        lambda n, now: 1.0 if n < 400 else None, stop=stop, patience=60,
        tell=lambda settled: stop.set() if settled >= 400 else None,
    )  # fmt: skip
    assert (run.ended, run.exit_code) == ("interrupted", 130)
    assert run.counts["applied"] == 400


@pytest.mark.parametrize("changes", [{"count": 0}, {"rate": 0.0}, {"rate": float("nan")}])
def test_a_test_that_publishes_nothing_is_refused(measure, changes):
    with pytest.raises(ConfigurationError, match="must be above 0"):
        measure(lambda n, now: 1.0, **changes)


def test_a_broker_that_fails_is_told_as_it_says(measure, monkeypatch):
    def fails(self, messages):
        raise StorageError("broker: the disk is full")

    monkeypatch.setattr(SqliteTransport, "publish", fails)
    with pytest.raises(StorageError, match="the disk is full"):
        measure(lambda n, now: 1.0)
