"""From a published event to its effect, with every way a handler can go wrong."""

from __future__ import annotations

import threading
import time
from contextlib import suppress

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

import workerkit.events.consumer as consumer_module
from workerkit.errors import Reject
from workerkit.events.envelope import Event


def order(number: int, **more) -> Event:
    return Event("orders", {"id": number}, id=f"e{number}", source="web", **more)


def insert(context, number: int) -> None:
    context.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": number})


def write(self, payload, context) -> None:
    insert(context, payload.id)


async def write_later(self, payload, context) -> None:
    insert(context, payload.id)


@pytest.mark.parametrize("handle", [write, write_later])
@pytest.mark.parametrize("concurrency", [1, 4])
def test_each_event_is_applied_once(world, handle, concurrency):
    world.publish(*map(order, range(200)), *map(order, range(100)))
    world.start(handle, concurrency=concurrency)
    world.until(lambda: len(world.outcomes()) == 300)
    assert world.applied() == list(range(200))
    assert world.outcomes().count("duplicate") == 100


def test_a_failing_event_is_parked_and_its_neighbours_are_applied(world):
    def fail_twice(self, payload, context):
        insert(context, payload.id)
        if payload.id == 5 and context.attempt < 3:
            raise RuntimeError("not yet")

    world.publish(*map(order, range(10)))
    world.start(fail_twice)
    world.until(lambda: world.outcomes().count("applied") == 10)
    assert world.applied() == list(range(10))
    assert world.outcomes().count("parked") == 2
    assert world.store.counts() == {"parked": 0, "dead": 0, "outbox": 0}


def test_the_inbox_tells_when_a_parked_event_was_applied_and_after_how_many_failures(world):
    tried = []

    def fail_twice(self, payload, context):
        tried.append(time.time())
        if context.attempt < 3:
            raise RuntimeError("not yet")

    world.publish(order(1))
    world.start(fail_twice)
    world.until(lambda: "applied" in world.outcomes())
    (settlement,) = world.store.story("web", "e1")
    assert (settlement.state, settlement.attempts) == ("applied", 2)
    assert tried[1] < tried[2] - 1e-6 < settlement.at


def test_a_failed_event_is_tried_again_when_it_is_due_not_at_the_next_look(world, monkeypatch):
    monkeypatch.setattr(consumer_module, "PARKED_LOOK", 60.0)
    monkeypatch.setattr(consumer_module, "IDLE_TURN", 60.0)

    def fail_twice(self, payload, context):
        if context.attempt < 3:
            raise RuntimeError("not yet")

    world.publish(*map(order, range(20)))
    world.start(fail_twice, lease=180.0)
    world.until(lambda: world.outcomes().count("applied") == 20)


def test_the_last_failed_attempt_makes_a_dead_letter(world):
    def fail(self, payload, context):
        raise RuntimeError("never")

    world.publish(order(1))
    world.start(fail)
    world.until(lambda: "dead" in world.outcomes())
    assert world.outcomes() == ["parked", "parked", "dead"]
    assert world.store.counts()["dead"] == 1


def test_a_rejected_event_is_a_dead_letter_at_once(world):
    def reject(self, payload, context):
        raise Reject("no such product")

    world.publish(order(1))
    world.start(reject)
    world.until(lambda: world.outcomes() == ["dead"])


@pytest.mark.parametrize(
    "body",
    [b"", b"no json", b"[]", b"{}", b'{"id":"x","data":{"id":"seven"}}', b'{"id":7,"data":{}}',
     b"[" * 100_000, b'{"id":"deep","data":' + b'{"a":' * 900 + b"1" + b"}" * 901],
)  # fmt: skip
def test_what_cannot_be_read_is_a_dead_letter_and_harms_nobody(world, body):
    world.publish(order(1), body, order(2))
    world.start(write)
    world.until(lambda: len(world.outcomes()) == 3)
    assert sorted(world.outcomes()) == ["applied", "applied", "dead"]
    assert world.applied() == [1, 2]


@pytest.mark.parametrize("statement", ["ROLLBACK", "COMMIT"])
def test_a_handler_that_ends_the_transaction_does_not_lose_its_neighbours(world, statement):
    def meddle(self, payload, context):
        insert(context, payload.id)
        if payload.id == 5:
            context.session.execute(text(statement))

    world.publish(*map(order, range(10)))
    world.start(meddle)
    world.until(lambda: "dead" in world.outcomes())
    world.until(lambda: world.outcomes().count("applied") == 9)
    assert {1, 2, 3, 4, 6, 7, 8, 9} <= set(world.applied())
    assert len([n for n in world.applied() if n != 5]) == 9


