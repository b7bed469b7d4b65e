"""SIGKILL at random moments while events are published: nothing lost, nothing twice.

The long variant runs when WORKERKIT_LONG is set in the environment.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from contextlib import closing

import pytest

from tests.processes import Folder, Running, message
from tests.waiting import until
from workerkit.errors import StorageError
from workerkit.events.transport import Broker, Message


class Publisher(threading.Thread):
    """Publishes *total* events in small batches, evenly over about *seconds*."""

    def __init__(self, folder: Folder, total: int, seconds: float) -> None:
        super().__init__(name="publisher", daemon=True)
        self.folder = folder
        self.total = total
        self.pause = seconds * 10 / total
        self.published = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            with closing(self.folder.broker()) as broker:
                for start in range(0, self.total, 10):
                    numbers = range(start, min(self.total, start + 10))
                    self._publish(broker, [message(number) for number in numbers])
                    self.published = numbers[-1] + 1
                    time.sleep(self.pause)
        except BaseException as error:
            self.failure = error

    def _publish(self, broker: Broker, messages: list[Message]) -> None:
        """Until the broker has them, under the same ids, for a minute at most."""
        end = time.monotonic() + 60
        while True:
            try:
                return broker.publish(messages)
            except StorageError:
                if time.monotonic() > end:
                    raise
            time.sleep(0.05)


def kill_at_random(folder: Folder, kills: int, workers: int, dice: random.Random) -> list[Running]:
    """Kill *kills* times whichever of *workers* processes comes up; return those left running."""
    running = [folder.run() for _ in range(workers)]
    for _ in range(kills):
        chosen = dice.randrange(workers)
        running[chosen].ready()
        time.sleep(dice.uniform(0.0, 0.25))
        running[chosen].kill()
        running[chosen] = folder.run()
    return [worker.ready() for worker in running]


def prove_exactly_once(folder: Folder, total: int) -> None:
    """Compare the ledger row by row, and look for anything left behind anywhere."""
    assert folder.ledger() == list(range(total))
    inbox = folder.ask("SELECT source, id, state, count(*) FROM workerkit_inbox GROUP BY 1, 2, 3")
    assert sorted(inbox) == sorted(("web", f"e{n}", "applied", 1) for n in range(total))
    for table in ("workerkit_outbox", "workerkit_parked", "workerkit_starts"):
        assert folder.ask(f"SELECT count(*) FROM {table}") == [(0,)], table
    assert folder.pending() == 0
    announced = Counter((event["data"]["id"], event["id"]) for event in folder.announced())
    causes = [cause for cause, _ in announced]
    assert sorted(causes) == list(range(total)), "each cause has exactly one id"
    assert len({event for _, event in announced}) == total


def nothing_left(folder: Folder) -> bool:
    outbox = folder.ask("SELECT count(*) FROM workerkit_outbox")
    return folder.lag() == folder.pending() == 0 and outbox == [(0,)]


def survive(folder: Folder, *, total: int, kills: int, workers: int, seed: int) -> None:
    publisher = Publisher(folder, total, seconds=kills * 0.6)
    publisher.start()
    left = kill_at_random(folder, kills, workers, random.Random(seed))
    publisher.join(120)
    assert (publisher.failure, publisher.published) == (None, total)
    until(lambda: nothing_left(folder), 60)
    assert [worker.stop() for worker in left] == [0] * workers
    prove_exactly_once(folder, total)


@pytest.fixture
def folder(folder_on_either) -> Folder:
    """A project on either broker."""
    return folder_on_either


@pytest.mark.parametrize("workers", [1, 2])
def test_a_worker_killed_at_random_loses_nothing_and_doubles_nothing(folder, workers):
    survive(folder, total=1500, kills=5, workers=workers, seed=workers)


@pytest.mark.skipif(not os.environ.get("WORKERKIT_LONG"), reason="WORKERKIT_LONG is not set")
@pytest.mark.timeout(400)
@pytest.mark.parametrize("workers", [1, 2])
def test_twenty_kills_lose_nothing_and_double_nothing(folder, workers):
    survive(folder, total=5000, kills=20, workers=workers, seed=20 + workers)


@pytest.mark.skipif(not os.environ.get("WORKERKIT_LONG"), reason="WORKERKIT_LONG is not set")
@pytest.mark.timeout(900)
def test_two_hundred_kills_lose_nothing_and_double_nothing(folder):
    survive(folder, total=100_000, kills=200, workers=2, seed=200)
