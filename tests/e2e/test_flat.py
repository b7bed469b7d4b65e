"""An hour of traffic in the time that a test has: what must not grow with it does not.

The hour itself (1,800,000 events) runs when WORKERKIT_LONG is set.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field

import psutil
import pytest
from redis import Redis

from tests.processes import Folder, message
from tests.waiting import until
from workerkit.events.outbox import TIDY_PERIOD
from workerkit.loadtest.statistics import Interval, slope
from workerkit.transports.redis_streams import KEPT, RedisStreamsTransport

BATCH = 100
"""Events of one publication."""


@dataclass
class Watched:
    """Samples of a worker and its stream, taken each half second: MB, open files, entries."""

    process: psutil.Process
    redis: Redis
    events: list[int] = field(default_factory=list)
    rss: list[float] = field(default_factory=list)
    files: list[int] = field(default_factory=list)
    length: list[int] = field(default_factory=list)

    def look(self, events: int) -> None:
        """Take one, after *events* events."""
        self.events.append(events)
        self.rss.append(self.process.memory_info().rss / 2**20)
        self.files.append(self.process.num_fds())
        self.length.append(self.redis.xlen("orders"))

    def slope(self, values: list[float] | list[int]) -> Interval:
        """Growth in 1,800,000 events, of the second half of the samples: the first is warm-up."""
        half = len(values) // 2
        return slope([each / 1_800_000 for each in self.events[half:]], values[half:])


@pytest.fixture
def folder(redis_url, tmp_path) -> Iterator[Folder]:
    opened = Folder(tmp_path, redis_url)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    ("total", "rate"),
    [
        (60_000, 3_000),
        pytest.param(
            1_800_000, 8_000,
            marks=[
                pytest.mark.skipif(
                    not os.environ.get("WORKERKIT_LONG"), reason="WORKERKIT_LONG is not set"
                ),
                pytest.mark.timeout(900),
            ],
        ),
    ],
)  # fmt: skip
def test_stream_memory_and_open_files_stay_flat(folder, total, rate, capsys):
    running = folder.run().ready()
    with (
        closing(Redis.from_url(folder.redis_url)) as redis,
        closing(RedisStreamsTransport(folder.redis_url)) as broker,
    ):
        watched = Watched(psutil.Process(running.process.pid), redis)
        announced = broker.subscribe("orders.booked", "audit")
        began, looked = time.monotonic(), 0.0
        for first in range(0, total, BATCH):
            time.sleep(max(0.0, began + first / rate - time.monotonic()))
            broker.publish([message(number) for number in range(first, first + BATCH)])
            announced.settle(announced.receive(2 * BATCH, 0), [])
            if time.monotonic() > looked + 0.5:
                looked = time.monotonic()
                watched.look(first)
        until(lambda: folder.lag() == 0)
        broker.tidy(["orders.booked"])
    assert running.stop() == 0
    assert folder.ask("SELECT count(*), count(DISTINCT id) FROM ledger") == [(total, total)]
    memory, files, length = (
        watched.slope(values) for values in (watched.rss, watched.files, watched.length)
    )
    with capsys.disabled():
        sys.stdout.write(
            f"\n  {total:,} events: RSS {watched.rss[-1]:.0f} MB, {watched.files[-1]} open files, "
            f"at most {max(watched.length):,} entries; slopes in an hour at 500/s: RSS "
            f"{memory.value:+.1f} MB, files {files.value:+.1f}, entries {length.value:+.0f}\n"
        )
    # Between two trims the stream holds what came meanwhile, and once more what was late.
    assert max(watched.length) < KEPT + 2 * rate * TIDY_PERIOD
    assert max(watched.files) - watched.files[len(watched.files) // 2] <= 3
    assert max(watched.rss) < 120
    if total > 1_000_000:  # what is less is caches that fill up
        assert memory.low < 3.0
