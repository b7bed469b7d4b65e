"""Child processes: their output, their end, and that none outlives us."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import psutil
import pytest

from tests.waiting import until
from workerkit.core.child import ChildProcess
from workerkit.core.supervisor import Supervisor

SLEEP = "import time\ntime.sleep(600)\n"

STUBBORN = f"import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up')\n{SLEEP}"

GRANDCHILD = (
    "import subprocess, sys\n"
    f"print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}], stdout=2).pid)\n"
)

POLITE = (
    "import signal, sys\n"
    "signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))\n"
    f"print('up')\n{SLEEP}"
)

TIED = "from workerkit.core.child import end_with_parent\nend_with_parent()\n"

PARENT = """
import sys, time
from workerkit.core.child import ChildProcess
child = ChildProcess("child", [sys.executable, "-u", "-c", sys.argv[1]], print)
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""

Make = Callable[[str], tuple[ChildProcess, list[str]]]


@pytest.fixture
def make() -> Iterator[Make]:
    """A child that runs a program, and the lines it said; none is left at the end."""
    made: list[ChildProcess] = []
    before = psutil.Process().children(recursive=True)

    def one(program: str, **options) -> tuple[ChildProcess, list[str]]:
        said: list[str] = []
        command = [sys.executable, "-u", "-c", program]
        child = ChildProcess(f"child-{len(made)}", command, said.append, **options)
        made.append(child)
        return child, said

    yield one
    for child in made:
        child.stop(0.0)
    assert [p for p in psutil.Process().children(recursive=True) if p not in before] == []


def test_both_outputs_arrive_line_by_line(make):
    child, said = make(
        "import os, sys\nos.write(1, b'one\\r\\ntw')\nos.write(1, b'o\\n')\n"
        "os.write(2, b'\\xff three')\nsys.exit(3)"
    )
    child.start()
    until(lambda: not child.alive)
    assert said == ["one", "two", "\N{REPLACEMENT CHARACTER} three"]
    assert child.exit_code == 3


def test_a_line_without_an_end_is_handed_on_in_pieces(make):
    child, said = make("print('x' * 200_000)")
    child.start()
    until(lambda: not child.alive)
    assert ("".join(said), len(said)) == ("x" * 200_000, 4)


def test_a_reader_that_is_broken_does_not_stall_the_child():
    def broken(line: str) -> None:
        raise ValueError(line)

    child = ChildProcess("child", [sys.executable, "-c", "print('x\\n' * 100_000)"], broken)
    child.log.disabled = True
    child.start()
    until(lambda: not child.alive)
    assert child.exit_code == 0


def test_stop_asks_once_and_waits_for_the_end(make):
    child, said = make(POLITE)
    child.start()
    until(lambda: said == ["up"])
    child.ask()
    child.stop(20.0)
    assert (child.alive, child.exit_code) == (False, 7)
    child.stop(20.0)


def test_stop_before_start_does_nothing_and_start_after_stop_starts(make):
    child, said = make(POLITE)
    child.stop(0.1)
    assert child.pid is None
    for _ in range(2):
        child.start()
        first = child.pid
        child.start()
        assert child.pid == first
        until(lambda: "up" in said)
        child.stop(20.0)
        said.clear()


def test_what_ignores_sigterm_is_killed_after_the_deadline(make):
    child, said = make(STUBBORN)
    child.start()
    until(lambda: said == ["up"])
    child.stop(0.1)
    assert (child.alive, child.exit_code) == (False, -signal.SIGKILL)


@pytest.mark.parametrize("session", [False, True])
def test_the_whole_family_is_killed_even_in_a_session_of_its_own(make, session):
    child, said = make(GRANDCHILD.replace("stdout=2", f"start_new_session={session}") + STUBBORN)
    child.start()
    until(lambda: len(said) == 2)
    child.stop(0.1)
    until(lambda: gone(int(said[0])))


def test_what_a_child_leaves_in_its_session_ends_with_it(make):
    child, said = make(GRANDCHILD)
    child.start()
    until(lambda: not child.alive)
    assert child.exit_code == 0
    until(lambda: gone(int(said[0])))


def test_a_command_that_is_missing_fails_the_start(tmp_path):
    child = ChildProcess("child", [str(tmp_path / "nothing")], print)
    with pytest.raises(FileNotFoundError):
        child.start()
    assert not child.alive
    child.stop(0.1)


def test_its_end_is_told_with_the_exit_code(make):
    told = []
    child, _ = make("raise SystemExit(5)", ended=lambda c, code: told.append((c.alive, code)))
    child.start()
    until(lambda: not child.alive)
    assert told == [(True, 5)]


def test_a_supervisor_starts_a_killed_child_again(make):
    child, said = make(POLITE)
    supervisor = Supervisor([child])
    supervisor.start()
    try:
        until(lambda: said == ["up"])
        first = child.pid
        psutil.Process(first).kill()
        until(lambda: said == ["up", "up"])
        assert child.pid != first
        assert supervisor.restarts == {child.name: 1}
    finally:
        supervisor.stop(20.0)
    assert child.exit_code == 7


def test_a_child_that_rests_is_left_alone(make):
    child, _ = make("", ended=lambda child, code: child.rest())
    supervisor = Supervisor([child])
    child.start()
    until(lambda: not child.alive)
    supervisor.check()
    supervisor.check()
    assert (child.alive, supervisor.restarts) == (False, {})


def test_a_child_outlives_the_thread_that_started_it(make):
    child, said = make(f"{TIED}{POLITE}")
    starter = threading.Thread(target=child.start)
    starter.start()
    starter.join()
    until(lambda: said == ["up"])
    child.stop(20.0)
    assert child.exit_code == 7


HUNG = f"{TIED}import os, signal\nprint('up')\nos.kill(os.getpid(), signal.SIGSTOP)\n{SLEEP}"

BY_PIPE = f"import sys, psutil\nsys.platform = 'any'\n{TIED}print('up')\n{SLEEP}"

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends what hangs")


@pytest.fixture
def parent_of(tmp_path) -> Iterator[Callable[[str], tuple[subprocess.Popen[bytes], int]]]:
    """Makes a process with a child that runs a program until it said `up`."""
    parents: list[subprocess.Popen[bytes]] = []

    def make(program: str) -> tuple[subprocess.Popen[bytes], int]:
        log = tmp_path / "log"
        with log.open("wb") as file:
            command = [sys.executable, "-u", "-c", PARENT, program]
            parents.append(subprocess.Popen(command, stdout=file, stderr=file))
        up = re.compile(r"^up$", re.M)
        until(lambda: up.search(log.read_text()), 20)
        (child,) = psutil.Process(parents[0].pid).children()
        return parents[0], child.pid

    yield make
    for parent in parents:
        parent.kill()
        parent.wait(20)


@pytest.mark.parametrize(
    "program",
    [
        pytest.param(f"{TIED}print('up')\n{SLEEP}", id="both ways"),
        pytest.param(BY_PIPE, id="by the pipe"),
        pytest.param(HUNG, id="hung", marks=LINUX),
    ],
)
def test_a_child_ends_when_its_parent_is_killed(parent_of, program):
    parent, pid = parent_of(program)
    parent.kill()
    parent.wait(20)
    until(lambda: gone(pid), 5)


def test_by_the_pipe_the_childs_own_children_end_too(parent_of):
    parent, pid = parent_of(GRANDCHILD + BY_PIPE)
    (grandchild,) = psutil.Process(pid).children()
    parent.kill()
    parent.wait(20)
    until(lambda: gone(pid) and gone(grandchild.pid), 5)


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
