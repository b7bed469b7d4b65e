"""Ctrl-C in the middle of anything."""

from __future__ import annotations

import os
import signal

import pytest

from workerkit.cli.signals import interruptible


def too_late(number: int, frame: object) -> None:
    raise TimeoutError


@pytest.fixture
def five_seconds():
    """An alarm ends what would wait for ever."""
    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(5)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.mark.usefixtures("five_seconds")
def test_ctrl_c_is_heard_while_the_event_itself_is_locked():
    """As it is for a moment in each wait; a handler that set it would wait for itself."""
    with interruptible() as stop:
        with stop._cond:
            os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)


def test_the_second_one_ends_the_process_as_usual():
    before = signal.getsignal(signal.SIGINT)
    with interruptible() as stop:
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.wait(5)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
