"""A replica that lost its lease and comes to an outcome late, and events that killed before."""

from __future__ import annotations

import threading

from sqlalchemy import text

from workerkit.events.batch import MicroBatch
from workerkit.events.envelope import Event, encode
from workerkit.events.item import Item, Reader
from workerkit.events.transport import Delivery


def order(number: int) -> Event:
    return Event("orders", {"id": number}, id=f"e{number}", source="web")


def write(self, payload, context) -> None:
    context.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": payload.id})


def test_a_late_failure_does_not_run_again_what_another_replica_has_applied(world):
    begun, go_on = threading.Event(), threading.Event()

    def late(self, payload, context):
        begun.set()
        go_on.wait(20)
        raise OSError("the connection was lost meanwhile")

    alone = {"attributes": {"isolate": True}, "lease": 1000.0}
    world.transport.lease = 0.2
    world.start(late, in_flight=1, **alone)
    world.publish(order(1))
    assert begun.wait(10)
    world.start(write, **alone)
    world.until(lambda: world.applied() == [1])
    go_on.set()
    world.until(lambda: world.outcomes().count("duplicate") >= 1)
    assert world.store.counts()["parked"] == 0
    assert world.applied() == [1]


def test_what_may_have_ended_its_process_is_not_overtaken(world):
    seen: list[int] = []
    worker = world.start(lambda _, payload, context: seen.append(payload.id))
    counts = {1: 1, 2: 3, 3: 1, 4: 3, 5: 1}
    read = Reader(worker.worker).read
    worker.pipeline.apply(
        MicroBatch(
            [
                read(Item(Delivery("orders", encode(order(number)), f"1{number}", count, 0.0)))
                for number, count in counts.items()
            ]
        )
    )
    assert seen == [1, 2, 3, 4, 5]
