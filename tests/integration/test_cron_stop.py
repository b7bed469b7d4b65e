"""A cron worker with its threads: it lets a running job end before it does."""

from __future__ import annotations

import threading

import pytest

from tests.cron_world import LEASE, NOON, CronWorld, job, note, seen, write
from workerkit.core.clock import SystemClock
from workerkit.cron.watch import Watch
from workerkit.cron.worker import CronWorker


@pytest.fixture
def world(tmp_path) -> CronWorld:
    return CronWorld(tmp_path)


def started(world: CronWorld, run) -> tuple[CronWorker, threading.Event]:
    """A worker in which *run* has begun, and what is set when it ends."""
    begun, ended = threading.Event(), threading.Event()

    def work(context):
        begun.set()
        run(context)

    worker = CronWorker(
        "shop", [job("0 3 * * *", work)], world.ledger,
        Watch(world.state, LEASE, SystemClock()), "here/1/a", restart=world.restarts.append,
    )  # fmt: skip
    worker.start()
    worker.trigger("shop/job", NOON.timestamp(), lambda run: ended.set())
    assert begun.wait(10)
    return worker, ended


def test_stop_waits_for_the_running_job(world):
    gate = threading.Event()

    def run(context):
        write(context, "before")
        assert gate.wait(10)

    worker, ended = started(world, run)
    stopping = threading.Thread(target=worker.stop, args=(20.0,))
    stopping.start()
    assert worker.stopping.wait(10)
    gate.set()
    stopping.join(20)
    assert ended.is_set()
    assert (world.ended(), world.effects(), worker.left) == (seen(["12:00:00"]), ["before"], 0)


def test_a_job_can_see_that_it_should_end(world):
    def run(context):
        pieces = 0
        while not context.stopping:
            pieces += 1
            context.commit()
        write(context, "tidy end")

    worker, _ = started(world, run)
    worker.stop(20.0)
    assert (world.ended(), world.effects()) == (seen(["12:00:00"]), ["tidy end"])


def test_a_job_that_does_not_end_in_time_is_left_and_counted(world):
    gate = threading.Event()
    worker, ended = started(world, lambda context: gate.wait(20))
    worker.stop(0.05)
    assert worker.left == 1
    assert [run.state for run in world.runs()] == ["running"]
    gate.set()
    assert ended.wait(10)


def test_a_stopped_worker_starts_nothing_and_can_be_started_again(world):
    worker, ended = started(world, note)
    assert ended.wait(10)
    worker.stop(5.0)
    worker.stop(5.0)
    assert not worker.alive
    worker.start()
    assert worker.alive
    worker.stop(5.0)
