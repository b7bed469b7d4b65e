"""How many lanes are in use and how large their batches are, told by what a handler takes."""

from __future__ import annotations

from workerkit import EventWorker
from workerkit.events.item import Reader
from workerkit.events.lane import Pace
from workerkit.events.lanes import FORGIVEN, Lanes
from workerkit.events.pipeline import QUICK
from workerkit.testing import FakeClock

COUNT = 4


class OrderWorker(EventWorker[dict]):
    topic = "orders"

    def handle(self, order, context):
        pass


def test_a_handler_that_was_slow_is_forgiven_after_a_minute():
    clock, usual = FakeClock(), [0.0]
    reader = Reader(OrderWorker())
    lanes = Lanes(
        "orders", COUNT, lambda batch: None, lambda batch: None, 0.02, reader, lambda: usual[0],
        clock,
    )  # fmt: skip

    def spread(seconds: float) -> int:
        """In use when a handler takes *seconds*."""
        usual[0] = seconds
        lanes.moving()
        return lanes.spread

    assert spread(QUICK / 2) == 1
    assert spread(QUICK * 1.5) == 1
    assert spread(QUICK * 3) == COUNT
    assert spread(QUICK / 2) == COUNT
    clock.advance(FORGIVEN)
    assert spread(QUICK / 2) == COUNT
    clock.advance(1.0)
    assert spread(QUICK * 1.5) == COUNT
    assert spread(QUICK / 2) == 1


def test_a_batch_shrinks_at_once_and_grows_slowly():
    pace = Pace(target=1.0, largest=60)
    sizes = [pace.batch]
    for events, seconds in ((10, 0.5), (10, 2.0), (10, 0.5), (100, 0.0), (1, 100.0)):
        pace.learn(events, seconds)
        sizes.append(pace.batch)
    assert sizes == [1, 20, 8, 9, 11, 1]
    for _ in range(60):
        pace.learn(100, 0.0)
    assert pace.batch == 60
