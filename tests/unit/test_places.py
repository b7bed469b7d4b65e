"""Where a process is: the deepest line of the project's own code, thread by thread."""

from __future__ import annotations

import threading
import types
from pathlib import Path

from workerkit.core.loop import EventLoop
from workerkit.core.places import places

HERE = Path(__file__).parent


def stuck(entered: threading.Event, leave: threading.Event) -> None:
    entered.set()
    leave.wait()


def test_a_thread_is_at_its_deepest_line_of_the_project(tmp_path):
    entered, leave = threading.Event(), threading.Event()
    thread = threading.Thread(target=stuck, args=(entered, leave), name="orders#0")
    thread.start()
    entered.wait()
    try:
        line = stuck.__code__.co_firstlineno + 2
        assert f"orders#0: test_places.py:{line} in stuck" in places(HERE)
        assert places(tmp_path) == ()
    finally:
        leave.set()
        thread.join()


def test_the_main_thread_is_left_out_though_it_runs_our_code():
    assert not [place for place in places(HERE) if "test_the_main_thread" in place]


@types.coroutine
def forever():
    yield


async def inner() -> None:
    await forever()


async def outer() -> None:
    await inner()


def test_a_coroutine_is_at_what_it_waits_for():
    waiting = outer()
    waiting.send(None)
    line = inner.__code__.co_firstlineno + 1
    try:
        assert f"async: test_places.py:{line} in inner" in places(HERE, [waiting])
    finally:
        waiting.close()


def test_a_loop_tells_what_runs_on_it():
    loop = EventLoop()
    assert loop.coroutines() == []
    entered, leave = threading.Event(), threading.Event()

    async def handle() -> None:
        stuck(entered, leave)

    thread = threading.Thread(target=loop.run, args=(handle(), None))
    thread.start()
    entered.wait()
    assert [each.cr_code.co_name for each in loop.coroutines()] == ["_outcome"]
    leave.set()
    thread.join()
    loop.close()
