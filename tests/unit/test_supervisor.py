"""The supervisor on a clock of the test's own: nothing here waits."""

from __future__ import annotations

import pytest

from tests.clocks import StillClock
from workerkit.core import backoff
from workerkit.core.supervisor import RESTART, Supervisor
from workerkit.core.worker import BaseWorker


class Fake(BaseWorker):
    """Lives until told to die; writes what happens to it into a common diary."""

    def __init__(self, name: str, diary: list[str], clock: StillClock) -> None:
        super().__init__(name)
        self.diary = diary
        self.clock = clock
        self.refuses = False
        self.slow = 0.0
        self.living = False

    @property
    def alive(self) -> bool:
        return self.living

    def start(self) -> None:
        self.diary.append(f"start {self.name}")
        if self.refuses:
            raise RuntimeError(f"{self.name} cannot")
        self.stopping.clear()
        self.living = True

    def stop(self, timeout: float = 25.0) -> None:
        self.diary.append(f"stop {self.name} {timeout:g}")
        self.clock.advance(self.slow)
        self.stopping.set()
        self.living = False


@pytest.fixture
def clock() -> StillClock:
    return StillClock()


@pytest.fixture
def diary() -> list[str]:
    return []


@pytest.fixture
def workers(diary, clock) -> list[Fake]:
    return [Fake(name, diary, clock) for name in "abc"]


@pytest.fixture
def supervisor(workers, clock, monkeypatch):
    """Runs the three workers; every wait is as long as the jitter allows."""
    monkeypatch.setattr(backoff.random, "random", lambda: 1.0)
    running = Supervisor(workers, clock)
    running.start()
    yield running
    running.stop()


def starts(diary: list[str], name: str) -> int:
    return diary.count(f"start {name}")


def test_workers_start_in_order_and_stop_in_reverse(supervisor, diary):
    assert supervisor.alive
    supervisor.stop(10.0)
    assert diary == ["start a", "start b", "start c", "stop c 10", "stop b 10", "stop a 10"]
    assert not supervisor.alive


def test_the_time_to_stop_is_shared(supervisor, workers, diary):
    workers[2].slow = 4.0
    workers[1].slow = 20.0
    supervisor.stop(10.0)
    assert diary[3:] == ["stop c 10", "stop b 6", "stop a 0.05"]


def test_a_start_that_fails_stops_what_was_started(workers, clock, diary):
    workers[1].refuses = True
    supervisor = Supervisor(workers, clock)
    with pytest.raises(RuntimeError, match="b cannot"):
        supervisor.start()
    assert diary == ["start a", "start b", "stop b 5", "stop a 5"]
    assert not supervisor.alive


def test_a_dead_worker_is_started_again_when_its_wait_is_over(supervisor, workers, clock, diary):
    workers[1].living = False
    supervisor.check()
    clock.advance(RESTART.first - 0.01)
    supervisor.check()
    assert starts(diary, "b") == 1
    clock.advance(0.02)
    supervisor.check()
    assert (starts(diary, "b"), workers[1].alive, supervisor.restarts) == (2, True, {"b": 1})


def test_the_wait_grows_to_its_cap_and_no_further(supervisor, workers, clock):
    waits = []
    for _ in range(12):
        workers[0].living = False
        supervisor.check()
        before = clock.monotonic()
        while not workers[0].alive:
            clock.advance(0.1)
            supervisor.check()
        waits.append(round(clock.monotonic() - before, 1))
    assert waits[:5] == pytest.approx([0.2, 0.4, 0.8, 1.6, 3.2], abs=0.11)
    assert waits[-3:] == pytest.approx([RESTART.cap] * 3, abs=0.11)


def test_a_minute_of_life_forgives_what_came_before(supervisor, workers, clock):
    for _ in range(8):
        workers[0].living = False
        supervisor.check()
        clock.advance(RESTART.cap)
        supervisor.check()
    clock.advance(61)
    workers[0].living = False
    supervisor.check()
    clock.advance(RESTART.first)
    supervisor.check()
    assert workers[0].alive


def test_a_restart_that_fails_is_tried_again_and_disturbs_no_other(
    supervisor, workers, clock, diary
):
    workers[0].refuses = True
    workers[0].living = workers[1].living = False
    supervisor.check()
    clock.advance(1.0)
    supervisor.check()
    assert (workers[0].alive, workers[1].alive) == (False, True)
    workers[0].refuses = False
    supervisor.check()
    clock.advance(1.0)
    supervisor.check()
    assert workers[0].alive


def test_a_worker_that_was_told_to_stop_is_not_started_again(supervisor, workers, clock, diary):
    workers[0].stop()
    supervisor.check()
    clock.advance(100)
    supervisor.check()
    assert starts(diary, "a") == 1


def test_stop_before_start_and_stop_twice_are_fine(workers, clock, diary):
    supervisor = Supervisor(workers, clock)
    supervisor.stop(1.0)
    supervisor.stop(1.0)
    assert diary[:3] == ["stop c 1", "stop b 1", "stop a 1"]
