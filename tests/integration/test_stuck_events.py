"""An event that takes its time: what others need not wait for it, and what they must."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from tests.processes import Folder, until
from tests.servers import database_url
from workerkit.core.clock import SystemClock
from workerkit.core.hooks import Settled
from workerkit.core.loop import EventLoop
from workerkit.errors import LeaseLost
from workerkit.events.batch import MicroBatch
from workerkit.events.envelope import Event, encode
from workerkit.events.item import Item, Reader
from workerkit.events.lanes import PATIENCE, Lanes
from workerkit.events.pipeline import Pipeline
from workerkit.events.transport import Delivery, Message
from workerkit.events.worker import EventContext, EventWorker
from workerkit.storage.database import Database
from workerkit.storage.store import SqlStore

LANES = 4
BEFORE, AFTER = "before its session", "after its session"


class OwnClock(SystemClock):
    """Monotonic time is the test's; whoever sleeps does so for real."""

    now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Orders(EventWorker[dict]):
    """Writes a row; the events in `stuck` wait for `gate`, before or after they did so."""

    topic = "orders"

    def __init__(self) -> None:
        self.stuck: dict[int, str] = {}
        self.gate = threading.Event()
        self.entered: list[int] = []

    def key(self, payload: dict) -> str | None:
        return payload["key"]

    def handle(self, payload: dict, context: EventContext) -> None:
        number = payload["id"]
        self.entered.append(number)
        if self.stuck.get(number) == BEFORE:
            assert self.gate.wait(30)
        row = {"id": number, "key": payload["key"]}
        context.session.execute(text("INSERT INTO orders (id, key) VALUES (:id, :key)"), row)
        if self.stuck.get(number) == AFTER:
            context.session.execute(text("SELECT 1"))
            assert self.gate.wait(30)
        context.publish("booked", row)