@pytest.mark.parametrize("name", ["commit", "rollback", "close"])
def test_the_session_refuses_to_end_the_transaction(world, name):
    def meddle(self, payload, context):
        insert(context, payload.id)
        if payload.id == 1:
            getattr(context.session, name)()

    world.publish(*map(order, range(3)))
    world.start(meddle)
    world.until(lambda: "dead" in world.outcomes())
    assert world.applied() == [0, 2]
    assert {r.error for r in world.recorder.records if r.outcome == "dead"} == {"SessionMisuse"}


def test_a_swallowed_integrity_error_does_not_lose_the_neighbours(world):
    with world.database.engine.begin() as connection:
        connection.exec_driver_sql("CREATE UNIQUE INDEX once ON applied (id)")

    def clumsy(self, payload, context):
        insert(context, payload.id)
        if payload.id == 5:
            with suppress(IntegrityError):
                insert(context, payload.id)

    world.publish(*map(order, range(10)))
    world.start(clumsy)
    world.until(lambda: {"e5"} <= settled_ids(world) and len(settled_ids(world)) == 10)
    # PostgreSQL refuses every further statement of a transaction after an error in it.
    expected = [n for n in range(10) if n != 5 or world.database.sqlite]
    assert world.applied() == expected


def settled_ids(world) -> set[str]:
    return {r.event_id for r in world.recorder.records if r.outcome in ("applied", "dead")}


def test_follow_ups_are_published_once_and_only_when_the_event_commits(world):
    def announce(self, payload, context):
        context.publish("next", {"id": payload.id})
        if payload.id == 1:
            raise Reject("no")

    world.publish(order(0), order(1), order(2), order(2))
    world.start(announce)
    world.until(lambda: len(world.outcomes()) == 4)
    assert world.transport.lag("next", "reader").events == 2


def test_an_expired_event_is_dropped_on_purpose(world):
    world.publish(order(1, expires=1.0), order(2))
    world.start(write)
    world.until(lambda: len(world.outcomes()) == 2)
    assert (sorted(world.outcomes()), world.applied()) == (["applied", "expired"], [2])


def test_an_event_whose_lease_was_renewed_late_is_not_run_beside_itself(world):
    calls, gate = [], threading.Event()

    def wait(self, payload, context):
        calls.append(payload.id)
        gate.wait(20)
        insert(context, payload.id)

    world.transport.lease = 0.05
    world.publish(order(0), order(1))
    world.start(wait, concurrency=4, lease=60.0)
    held = world.transport.groups["orders", "shop"].held
    world.until(lambda: len(held) == 2 and all(hold.count > 3 for hold in held.values()))
    gate.set()
    world.until(lambda: len(world.outcomes()) == 2)
    assert (sorted(calls), world.outcomes()) == ([0, 1], ["applied", "applied"])
    world.until(lambda: world.transport.lag("orders", "shop").events == 0)


def test_an_event_that_ends_its_lane_is_never_held_twice(world, monkeypatch):
    deaths = []

    def die(*_, **__):
        deaths.append(consumer.held)
        raise RuntimeError("a fault of the engine")

    world.transport.lease = 0.05
    consumer = world.start(write, lease=0.1)
    monkeypatch.setattr(consumer.pipeline, "apply", die)
    world.publish(order(1))
    world.until(lambda: len(deaths) >= 4, 30)
    monkeypatch.undo()
    world.until(lambda: world.outcomes() == ["applied"], 30)
    assert (set(deaths), world.applied()) == ({1}, [1])


def test_stop_gives_back_what_was_not_started(world):
    entered, gate = threading.Event(), threading.Event()

    def wait(self, payload, context):
        entered.set()
        gate.wait(10)
        insert(context, payload.id)

    world.publish(*map(order, range(5)))
    consumer = world.start(wait, attributes={"isolate": True}, batch_seconds=1e-9)
    assert entered.wait(5)
    stopper = threading.Thread(target=consumer.stop)
    stopper.start()
    world.until(consumer.lanes.lanes[0].stopping.is_set)
    gate.set()
    stopper.join(10)
    assert len(world.applied()) + consumer.released == 5
    assert world.transport.lag("orders", "shop").events == consumer.released > 0
