from __future__ import annotations

import threading

from workerkit.cron.crew import Crew


def test_tasks_beyond_the_limit_wait_their_turn():
    crew, gate, begun = Crew("crew", 2), threading.Event(), []
    both = threading.Barrier(3)

    def hold() -> None:
        both.wait(10)
        gate.wait(10)

    for _ in range(2):
        crew.submit(hold)
    both.wait(10)
    for number in range(3):
        crew.submit(lambda number=number: begun.append(number))
    assert begun == []
    gate.set()
    done = threading.Event()
    crew.submit(done.set)
    assert done.wait(10)
    assert crew.drain(10)
    assert sorted(begun) == [0, 1, 2]


def test_a_task_at_once_goes_beyond_the_limit():
    crew, gate, done = Crew("crew", 1), threading.Event(), threading.Event()
    crew.submit(lambda: gate.wait(10))
    crew.submit(done.set, at_once=True)
    assert done.wait(10)
    gate.set()
    assert crew.drain(10)


def test_a_task_at_once_goes_before_those_that_wait():
    crew, gate, held, done = Crew("crew", 1), *(threading.Event() for _ in range(3))
    ran = []
    crew.submit(lambda: (held.set(), gate.wait(10)))
    assert held.wait(10)
    crew.submit(lambda: (ran.append("waited"), done.set()))
    crew.submit(lambda: ran.append("at once"), at_once=True)
    assert done.wait(10)
    assert ran == ["at once", "waited"]
    gate.set()
    assert crew.drain(10)


def test_draining_drops_what_waits_and_tells_when_something_does_not_end():
    crew, gate, done = Crew("crew", 1), threading.Event(), threading.Event()
    crew.submit(lambda: gate.wait(10))
    crew.submit(done.set)
    assert not crew.drain(0.01)
    assert crew.drain(0.01, hopeless=1)
    gate.set()
    assert crew.drain(10)
    assert not done.is_set()


def test_a_task_that_raises_takes_no_thread_with_it(caplog):
    crew, done = Crew("crew", 1), threading.Event()
    crew.submit(lambda: 1 / 0)
    crew.submit(done.set)
    assert done.wait(10)
    assert crew.drain(10)
    assert [record.message for record in caplog.records] == ["task of a job failed"]
