"""What is promised about order: the same key, one process, events that do not fail."""

from __future__ import annotations

import random
import threading
import time
from collections import defaultdict

import pytest
from sqlalchemy import text

from workerkit.events.envelope import Event
from workerkit.events.pipeline import QUICK
from workerkit.events.worker import EventWorker

KEYS = 7
TOTAL = 700


def order(number: int) -> Event:
    return Event("orders", {"id": number}, id=f"e{number}", source="web")


def key(self, payload) -> str:
    return f"k{payload.id % KEYS}"


class Journal:
    """The order in which events were applied, by key."""

    def __init__(self) -> None:
        self.by_key: defaultdict[int, list[int]] = defaultdict(list)
        self.threads: set[str] = set()

    def note(self, number: int) -> None:
        self.by_key[number % KEYS].append(number)
        self.threads.add(threading.current_thread().name)

    def in_order(self, *, but: frozenset[int] = frozenset()) -> bool:
        kept = [[n for n in numbers if n not in but] for numbers in self.by_key.values()]
        return all(numbers == sorted(numbers) for numbers in kept)


@pytest.fixture
def journal() -> Journal:
    return Journal()


def write(context, number: int) -> None:
    context.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": number})


@pytest.mark.parametrize("isolate", [False, True])
def test_events_of_a_key_are_applied_in_order_by_four_lanes(world, journal, isolate):
    """So slow that it keeps all of them."""
    total = TOTAL // 7

    def handle(self, payload, context):
        time.sleep(3 * QUICK)
        write(context, payload.id)
        context.after_commit(lambda: journal.note(payload.id))

    world.start(handle, concurrency=4, attributes={"key": key, "isolate": isolate})
    for start in range(0, total, 50):
        world.publish(*map(order, range(start, start + 50)))
    world.until(lambda: len(world.outcomes()) == total)
    assert world.applied() == list(range(total))
    assert journal.in_order()
    assert len(journal.threads) > 1


def test_handlers_of_uneven_speed_keep_the_order_of_a_key(world, journal):
    dice = random.Random(3)

    def handle(self, payload, context):
        write(context, payload.id)
        time.sleep(dice.choice([0.0, 0.0, 0.0, 0.004]))
        context.after_commit(lambda: journal.note(payload.id))

    world.publish(*map(order, range(210)))
    world.start(handle, concurrency=4, attributes={"key": key})
    world.until(lambda: len(world.outcomes()) == 210)
    assert (world.applied(), journal.in_order()) == (list(range(210)), True)


def test_a_parked_event_is_overtaken_and_the_others_keep_their_order(world, journal):
    bad = frozenset(range(0, TOTAL, 50))

    def handle(self, payload, context):
        write(context, payload.id)
        if payload.id in bad and context.attempt < 3:
            raise RuntimeError("not yet")
        context.after_commit(lambda: journal.note(payload.id))

    world.publish(*map(order, range(TOTAL)))
    world.start(handle, concurrency=4, attributes={"key": key})
    world.until(lambda: world.outcomes().count("applied") == TOTAL)
    assert world.applied() == list(range(TOTAL))
    assert journal.in_order(but=bad)
    assert not journal.in_order()


def test_that_a_parked_event_is_overtaken_is_documented_at_the_key():
    assert "parked" in (EventWorker.key.__doc__ or "")


def test_unkeyed_events_are_shared_among_lanes(world, journal):
    gate = threading.Barrier(4)

    def handle(self, payload, context):
        if payload.id < 4:
            gate.wait(10)
        context.after_commit(lambda: journal.note(payload.id))

    world.publish(*map(order, range(8)))
    world.start(handle, concurrency=4, batch_seconds=1e-9)
    world.until(lambda: world.outcomes().count("applied") == 8)
    assert len(journal.threads) == 4


@pytest.mark.parametrize(
    "made",
    [lambda n: n % KEYS, lambda n: None, lambda n: [n], lambda n: b"k", lambda n: 1.5],
    ids=["integers", "none", "lists", "bytes", "fractions"],
)
@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_key_of_any_type_stops_nobody(world, made, concurrency):
    """What cannot be a key may make a dead letter, but the next event is applied."""

    def odd_key(self, payload):
        return made(payload.id) if payload.id < 100 else "text"

    def handle(self, payload, context):
        write(context, payload.id)

    world.publish(*map(order, range(20)))
    world.start(handle, concurrency=concurrency, attributes={"key": odd_key})
    world.publish(*map(order, range(100, 120)))
    world.until(lambda: len(world.outcomes()) == 40)
    assert set(range(100, 120)) <= set(world.applied())
    assert len(world.applied()) + world.outcomes().count("dead") == 40


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_key_that_cannot_be_computed_makes_a_dead_letter(world, concurrency):
    def broken_key(self, payload):
        return {3: 1 / 0}[payload.id] if payload.id == 3 else "k"

    def handle(self, payload, context):
        write(context, payload.id)

    world.publish(*map(order, range(6)))
    world.start(handle, concurrency=concurrency, attributes={"key": broken_key})
    world.until(lambda: len(world.outcomes()) == 6)
    assert (world.applied(), world.outcomes().count("dead")) == ([0, 1, 2, 4, 5], 1)
    assert "ZeroDivisionError" in world.letters()[0].error
