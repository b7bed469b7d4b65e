"""Replicas of a cron worker, killed at random: each tick one row, each effect once.

The long variant (five minutes, five replicas) runs when WORKERKIT_LONG is set.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from tests.processes import Folder, Running
from tests.redis_process import RedisProcess
from tests.waiting import until

APP = """
import os
import time

from sqlalchemy import text
from workerkit import CronJob, Service


PAUSE = {pause}


class TickJob(CronJob):
    schedule = "* * * * * *"
    misfire = "all"

    def run(self, context):
        time.sleep(PAUSE or 0.05 * (context.tick.second % 4))
        context.session.execute(
            text("INSERT INTO effects VALUES (:tick)"), {{"tick": context.tick.timestamp()}}
        )


def migrate(connection):
    connection.execute(text("CREATE TABLE IF NOT EXISTS effects (tick FLOAT)"))


def wire(settings):
    return Service("app", cron=[TickJob()], migrate=migrate)
"""

ENDS = {"succeeded", "skipped", "abandoned"}

LEASE = 2.0
"""Seconds; the short run needs takeovers while it lasts."""


class Replicas:
    """So many cron workers of one service, of which any may be killed."""

    def __init__(self, folder: Folder, count: int, seed: int) -> None:
        self.folder = folder
        self.dice = random.Random(seed)
        self.running = [self.start() for _ in range(count)]
        for replica in self.running:
            replica.ready()

    def start(self) -> Running:
        return self.folder.run("--mode=cron")

    def kill_one(self) -> None:
        chosen = self.dice.randrange(len(self.running))
        self.running[chosen].ready().kill()
        self.running[chosen] = self.start()

    def stop(self) -> list[int]:
        for replica in self.running:
            replica.ready().process.terminate()
        return [replica.process.wait(40) for replica in self.running]


@pytest.fixture
def server() -> Iterator[RedisProcess]:
    """A Redis that keeps what it has when it is killed."""
    started = RedisProcess(appendonly=True).start()
    yield started
    started.close()


@pytest.fixture(params=["sqlite", "redis"])
def folder(request, tmp_path) -> Iterator[Folder]:
    """A project whose state is on SQLite or on Redis."""
    url = request.getfixturevalue("server").url if request.param == "redis" else None
    opened = Folder(tmp_path, url)
    yield opened
    opened.close()


def survive(folder: Folder, request, *, replicas: int, seconds: float, every: float) -> None:
    """Kill a replica every so many seconds, and Redis twice; then look at each second's row."""
    crowd = Replicas(folder, replicas, seed=5)
    began = time.time()
    redis_dies = [began + seconds / 3, began + 2 * seconds / 3]
    if not folder.redis_url:
        redis_dies.clear()
    while time.time() < began + seconds:
        crowd.kill_one()
        if redis_dies and time.time() > redis_dies[0]:
            redis_dies.pop(0)
            server = request.getfixturevalue("server")
            server.kill()
            server.start()
        time.sleep(every)
    ended = time.time()
    until(lambda: not open_runs(folder, ended) and worked_after(folder, ended), 30)
    assert crowd.stop() == [0] * replicas
    prove(folder, seconds)


def open_runs(folder: Folder, until: float) -> list[tuple[float]]:
    """Ticks up to *until* that are not over: some of a process that was killed last."""
    query = f"SELECT tick FROM workerkit_runs WHERE state = 'running' AND tick <= {until}"
    return folder.ask(query)


def worked_after(folder: Folder, when: float) -> list[tuple[int]]:
    return folder.ask(f"SELECT 1 FROM effects WHERE tick > {when}")


def prove(folder: Folder, seconds: float) -> None:
    rows = folder.ask("SELECT tick, state, token, started FROM workerkit_runs ORDER BY tick")
    ticks = [row[0] for row in rows]
    assert ticks == [ticks[0] + n for n in range(len(ticks))], "each second has a row"
    assert len(ticks) >= seconds - 1
    states = Counter(row[1] for row in rows)
    assert set(states) <= ENDS, states
    succeeded = [row[0] for row in rows if row[1] == "succeeded"]
    effects = sorted(row[0] for row in folder.ask("SELECT tick FROM effects"))
    assert effects == succeeded
    for tick, state, _, _ in rows:
        if state == "abandoned":
            assert any(tick < later <= tick + 3 * LEASE + 5 for later in succeeded), tick
    print(f"\n{len(rows)} ticks: {dict(states)}")  # noqa: T201


def test_each_tick_of_killed_replicas_is_one_row_and_one_effect(folder, request):
    write(folder, LEASE)
    survive(folder, request, replicas=3, seconds=10.0, every=0.8)


def test_a_frozen_replica_that_wakes_up_commits_nothing_of_its_old_run(folder):
    write(folder, LEASE, "1.0")
    crowd = Replicas(folder, 2, seed=1)
    until(lambda: held_by(folder))
    ((holder, tick),) = held_by(folder)
    frozen = int(holder.split("/")[1])
    os.kill(frozen, signal.SIGSTOP)
    until(lambda: state_of(folder, tick) != [("running",)])
    until(lambda: folder.ask(f"SELECT 1 FROM effects WHERE tick > {tick}"))
    os.kill(frozen, signal.SIGCONT)
    (log,) = (each for each in crowd.running if each.process.pid == frozen)
    if state_of(folder, tick) == [("abandoned",)]:
        until(lambda: "a run came too late" in log.said)
    assert crowd.stop() == [0, 0]
    prove(folder, 1)


def held_by(folder: Folder) -> list[tuple[str, float]]:
    query = "SELECT holder, tick FROM workerkit_runs WHERE state = 'running'"
    return folder.ask(query) if folder.database.exists() else []


def state_of(folder: Folder, tick: float) -> list[tuple[str]]:
    return folder.ask(f"SELECT state FROM workerkit_runs WHERE tick = {tick}")


@pytest.mark.skipif(not os.environ.get("WORKERKIT_LONG"), reason="WORKERKIT_LONG is not set")
@pytest.mark.timeout(600)
def test_five_replicas_killed_every_two_seconds_for_five_minutes(folder, request):
    write(folder, LEASE)
    survive(folder, request, replicas=5, seconds=300.0, every=2.0)


def write(folder: Folder, lease: float, pause: str = "0") -> None:
    folder.write(lease=lease)
    (folder.path / "app.py").write_text(APP.format(pause=pause))
