"""What a lease promises: taken over in time, kept by a slow handler, of no use to a frozen worker.

The long variants run when WORKERKIT_LONG is set in the environment.
"""

from __future__ import annotations

import os
import signal
import time

import pytest

from tests.e2e.test_kill import nothing_left, prove_exactly_once
from tests.processes import Folder, Running
from tests.waiting import until

long = pytest.mark.skipif(not os.environ.get("WORKERKIT_LONG"), reason="WORKERKIT_LONG is not set")

MARKED = 'open(f"begun-{os.getpid()}", "a").write(f"{order[\'id\']}\\n"); time.sleep({seconds})'
"""A handler that leaves a mark when it begins; {seconds} is how long it takes."""


@pytest.fixture
def folder(folder_on_either) -> Folder:
    """A project on either broker."""
    return folder_on_either


def begun(folder: Folder, running: Running) -> list[int]:
    """The events that a worker's handler has begun, in order."""
    file = folder.path / f"begun-{running.process.pid}"
    return [int(line) for line in file.read_text().splitlines()] if file.exists() else []


def marked(seconds: float) -> str:
    return MARKED.replace("{seconds}", str(seconds))


@pytest.mark.parametrize(
    ("lease", "spare"),
    [(1.0, 4.0), pytest.param(30.0, 1.0, marks=[long, pytest.mark.timeout(120)])],
)
def test_a_killed_worker_is_succeeded_soon_after_its_lease(folder, lease, spare):
    """*spare* seconds: more where another test runs beside this one."""
    folder.write(marked(0.005), lease)
    first = folder.run("--concurrency=4").ready()
    folder.publish(range(400))
    until(lambda: len(begun(folder, first)) >= 20)
    # Started now, the second one finds nothing waiting: the first holds all of it.
    until(lambda: folder.lag() == folder.pending())
    second = folder.run("--concurrency=4").ready()
    first.kill()
    died = time.monotonic()
    until(lambda: begun(folder, second), lease + 20)
    assert time.monotonic() - died < lease + spare
    until(lambda: nothing_left(folder))
    assert second.stop() == 0
    prove_exactly_once(folder, 400)


@pytest.mark.parametrize(
    ("lease", "takes"),
    [(1.0, 3.0), pytest.param(30.0, 90.0, marks=[long, pytest.mark.timeout(300)])],
)
def test_a_handler_that_outlives_its_lease_runs_once(folder, lease, takes):
    folder.write(marked(takes), lease)
    both = [folder.run().ready() for _ in range(2)]
    folder.publish(range(1))
    until(lambda: nothing_left(folder) and folder.ledger(), takes + lease + 30)
    assert sorted(begun(folder, both[0]) + begun(folder, both[1])) == [0]
    assert [worker.stop() for worker in both] == [0, 0]
    prove_exactly_once(folder, 1)


@pytest.mark.parametrize(
    ("lease", "frozen"),
    [(1.0, 4.0), pytest.param(30.0, 60.0, marks=[long, pytest.mark.timeout(300)])],
)
def test_a_worker_frozen_beyond_its_lease_applies_nothing_twice(folder, lease, frozen):
    folder.write(marked(0.01), lease)
    first = folder.run().ready()
    folder.publish(range(300))
    until(lambda: len(begun(folder, first)) >= 10)
    second = folder.run().ready()
    os.kill(first.process.pid, signal.SIGSTOP)
    time.sleep(frozen)
    os.kill(first.process.pid, signal.SIGCONT)
    until(lambda: nothing_left(folder), lease + 60)
    assert [worker.stop() for worker in (first, second)] == [0, 0]
    prove_exactly_once(folder, 300)
