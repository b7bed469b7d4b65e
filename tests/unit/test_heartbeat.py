from __future__ import annotations

import pytest

from workerkit.core.heartbeat import LIVES, PERIOD, Heartbeat
from workerkit.core.state import Member
from workerkit.errors import StorageError
from workerkit.state.memory import MemoryState
from workerkit.testing import FakeClock

MEMBER = Member("one", "shop", "events", "here", 1, 8002, 1.0)


class Clock(FakeClock):
    """*until* is when whoever waits is stopped."""

    def __init__(self, until: float) -> None:
        super().__init__()
        self.until = until

    def wait(self, event, timeout: float) -> bool:
        super().wait(event, timeout)
        if self.monotonic() >= self.until:
            event.set()
        return event.is_set()


class Noting(MemoryState):
    """Notes when it is told what; does not answer while `silent`."""

    silent = False

    def __init__(self, clock) -> None:
        super().__init__(clock)
        self.told: list[tuple[float, str]] = []

    def announce(self, member, seconds) -> None:
        self.told.append((self.clock.monotonic(), "announce"))
        if self.silent:
            raise StorageError("redis://here: Connection refused")
        super().announce(member, seconds)
        assert self.members()[0].until == self.clock.time() + LIVES * PERIOD

    def withdraw(self, id) -> None:
        self.told.append((self.clock.monotonic(), "withdraw"))
        super().withdraw(id)


@pytest.fixture
def beating():
    def run(seconds: float, silent: bool = False) -> Noting:
        clock = Clock(seconds)
        state = Noting(clock)
        state.silent = silent
        Heartbeat(state, lambda: MEMBER, "shop/heartbeat", clock).work()
        return state

    return run


def test_a_process_announces_itself_every_five_seconds_and_withdraws(beating):
    state = beating(12)
    assert state.told == [(0, "announce"), (5, "announce"), (10, "announce"), (15, "withdraw")]
    assert state.members() == []
    assert LIVES * PERIOD == 3 * PERIOD


def test_a_state_that_does_not_answer_is_said_once_a_minute_and_stops_nobody(beating, caplog):
    state = beating(150, silent=True)
    assert len(state.told) == 31
    said = [record for record in caplog.records if record.message == "the state does not answer"]
    assert [record.error for record in said] == ["redis://here: Connection refused"] * 3
