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

from workerkit.core.state import Lease, Member
from workerkit.errors import StorageError
from workerkit.state import open_state
from workerkit.state.memory import MemoryState
from workerkit.state.redis import RedisState
from workerkit.state.sqlite import SqliteState
from workerkit.testing import FakeClock


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


def test_a_released_lease_cannot_be_renewed(state):
    lease = state.acquire("tick", "a", 30)
    state.release(lease)
    state.release(lease)
    assert state.renew(lease, 30) is False
    assert state.acquire("tick", "a", 30).token > lease.token


def test_a_lease_that_nobody_has_heard_of_cannot_be_renewed(state):
    lost = Lease("tick", "a", 7)
    state.release(lost)
    assert state.renew(lost, 30) is False


def test_a_token_is_larger_than_the_caller_has_seen(state):
    first = state.acquire("tick", "a", 30, above=7)
    state.release(first)
    second = state.acquire("tick", "a", 30, above=3)
    state.release(second)
    assert (first.token, second.token) == (8, 9)
    assert state.acquire("tick", "a", 30).token == 10


def test_the_same_token_of_another_holder_is_not_ours(state):
    """As after the store was emptied between two acquisitions."""
    lease = state.acquire("tick", "a", 30)
    assert state.renew(replace(lease, holder="b"), 30) is False


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


STEPS = st.lists(
    st.tuples(st.sampled_from(["acquire", "renew", "release", "wait"]), st.integers(0, 2),
              st.integers(1, 9)),
    max_size=40,
)  # fmt: skip


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
@given(steps=STEPS)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_there_is_never_a_second_holder_and_tokens_only_grow(kind, tmp_path, steps):
    clock = FakeClock()
    path = tmp_path / f"{time.monotonic_ns()}.db"
    state = MemoryState(clock) if kind == "memory" else SqliteState(path, clock)
    last, until, given, held = 0, 0.0, False, {}
    for name, who, seconds in steps:
        if name == "wait":
            clock.advance(seconds)
        elif name == "acquire":
            lease = state.acquire("x", str(who), seconds)
            assert (lease is None) == (until > clock.time())
            if lease is not None:
                assert lease.token == last + 1
                last, until, given = lease.token, clock.time() + seconds, False
                held[who] = lease
        elif who in held:
            ours = held[who].token == last and not given
            if name == "renew":
                assert state.renew(held[who], seconds) is ours
            else:
                state.release(held[who])
            if ours:
                given = name == "release"
                until = 0.0 if given else clock.time() + seconds
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


RIVAL = """
import sys
from pathlib import Path
from workerkit.state.sqlite import SqliteState
state, taken = SqliteState(Path(sys.argv[1])), 0
print("ready", flush=True)
input()
while taken < 100:
    if lease := state.acquire("tick", sys.argv[2], 30):
        print(lease.token, flush=True)
        assert state.renew(lease, 30)
        state.release(lease)
        taken += 1
"""


def test_two_processes_never_have_a_lease_at_once(tmp_path):
    """Either would be refused its renewal if the other had got the lease in between."""
    command = [sys.executable, "-c", RIVAL, str(tmp_path / "state.db")]
    rivals = [
        subprocess.Popen([*command, name], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for name in "ab"
    ]
    assert [rival.stdout.readline() for rival in rivals] == ["ready\n"] * 2
    for rival in rivals:
        rival.stdin.write("go\n")
        rival.stdin.flush()
    tokens = [list(map(int, rival.communicate(timeout=60)[0].split())) for rival in rivals]
    assert [rival.returncode for rival in rivals] == [0, 0]
    assert all(each == sorted(each) for each in tokens)
    assert sorted(tokens[0] + tokens[1]) == list(range(1, 201))


def test_a_file_that_was_deleted_is_made_anew_and_shared_again(tmp_path):
    path = tmp_path / "state.db"
    one, other = SqliteState(path), SqliteState(path)
    lease = one.acquire("tick", "a", 30)
    assert other.acquire("tick", "b", 30) is None
    for file in tmp_path.iterdir():
        file.unlink()
    assert other.acquire("tick", "b", 30, above=lease.token).token == 2
    assert one.renew(lease, 30) is False
    assert one.acquire("tick", "a", 30) is None
    one.close()
    other.close()


def test_a_file_that_cannot_be_used_is_said_at_the_call_and_tried_again(tmp_path):
    path = tmp_path / "state.db"
    path.write_bytes(b"no database, but long enough to be seen as none" * 100)
    state = open_state(None, tmp_path)
    with pytest.raises(StorageError, match="file is not a database"):
        state.members()
    path.unlink()
    assert state.members() == []
    state.close()


def test_the_cache_keeps_values_for_a_while(state):
    state.cache({"a": b'{"n":1}', "b": "\N{SNOWMAN}".encode()}, 0.5)
    assert state.cached(["a", "b", "c"]) == {"a": b'{"n":1}', "b": "\N{SNOWMAN}".encode()}
    state.cache({"a": b"2"}, 30.0)
    end = time.monotonic() + 10
    while len(state.cached(["a", "b"])) > 1:
        assert time.monotonic() < end
    assert state.cached(["a", "b"]) == {"a": b"2"}


def test_the_cache_takes_many_values_and_none(state):
    state.cache({f"key {n}": str(n).encode() for n in range(3000)}, 30.0)
    assert len(state.cached([f"key {n}" for n in range(3000)])) == 3000
    assert state.cached([]) == {}
