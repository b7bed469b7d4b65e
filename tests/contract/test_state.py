"""What every state store promises."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from workerkit.core.state import Member
from workerkit.state import open_state
from workerkit.state.memory import MemoryState
from workerkit.state.redis import RedisState
from workerkit.state.sqlite import SqliteState


@pytest.fixture(params=["memory", "sqlite", "redis"])
def state(request, tmp_path):
    if request.param == "memory":
        opened = MemoryState()
    elif request.param == "sqlite":
        opened = SqliteState(tmp_path / "state.db")
    else:
        opened = RedisState(request.getfixturevalue("redis_url"))
    yield opened
    opened.close()


def member(name: str, **more) -> Member:
    return Member(**{"id": name, "service": "shop", "mode": "events", "host": "here", "pid": 1,
                     "port": 8002, "started": 1.0, **more})  # fmt: skip


def test_one_holder_at_a_time(state):
    lease = state.acquire("tick", "a", 30)
    assert (lease.name, lease.holder) == ("tick", "a")
    assert state.acquire("tick", "b", 30) is None
    assert state.acquire("tick", "a", 30) is None
    assert state.acquire("tock", "b", 30) is not None


def test_a_released_lease_is_anybodys_with_a_larger_token(state):
    first = state.acquire("tick", "a", 30)
    state.release(first)
    second = state.acquire("tick", "b", 30)
    assert second.token > first.token
    assert state.renew(first, 30) is False
    state.release(first)
    assert state.acquire("tick", "c", 30) is None


def test_a_lapsed_lease_is_anybodys(state):
    first = state.acquire("tick", "a", 0.02)
    time.sleep(0.03)
    assert state.acquire("tick", "b", 30).token > first.token
    assert state.renew(first, 30) is False


def test_a_renewed_lease_does_not_lapse(state):
    lease = state.acquire("tick", "a", 0.02)
    assert state.renew(lease, 30) is True
    time.sleep(0.03)
    assert state.acquire("tick", "b", 30) is None


def test_a_lease_that_lapsed_unnoticed_can_be_renewed(state):
    lease = state.acquire("tick", "a", 0.02)
    time.sleep(0.03)
    assert state.renew(lease, 30) is True
    assert state.acquire("tick", "b", 30) is None


def test_members_are_listed_until_they_withdraw(state):
    state.announce(member("two", mode="api"), 30)
    state.announce(member("one"), 30)
    state.announce(member("one", port=9000), 30)
    now = time.time()
    found = state.members()
    assert [replace(each, until=0.0) for each in found] == [
        member("two", mode="api"), member("one", port=9000),
    ]  # fmt: skip
    assert all(now + 20 < each.until < now + 40 for each in found)
    state.withdraw("two")
    state.withdraw("nobody")
    assert [each.id for each in state.members()] == ["one"]


def test_a_lost_member_stays_for_a_while_and_is_past_its_time(state):
    state.announce(member("lost"), -10)
    state.announce(member("forgotten"), -4000)
    (found,) = state.members()
    assert (found.id, found.until < time.time()) == ("lost", True)


class FakeClock:
    """Only `time` is used."""

    now = 1000.0

    def time(self) -> float:
        return self.now


STEPS = st.lists(
    st.tuples(st.sampled_from(["acquire", "renew", "release", "wait"]), st.integers(0, 2),
              st.integers(1, 9)),
    max_size=40,
)  # fmt: skip


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@given(steps=STEPS)
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_there_is_never_a_second_holder_and_tokens_only_grow(kind, tmp_path, steps):
    clock = FakeClock()
    path = tmp_path / f"{time.monotonic_ns()}.db"
    state = MemoryState(clock) if kind == "memory" else SqliteState(path, clock)
    last, until, held = 0, 0.0, {}
    for name, who, seconds in steps:
        if name == "wait":
            clock.now += seconds
        elif name == "acquire":
            lease = state.acquire("x", str(who), seconds)
            assert (lease is None) == (until > clock.now)
            if lease is not None:
                assert lease.token == last + 1
                last, until = lease.token, clock.now + seconds
                held[who] = lease
        elif who in held:
            ours = held[who].token == last
            if name == "renew":
                assert state.renew(held[who], seconds) is ours
            else:
                state.release(held[who])
            if ours:
                until = clock.now + seconds if name == "renew" else 0.0
    state.close()


HOLDER = """
import sys, time
from pathlib import Path
from workerkit.state.sqlite import SqliteState
print(SqliteState(Path(sys.argv[1])).acquire("tick", "other", 0.5).token, flush=True)
time.sleep(60)
"""


def test_what_a_killed_process_held_lapses(tmp_path):
    path = tmp_path / "state.db"
    command = [sys.executable, "-c", HOLDER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        token = int(other.stdout.readline())
        state = open_state(None, tmp_path)
        assert state.acquire("tick", "us", 5) is None
        other.send_signal(signal.SIGKILL)
    end = time.monotonic() + 10
    while (lease := state.acquire("tick", "us", 5)) is None:
        assert time.monotonic() < end
        time.sleep(0.02)
    assert lease.token > token
    state.close()
