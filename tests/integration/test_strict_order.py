"""`order = "strict"`: one replica at a time, and one that was frozen cannot write late."""

from __future__ import annotations

import os
import signal
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError
from sqlalchemy import text

from tests.processes import Folder, Running
from tests.waiting import until
from workerkit.core.clock import SystemClock
from workerkit.errors import ConfigurationError, LeaseLost, StorageError
from workerkit.events.envelope import Event
from workerkit.events.transport import Message
from workerkit.state.memory import MemoryState
from workerkit.transports.redis_streams import RedisStreamsTransport

STRICT = {"order": "strict", "key": lambda self, payload: "one"}


def order(number: int) -> Event:
    return Event("orders", {"id": number}, id=f"e{number}", source="web")


def test_only_one_of_two_replicas_works_and_the_other_takes_over(world):
    state, seen = MemoryState(), []

    def handle(self, payload, context):
        seen.append(payload.id)

    first = world.start(handle, attributes=STRICT, state=state, lease=1.0)
    world.publish(*map(order, range(50)))
    world.until(lambda: len(world.outcomes()) == 50)
    second = world.start(handle, attributes=STRICT, state=state, lease=1.0)
    world.publish(*map(order, range(50, 100)))
    world.until(lambda: len(world.outcomes()) == 100)
    assert second.held == 0
    assert (first.pipeline.token, second.pipeline.token) == (1, 0)
    first.stop(5)
    world.publish(*map(order, range(100, 150)))
    world.until(lambda: len(world.outcomes()) == 150)
    assert seen == list(range(150))
    assert second.pipeline.token == 2
    assert world.store.fenced("shop/orders") == 2


class SuspendedClock(SystemClock):
    """That of a machine which is suspended while `at` is set: it does not notice."""

    at: float | None = None

    def monotonic(self) -> float:
        return super().monotonic() if self.at is None else self.at


class Late:
    """A replica that is suspended in its handler of event 0 until `go_on`, and its successor."""

    def __init__(self, world, late: Callable[..., None]) -> None:
        self.world = world
        self.begun, self._go_on = threading.Event(), threading.Event()
        self.order: list[int] = []
        clock, state = SuspendedClock(), MemoryState()

        def suspended(_, payload, context):
            self.begun.set()
            self._go_on.wait(30)
            late(payload, context)

        def handle(_, payload, context):
            write(payload, context)
            context.after_commit(lambda: self.order.append(payload.id))

        options = {"attributes": {**STRICT, "isolate": True}, "state": state, "lease": 0.4}
        world.publish(*map(order, range(10)))
        self.first = world.start(suspended, clock=clock, **options)
        assert self.begun.wait(10)
        clock.at = clock.monotonic()
        self.second = world.start(handle, **options)
        world.until(lambda: len(self.order) == 10)

    def go_on(self) -> None:
        self._go_on.set()
        self.world.until(lambda: self.first.held == 0)


def write(payload, context) -> None:
    context.session.execute(text("INSERT INTO applied VALUES (:id)"), {"id": payload.id})


def fail(payload, context) -> None:
    raise OSError("the connection was lost meanwhile")


@pytest.mark.parametrize("late", [write, fail])
def test_what_a_suspended_replica_comes_to_late_is_refused(world, caplog, late):
    case = Late(world, late)
    assert case.order == list(range(10))
    case.go_on()
    assert "another replica has taken over" in str([record.error for record in caplog.records])
    world.until(lambda: case.first.pipeline.token == 0)
    world.publish(order(10))
    world.until(lambda: len(case.order) == 11)
    assert (world.applied(), case.order) == (list(range(11)), list(range(11)))
    assert world.store.counts()["parked"] == 0
    assert case.second.pipeline.token == 2


def test_what_a_dead_replica_held_comes_before_anything_newer(world):
    dead, seen = world.transport.subscribe("orders", "shop"), []
    world.publish(*map(order, range(5)))
    assert len(dead.receive(100, 0)) == 5
    world.publish(*map(order, range(5, 10)))
    world.start(
        lambda _, payload, context: seen.append(payload.id), attributes=STRICT, state=MemoryState()
    )
    world.until(lambda: len(seen) == 10)
    assert seen == list(range(10))


def test_a_state_that_has_forgotten_its_tokens_stops_nobody(world):
    first = world.start(lambda *_: None, attributes=STRICT, state=MemoryState(), lease=0.6)
    world.until(lambda: first.pipeline.token == 1)
    successor = world.start(lambda *_: None, attributes=STRICT, state=MemoryState(), lease=0.6)
    world.until(lambda: successor.pipeline.token == 2)
    world.publish(*map(order, range(50)))
    world.until(lambda: world.outcomes().count("applied") == 50)
    assert set(world.outcomes()) <= {"applied", "duplicate"}


def test_a_worker_without_order_asks_for_no_token(world):
    consumer = world.start(lambda *_: None, state=MemoryState())
    world.publish(order(1))
    world.until(lambda: world.outcomes() == ["applied"])
    assert consumer.pipeline.token is None
    assert world.store.fenced("shop/orders") == 0


def test_a_smaller_token_cannot_write(world):
    for token in (1, 1, 3):
        uow = world.store.begin()
        uow.fence("shop/orders", token)
        uow.commit()
    late = world.store.begin()
    with pytest.raises(LeaseLost, match="shop/orders: another replica has taken over"):
        late.fence("shop/orders", 2)
    late.rollback()


