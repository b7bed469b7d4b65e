"""What is cleaned up is what no redelivery can need: the rest is still recognised."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from sqlalchemy.orm import Session

from tests.integration.conftest import World
from tests.integration.test_engine import order, write
from workerkit.cron.ledger import Claim
from workerkit.events.outbox import Outbox
from workerkit.storage import cleanup
from workerkit.storage.cleanup import OldEvents
from workerkit.storage.runs import SqlLedger
from workerkit.transports import open_transport
from workerkit.transports.memory import MemoryTransport


def old_events(world: World, broker=None) -> OldEvents:
    """The clean-up of a world; *broker* instead of its own is one that has forgotten."""
    return OldEvents("shop", broker or world.transport, lambda: {"shop/orders": "orders"})


def clean(world: World, broker=None, keep: float = 0.0) -> int:
    """Run it as a job does, a transaction a window; how many rows went."""
    gone = 0
    with world.database.engine.connect() as connection:
        session = Session(connection)
        for rows in old_events(world, broker).delete(lambda: session, keep):
            gone += rows
            session.commit()
    return gone


def inbox(world: World) -> list[tuple[str, str]]:
    with world.database.read() as session:
        query = "SELECT id, state FROM workerkit_inbox ORDER BY id"
        return [tuple(row) for row in session.connection().exec_driver_sql(query)]


def apply(world: World, count: int) -> None:
    world.publish(*map(order, range(count)))
    world.start(write)
    world.until(lambda: len(world.outcomes()) == count)


def test_what_the_broker_still_has_is_remembered_however_old(world):
    apply(world, 20)
    assert clean(world) == 0
    world.publish(*map(order, range(20)))
    world.until(lambda: world.outcomes().count("duplicate") == 20)
    assert world.applied() == list(range(20))


def test_what_the_broker_has_forgotten_goes_in_windows(world, monkeypatch):
    monkeypatch.setattr(cleanup, "WINDOW", 7)
    apply(world, 20)
    assert clean(world, MemoryTransport(), keep=60.0) == 0
    assert clean(world, MemoryTransport()) == 20
    assert inbox(world) == []


def test_rows_of_parked_events_and_dead_letters_stay_with_them(world):
    def fail(self, payload, context):
        raise ValueError("no")

    world.publish(order(1))
    world.start(fail)
    world.until(lambda: world.outcomes()[-1:] == ["dead"])
    assert clean(world, MemoryTransport()) == 0
    assert inbox(world) == [("e1", "dead")]


def test_other_consumers_in_the_same_database_keep_theirs(world):
    apply(world, 3)
    other = OldEvents("shop", MemoryTransport(), lambda: {"shop/mails": "orders"})
    with world.database.read() as session:
        assert sum(other.delete(lambda: session, 0.0)) == 0


def test_ended_runs_go_and_running_ones_and_the_last_tick_stay(world):
    ledger = SqlLedger(world.database, Outbox("shop", world.store, world.transport))
    now = time.time()
    for tick in (now - 300, now - 200):
        ledger.end(ledger.begin(Claim("shop/job", tick, "here/1/a")).run, "failed", "", "", 0)
    ledger.begin(Claim("shop/job", now - 100, "here/1/a"))
    assert clean(world) == 2
    assert [run.state for run in ledger.history("shop/job", 10)] == ["running"]
    assert ledger.last_ticks(["shop/job"]) == {"shop/job": now - 100}


@pytest.fixture(params=["sqlite", "redis"])
def kept(request, tmp_path) -> Iterator[World]:
    """A world whose broker keeps events on disk or on a server."""
    url = request.getfixturevalue("redis_url") if request.param == "redis" else None
    opened = World(f"sqlite:///{tmp_path}/shop.db", open_transport(url, tmp_path, 30.0))
    yield opened
    opened.close()
    opened.transport.close()


def test_a_group_that_begins_again_applies_nothing_twice_after_a_clean_up(kept):
    apply(kept, 20)
    assert kept.consumer is not None
    kept.consumer.stop(5.0)
    kept.transport.tidy(["orders"])
    assert clean(kept) == 0
    entries = [entry.body for entry in kept.transport.read("orders", "", 1000)]
    assert len(entries) == 20
    kept.start(write)
    kept.publish(*entries)
    kept.until(lambda: kept.outcomes().count("duplicate") == 20)
    assert kept.applied() == list(range(20))


@pytest.mark.parametrize("kept", ["redis"], indirect=True)
def test_a_lost_group_is_made_again_and_recognises_all_that_is_still_there(kept, redis):
    apply(kept, 20)
    assert clean(kept) == 0
    redis.command("XGROUP", "DESTROY", "orders", "shop")
    kept.until(lambda: kept.outcomes().count("duplicate") == 20)
    assert kept.applied() == list(range(20))
