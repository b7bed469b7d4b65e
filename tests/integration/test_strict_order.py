"""`order = "strict"`: one replica at a time, and one that was frozen cannot write late."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import pytest

from tests.processes import Folder, Running, until
from workerkit.errors import ConfigurationError, LeaseLost
from workerkit.events.envelope import Event
from workerkit.state.memory import MemoryState

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


def test_a_smaller_token_cannot_write(world):
    for token in (1, 1, 3):
        uow = world.store.begin()
        uow.fence("shop/orders", token)
        uow.commit()
    late = world.store.begin()
    with pytest.raises(LeaseLost, match="shop/orders: another replica has taken over"):
        late.fence("shop/orders", 2)
    late.rollback()


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


def test_a_frozen_replica_loses_its_turn_and_writes_nothing_late(folder: Folder):
    folder.write(BODY, lease=1.0)
    source = folder.path / "app.py"
    source.write_text(source.read_text().replace("topic =", STRICT_LINES + "topic ="))
    first = folder.run().ready()
    second = folder.run().ready()
    folder.publish(range(100))
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
    until(lambda: folder.lag() == 0, 60)
    assert folder.ledger() == list(range(100))
    applied = [row[0] for row in folder.ask("SELECT id FROM ledger ORDER BY rowid")]
    assert applied == list(range(100)), "out of order"
    assert first.stop() == second.stop() == 0