@pytest.mark.parametrize("world", ["postgresql"], indirect=True)
def test_two_lanes_can_write_at_once_and_a_successor_waits_for_both(world):
    lanes = [world.store.begin() for _ in range(3)]
    for uow in lanes:
        uow.fence("shop/orders", 1)
        if uow is lanes[0]:
            uow.commit()
    successor = world.store.begin()
    raised = threading.Thread(target=lambda: successor.fence("shop/orders", 2))
    raised.start()
    lanes[1].commit()
    raised.join(0.2)
    assert raised.is_alive()
    lanes[2].commit()
    raised.join(20)
    assert not raised.is_alive()
    successor.commit()
    assert world.store.fenced("shop/orders") == 2


def test_without_a_state_store_it_is_refused(world):
    with pytest.raises(ConfigurationError, match="needs a state store"):
        world.start(lambda *_: None, attributes=STRICT)


BODY = """with open("begun", "a") as file:
            file.write(f"{order['id']} {os.getpid()}\\n")
        time.sleep(0.02)"""


STRICT_LINES = """order = "strict"
    isolate = True
    key = lambda *_: "one"
    """


def begun_by(folder: Folder, running: Running) -> bool:
    return f" {running.process.pid}\n" in (folder.path / "begun").read_text()


@pytest.fixture
def folder(folder_on_either) -> Folder:
    """A project on either broker and state."""
    return folder_on_either


@pytest.fixture
def replicas(folder: Folder) -> tuple[Running, Running]:
    """Two processes with a strict worker that takes 20 ms an event; the first one is active."""
    folder.write(BODY, lease=1.0)
    source = folder.path / "app.py"
    source.write_text(source.read_text().replace("topic =", STRICT_LINES + "topic ="))
    first = folder.run().ready()
    folder.publish([0])
    until(lambda: folder.ledger() == [0])
    return first, folder.run().ready()


@contextmanager
def publishing(folder: Folder, numbers: range) -> Iterator[None]:
    """Publish *numbers* one by one meanwhile, about as fast as they are worked on."""

    def publish() -> None:
        for number in numbers:
            folder.publish([number])
            time.sleep(0.015)

    thread = threading.Thread(target=publish)
    thread.start()
    yield
    thread.join(60)


def freeze(folder: Folder, running: Running) -> None:
    """Stop it at a moment at which it holds no lock that the others need."""
    for _ in range(50):
        os.kill(running.process.pid, signal.SIGSTOP)
        try:
            for file in folder.data.glob("*.db"):
                with closing(sqlite3.connect(file, timeout=1.0, isolation_level=None)) as db:
                    db.execute("BEGIN IMMEDIATE")
            return
        except sqlite3.OperationalError:
            os.kill(running.process.pid, signal.SIGCONT)
    raise AssertionError("always holds a lock")


def settled_in_order(folder: Folder, count: int) -> None:
    until(lambda: len(folder.ledger()) >= count and folder.lag() == 0, 60)
    applied = [row[0] for row in folder.ask("SELECT id FROM ledger ORDER BY rowid")]
    assert applied == list(range(count))


def test_a_killed_replica_is_succeeded_in_order(folder: Folder, replicas):
    first, second = replicas
    with publishing(folder, range(1, 200)):
        until(lambda: len(folder.ledger()) >= 30)
        first.kill()
        until(lambda: begun_by(folder, second), 20)
    settled_in_order(folder, 200)
    assert second.stop() == 0


def test_a_replica_that_was_frozen_while_idle_brings_nothing_out_of_order(folder: Folder, replicas):
    first, second = replicas
    freeze(folder, first)
    with publishing(folder, range(1, 200)):
        until(lambda: begun_by(folder, second), 20)
        os.kill(first.process.pid, signal.SIGCONT)
    settled_in_order(folder, 200)
    assert first.stop() == second.stop() == 0


def test_a_frozen_replica_loses_its_turn_and_writes_nothing_late(folder: Folder, replicas):
    first, second = replicas
    folder.publish(range(1, 100))
    until(lambda: len(folder.ledger()) >= 10)
    frozen = 0
    while not begun_by(folder, second):
        # Frozen while it holds a lock of SQLite's, it stops the other one, too: once more.
        frozen += 1
        assert frozen < 10
        os.kill(first.process.pid, signal.SIGSTOP)
        with suppress(AssertionError):
            until(lambda: begun_by(folder, second), 4)
        os.kill(first.process.pid, signal.SIGCONT)
    settled_in_order(folder, 100)
    assert first.stop() == second.stop() == 0


def test_order_is_kept_when_the_answer_to_a_read_is_lost(redis_url, monkeypatch):
    with closing(RedisStreamsTransport(redis_url)) as transport:
        active = transport.subscribe("orders", "shop", alone=True)
        transport.publish([Message("orders", b"1")])
        with monkeypatch.context() as broken:
            broken.setattr(transport.server.client, "xpending_range", lost)
            with pytest.raises(StorageError):
                active.receive(10, 0)
        transport.publish([Message("orders", b"2")])
        assert [delivery.body for delivery in active.receive(10, 0)] == [b"1", b"2"]


def lost(*_: object) -> None:
    raise RedisConnectionError("reset by peer")
