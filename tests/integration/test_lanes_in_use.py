"""All lanes for a handler that waits, one for a quick one; order by key on the way."""

from __future__ import annotations

import threading
import time

import pytest

from workerkit.events.envelope import Event
from workerkit.events.pipeline import QUICK
from workerkit.transports.memory import MemorySubscription

LANES = 4
KEYS = 5


def order(number: int) -> Event:
    return Event("orders", {"id": number}, source="web")


@pytest.fixture
def applied_by_key(world):
    """A consumer whose handler takes `pause["seconds"]`; what it applied, by key."""
    pause = {"seconds": 0.0}
    seen: dict[int, list[int]] = {key: [] for key in range(KEYS)}

    def handle(self, payload, context):
        time.sleep(pause["seconds"])
        seen[payload.id % KEYS].append(payload.id)

    by_key = {"key": lambda self, payload: str(payload.id % KEYS)}
    world.start(handle, concurrency=LANES, attributes=by_key)
    return pause, seen


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_order_by_key_holds_while_lanes_come_and_go(world, applied_by_key):
    pause, seen = applied_by_key
    consumer = world.consumer
    world.publish(*map(order, range(1000)))
    world.until(lambda: len(world.outcomes()) >= 1000, 20)
    world.until(lambda: consumer.lanes.spread == 1)
    pause["seconds"] = 3 * QUICK
    world.publish(*map(order, range(1000, 1100)))
    world.until(lambda: consumer.lanes.spread == LANES, 20)
    world.until(lambda: len(world.outcomes()) >= 1100, 20)
    for key, numbers in seen.items():
        assert numbers == [n for n in range(1100) if n % KEYS == key]


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_a_handler_that_takes_its_time_stops_nobody_on_the_way_to_one_lane(world):
    entered, release = threading.Event(), threading.Event()

    def handle(self, payload, context):
        if payload.id == 0:
            entered.set()
            release.wait(20)

    world.start(handle, concurrency=LANES, attributes={"key": lambda self, p: str(p.id)})
    world.publish(order(0))
    assert entered.wait(10)
    for number in range(1, 60):
        world.publish(order(number))
    lane_of_0 = hash("0") % LANES
    others = [n for n in range(1, 60) if hash(str(n)) % LANES != lane_of_0]
    world.until(lambda: len(world.outcomes()) >= len(others), 10)
    assert world.consumer.lanes.spread == LANES
    release.set()
    world.until(lambda: len(world.outcomes()) == 60, 10)


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_what_waits_for_a_stuck_event_of_its_key_leaves_room_for_others(world):
    release = threading.Event()

    def handle(self, payload, context):
        if payload.id == 0:
            release.wait(20)

    by_key = {"key": lambda self, payload: str(payload.id % KEYS)}
    behind = range(KEYS, 15 * KEYS, KEYS)
    others = [n for n in range(100) if n % KEYS]
    world.publish(order(0), *map(order, behind), *map(order, others))
    world.start(handle, concurrency=LANES, in_flight=20, attributes=by_key)
    world.until(lambda: len(world.outcomes()) == len(others), 15)
    release.set()
    world.until(lambda: len(world.outcomes()) == 1 + len(behind) + len(others), 15)


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_a_distant_broker_does_not_make_a_quick_handler_a_slow_one(world, applied_by_key):
    settle = MemorySubscription.settle

    def distant(self, done, follow_ups):
        time.sleep(6 * QUICK)
        settle(self, done, follow_ups)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(MemorySubscription, "settle", distant)
        for turn in range(20):
            world.publish(*map(order, range(turn * 50, turn * 50 + 50)))
        world.until(lambda: len(world.outcomes()) >= 1000, 20)
        assert world.consumer.lanes.spread == 1
