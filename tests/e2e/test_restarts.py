"""Workers told to stop, and servers that end and come back, while events are published.

The long variants run when WORKERKIT_LONG is set in the environment.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.test_kill import Publisher, nothing_left, prove_exactly_once
from tests.processes import Folder, Running
from tests.redis_process import RedisProcess
from tests.servers import PostgreSQL
from tests.waiting import until

long = pytest.mark.skipif(not os.environ.get("WORKERKIT_LONG"), reason="WORKERKIT_LONG is not set")

DEADLINE = 25.0
"""Seconds that a worker has to drain, as long as nobody sets WORKER_DRAIN_TIMEOUT."""


@pytest.fixture
def server() -> Iterator[RedisProcess]:
    """A Redis that keeps what it has when it is killed."""
    started = RedisProcess("--appendfsync", "everysec", appendonly=True).start()
    yield started
    started.close()


@pytest.fixture
def on_sqlite(tmp_path, server) -> Iterator[Folder]:
    """A project on Redis and SQLite."""
    opened = Folder(tmp_path, server.url)
    yield opened
    opened.close()


@pytest.fixture
def on_postgresql(tmp_path, server, postgresql_url) -> Iterator[Folder]:
    """A project on Redis and PostgreSQL, its tables made."""
    opened = Folder(tmp_path, server.url, postgresql_url)
    assert opened.call("db", "upgrade").returncode == 0
    yield opened
    opened.close()


def survive(
    folder: Folder, disturb: Callable[[list[Running]], None], *, total: int, times: int,
    seconds: float, arguments: tuple[str, ...] = (),
) -> None:  # fmt: skip
    """Disturb two workers so many times while events come, *seconds* apart; then count."""
    running = [folder.run(*arguments).ready() for _ in range(2)]
    publisher = Publisher(folder, total, seconds=times * seconds)
    publisher.start()
    dice = random.Random(times)
    for _ in range(times):
        time.sleep(dice.uniform(0.3, 0.7) * seconds)
        disturb(running)
    publisher.join(600)
    assert (publisher.failure, publisher.published) == (None, total)
    until(lambda: nothing_left(folder), 120)
    assert [worker.ready().stop() for worker in running] == [0, 0]
    prove_exactly_once(folder, total)


def stop_one(folder: Folder) -> Callable[[list[Running]], None]:
    """SIGTERM for one of them, which must end well and in time; then another in its place."""
    dice = random.Random(7)

    def stop(running: list[Running]) -> None:
        chosen = dice.randrange(2)
        began = time.monotonic()
        running[chosen].process.send_signal(signal.SIGTERM)
        assert running[chosen].process.wait(DEADLINE + 5) == 0
        assert time.monotonic() - began < DEADLINE
        running[chosen] = folder.run().ready()

    return stop


def restart_redis(server: RedisProcess) -> Callable[[list[Running]], None]:
    def restart(running: list[Running]) -> None:
        server.kill()
        server.start()

    return restart


def test_workers_told_to_stop_lose_nothing(on_sqlite):
    survive(on_sqlite, stop_one(on_sqlite), total=1500, times=3, seconds=1.0)


def test_a_stopped_worker_leaves_no_follow_up_to_be_sent_again(on_sqlite):
    running = on_sqlite.run().ready()
    on_sqlite.publish(range(3000))
    until(on_sqlite.ledger)
    assert running.stop() == 0
    assert on_sqlite.ledger() != list(range(3000))
    assert on_sqlite.ask("SELECT count(*) FROM workerkit_outbox") == [(0,)]


def test_a_redis_that_is_killed_and_comes_back_loses_nothing(on_sqlite, server):
    survive(on_sqlite, restart_redis(server), total=1500, times=3, seconds=1.0)


def test_a_postgresql_that_crashes_and_comes_back_loses_nothing(
    on_postgresql, postgresql: PostgreSQL
):
    lanes = ("--concurrency=10",)
    survive(on_postgresql, lambda _: postgresql.restart(), total=1500, times=3, seconds=1.0,
            arguments=lanes)  # fmt: skip


@long
@pytest.mark.timeout(900)
def test_two_hundred_stops_lose_nothing(on_sqlite):
    survive(on_sqlite, stop_one(on_sqlite), total=100_000, times=200, seconds=1.0)


@long
@pytest.mark.timeout(600)
def test_twenty_restarts_of_redis_lose_nothing(on_sqlite, server):
    survive(on_sqlite, restart_redis(server), total=20_000, times=20, seconds=4.0)


@long
@pytest.mark.timeout(600)
def test_twenty_restarts_of_postgresql_lose_nothing(on_postgresql, postgresql: PostgreSQL):
    survive(on_postgresql, lambda _: postgresql.restart(), total=20_000, times=20, seconds=4.0,
            arguments=("--concurrency=10",))  # fmt: skip