class World:
    """A worker's lanes without a broker: the test is their receiver, and has their clock."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.database.upgrade()
        serial = "INTEGER" if self.database.sqlite else "SERIAL"
        with self.database.transaction() as connection:
            connection.exec_driver_sql(
                f"CREATE TABLE orders (seq {serial} PRIMARY KEY, "
                "id INTEGER CHECK (id >= 0), key VARCHAR(9))"
            )
        self.store = SqlStore(self.database)
        self.loop = EventLoop()
        self.token: int | None = None
        self.broker_answers = threading.Event()
        self.broker_answers.set()
        self.begin()

    def begin(self, worker: EventWorker[Any] | None = None, lanes: int = LANES) -> None:
        """Start anew: one lane in use, and no event."""
        for table in ("orders", "workerkit_inbox", "workerkit_outbox"):
            with self.database.transaction() as connection:
                connection.exec_driver_sql(f"DELETE FROM {table}")
        self.clock = OwnClock()
        self.worker: Any = worker or Orders()
        self.records: list[Settled] = []
        self.sent: list[Message] = []
        self.refused: list[LeaseLost] = []
        self.pipeline = Pipeline(
            "shop", "orders", self.worker, self.store, self._settle, self.clock, self.loop, [self]
        )
        self.pipeline.usual = 1e-5
        self.pipeline.token = self.token
        self.reader = Reader(self.worker)
        self.lanes = Lanes(
            "shop/orders", lanes, self._apply, self.pipeline.relieve, 0.015, self.reader,
            lambda: self.pipeline.usual, self.clock,
        )  # fmt: skip
        for lane in self.lanes.lanes:
            lane.pace.per_event = 1e-4
        assert not self.lanes.moving()
        assert self.lanes.spread == 1

    def settled(self, records: Sequence[Settled]) -> None:
        self.records += records

    def _settle(self, items: Sequence[Item], messages: Sequence[Message]) -> bool:
        self.sent += messages
        return len(items) == 1 or self.broker_answers.wait(20)

    def _apply(self, batch: MicroBatch) -> float | None:
        for item in batch.items:
            if not item.ready:
                self.reader.read(item)
        try:
            return self.pipeline.apply(batch)
        except LeaseLost as error:
            self.refused.append(error)
            return None

    def route(self, keys: Sequence[str | None], first: int = 0) -> None:
        """Events numbered from *first*, one for each of *keys*."""
        items = []
        for number, key in enumerate(keys, first):
            event = Event("orders", {"id": number, "key": key}, id=f"e{number}", source="web")
            items.append(Item(Delivery("orders", encode(event), f"{number}-0", 1, 0.0)))
        self.lanes.route(items)

    def rows(self) -> list[int]:
        """What is committed, in the order in which it was written."""
        with self.database.read() as session:
            return list(session.scalars(text("SELECT id FROM orders ORDER BY seq")))

    def until(self, fact: Callable[[], bool], step: float = PATIENCE) -> None:
        """Be the receiver until *fact* holds; each turn takes *step* seconds of our clock."""
        end = time.monotonic() + 20
        while not fact():
            assert time.monotonic() < end, (self.rows(), self.worker.entered)
            self.clock.now += step
            self.lanes.look()
            self.lanes.moving()
            time.sleep(0.001)

    def end(self) -> None:
        self.worker.gate.set()
        assert self.lanes.stop(20) == ([], 0)


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request, tmp_path) -> Iterator[World]:
    opened = World(database_url(request, tmp_path))
    yield opened
    opened.worker.gate.set()
    opened.lanes.stop(20)
    opened.database.close()


def in_order(numbers: Sequence[int], keys: Sequence[str | None]) -> bool:
    """Whether *numbers* rise within each key."""
    named = {key for key in keys if key is not None}
    by_key = [[n for n in numbers if keys[n] == key] for key in named]
    return all(each == sorted(each) for each in by_key)


def held_up(keys: Sequence[str | None], stuck: set[int]) -> set[int]:
    """Those stuck, and those that come behind one of their key."""
    behind = {n for n, key in enumerate(keys) if key is not None
              and any(keys[s] == key and s < n for s in stuck)}  # fmt: skip
    return stuck | behind


@settings(
    max_examples=60, deadline=None, derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)  # fmt: skip
@given(
    keys=st.lists(st.sampled_from([None, "a", "b", "c", "d", "e"]), min_size=1, max_size=60),
    dice=st.sets(st.integers(0, 59), max_size=LANES - 1),
)
def test_only_what_must_waits_for_what_is_stuck(world, keys, dice):
    world.begin()
    stuck = {n % len(keys) for n in dice}
    world.worker.stuck = dict.fromkeys(stuck, BEFORE)
    world.route(keys)
    world.lanes.start()
    free = set(range(len(keys))) - held_up(keys, stuck)
    world.until(lambda: set(world.rows()) == free)
    world.worker.gate.set()
    world.until(lambda: len(world.records) >= len(keys))
    world.end()
    assert in_order(world.rows(), keys)
    assert sorted(world.rows()) == list(range(len(keys)))
    assert Counter(world.worker.entered) == dict.fromkeys(range(len(keys)), 1)
    assert [record.outcome for record in world.records] == ["applied"] * len(keys)
    assert len(world.sent) == len(keys)


KEYS = ["a", "b", None, "a", "b", None, "c", "c"]
STUCK = 3
"""The second one of key a; the others are in its batch."""

OTHERS = set(range(len(KEYS))) - {STUCK}


@pytest.fixture
def stuck_in(world) -> Callable[..., World]:
    """Starts a worker whose handler hangs in one event of a batch."""

    def start(worker: Orders, when: str = BEFORE, lanes: int = LANES) -> World:
        worker.stuck = {STUCK: when}
        world.begin(worker, lanes)
        world.route(KEYS)
        world.lanes.start()
        world.until(lambda: STUCK in worker.entered, step=0.0)
        return world

    return start


def all_settled(world: World, count: int = len(KEYS)) -> dict[str, set[int]]:
    """End the wait; which events came to which outcome, each once."""
    world.worker.gate.set()
    world.until(lambda: len(world.records) >= count)
    world.end()
    assert len(world.records) == count
    found: dict[str, set[int]] = {}
    for record in world.records:
        found.setdefault(record.outcome, set()).add(int(record.event_id[1:]))
    assert sorted(world.rows()) == sorted(found["applied"])
    assert in_order(world.rows(), [*KEYS, *MORE])
    return found


MORE = ["a", None, "z"]
"""What comes later; the first is of the key that is stuck."""


def test_with_one_lane_those_before_it_are_committed(stuck_in):
    world = stuck_in(Orders(), lanes=1)
    before = {0, 1, 2} if world.database.sqlite else {2, 5, 0}
    world.until(lambda: {int(record.event_id[1:]) for record in world.records} == before)
    assert set(world.rows()) == before
    assert len(world.sent) == 3
    assert all_settled(world) == {"applied": OTHERS | {STUCK}}


def test_what_has_a_transaction_of_its_own_waits_for_no_other(stuck_in):
    world = stuck_in(type("Alone", (Orders,), {"isolate": True})())
    world.until(lambda: set(world.rows()) == OTHERS)
    assert all_settled(world) == {"applied": OTHERS | {STUCK}}


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_one_that_has_used_its_session_holds_up_its_batch_and_no_more(stuck_in):
    world = stuck_in(Orders(), AFTER)
    world.route(MORE, first=len(KEYS))
    world.until(lambda: set(world.rows()) == {9, 10})
    assert all_settled(world, 11) == {"applied": set(range(11))}


@pytest.mark.parametrize("world", ["sqlite"], indirect=True)
def test_on_sqlite_one_that_has_used_its_session_is_waited_for(stuck_in):
    world = stuck_in(Orders(), AFTER)
    world.route(MORE, first=len(KEYS))
    world.until(lambda: world.lanes.spread == LANES)
    assert world.rows() == []
    assert all_settled(world, 11) == {"applied": set(range(11))}


def test_neither_it_nor_those_behind_it_overtake_what_is_not_acknowledged(stuck_in):
    world = stuck_in(Orders())
    world.broker_answers.clear()
    world.until(lambda: len(world.rows()) == 3)
    world.worker.gate.set()
    turns = iter(range(100))
    world.until(lambda: len(world.rows()) > 3 or next(turns) == 99)
    assert len(world.rows()) == 3
    world.broker_answers.set()
    assert all_settled(world) == {"applied": OTHERS | {STUCK}}
    settled = [int(record.event_id[1:]) for record in world.records]
    assert in_order(settled, KEYS)


class SlowToRead(Orders):
    """Its key takes as long as `gate` does."""

    def key(self, payload: dict) -> str | None:
        assert self.gate.wait(30)
        return payload["key"]


def test_no_second_lane_is_used_before_it_is_known_which_keys_the_first_has(world):
    world.begin(SlowToRead())
    world.lanes.start()
    world.route(KEYS)
    world.until(lambda: len(world.lanes.lanes[0].running) > 0)
    world.pipeline.usual = 1.0
    assert world.lanes.moving()
    assert world.lanes.spread == 1
    world.worker.gate.set()
    world.until(lambda: world.lanes.spread == LANES)
    assert all_settled(world) == {"applied": OTHERS | {STUCK}}


class AsyncOrders(Orders):
    async def handle(self, payload: dict, context: EventContext) -> None:
        number = payload["id"]
        self.entered.append(number)
        if number in self.stuck:
            await asyncio.to_thread(self.gate.wait, 30)
        row = {"id": number, "key": payload["key"]}
        context.session.execute(text("INSERT INTO orders (id, key) VALUES (:id, :key)"), row)


def test_coroutines_go_past_one_another_unless_sqlite_has_one_writer(stuck_in):
    world = stuck_in(AsyncOrders())
    world.route(MORE, first=len(KEYS))
    if world.database.sqlite:
        world.until(lambda: world.lanes.spread == LANES)
        assert world.rows() == []
    else:
        world.until(lambda: set(world.rows()) == OTHERS | {9, 10})
    assert all_settled(world, 11) == {"applied": set(range(11))}


class Failing(Orders):
    def handle(self, payload: dict, context: EventContext) -> None:
        super().handle(payload, context)
        if payload["id"] in self.stuck:
            raise RuntimeError("after all")


def test_one_that_fails_in_the_end_is_parked_and_leaves_nothing(stuck_in):
    world = stuck_in(Failing())
    world.until(lambda: set(world.rows()) == OTHERS)
    assert all_settled(world) == {"applied": OTHERS, "parked": {STUCK}}
    assert world.store.counts()["parked"] == 1


class Refused(Orders):
    """Event 0 writes what the database refuses, which it says at the end of the batch."""

    def handle(self, payload: dict, context: EventContext) -> None:
        super().handle(payload, context)
        if payload["id"] == 0:
            context.session.execute(text("INSERT INTO orders (id) VALUES (:id)"), {"id": -1})


def test_neighbours_that_cannot_be_committed_without_it_are_run_again_with_it(stuck_in):
    world = stuck_in(Refused())
    shared = world.lanes.lanes[0].batch.shared
    world.until(lambda: shared.failure is not None)
    assert world.rows() == []
    assert all_settled(world) == {"applied": {*OTHERS, STUCK} - {0}, "parked": {0}}
    assert Counter(world.worker.entered)[STUCK] == 2


def test_one_whose_replica_was_succeeded_meanwhile_writes_nothing(stuck_in, world):
    world.token = 1
    stuck_in(Orders())
    world.until(lambda: set(world.rows()) == OTHERS)
    successor = world.store.begin()
    successor.fence("shop/orders", 2)
    successor.commit()
    world.worker.gate.set()
    world.until(lambda: world.refused)
    world.end()
    assert set(world.rows()) == OTHERS


WAIT = """if order["id"] == 700:
            import pathlib
            end = time.monotonic() + 20
            while time.monotonic() < end and not pathlib.Path("go").exists():
                time.sleep(0.02)"""
"""Event 700 hangs for 20 s; a test that has seen enough ends it."""

LINES = """timeout = 30.0
    key = lambda _, order: str(order["id"] % 100)
    """

TOTAL = 2000
HELD_UP = set(range(700, TOTAL, 100))


@pytest.fixture
def folder(request, tmp_path) -> Iterator[Folder]:
    named = [] if request.param == "embedded" else ["redis_url", "postgresql_url"]
    opened = Folder(tmp_path, *map(request.getfixturevalue, named))
    opened.write(WAIT)
    source = opened.path / "app.py"
    source.write_text(source.read_text().replace("topic =", LINES + "topic ="))
    if opened.database_url:
        assert opened.call("db", "upgrade").returncode == 0
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("folder", "ended_by"),
    [("redis and postgresql", "kill"), ("embedded", "stop")],
    indirect=["folder"],
)
def test_of_2000_events_one_hangs_and_those_of_other_keys_go_on(folder, ended_by):
    worker = folder.run().ready()
    folder.publish(range(TOTAL))
    until(lambda: set(folder.ledger()) == set(range(TOTAL)) - HELD_UP, 15)
    if ended_by == "kill":
        worker.kill()
        worker = folder.run().ready()
    (folder.path / "go").touch()
    if ended_by == "stop":
        assert worker.stop() == 0
        worker = folder.run().ready()
    until(lambda: len(folder.ledger()) >= TOTAL and folder.lag() == 0, 20)
    assert folder.ledger() == list(range(TOTAL))
    assert worker.stop() == 0
    announced = {event["id"] for event in folder.announced()}
    assert len(announced) == TOTAL
