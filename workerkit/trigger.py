"""Runs a job now: in a running worker if there is one on this machine, else in this process."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from .core.clock import SystemClock
from .core.heartbeat import PERIOD, Heartbeat
from .core.loop import EventLoop
from .core.state import Member, new_member_id, who
from .cron.ledger import Begun, Run
from .cron.line import Entry
from .cron.runner import Runner, moment
from .cron.watch import Watch
from .errors import CheckFailed, StartStopError, StorageError, Unreachable
from .observability.logs import LogHook
from .observability.trigger import ask_worker
from .project import Project

CRON_MODES = ("cron", "all", "inline")


@dataclass(frozen=True, slots=True)
class Triggered:
    """Where a job runs, in words, and its run as far as it is known."""

    where: str
    run: Run


def trigger(
    project: Project,
    entry: Entry,
    tick: float | None,
    *,
    wait: bool,
    line: Callable[[str], None],
) -> Triggered:
    """Run *entry* for *tick* (epoch seconds; None: now); *line* is told what a worker's run logs.

    Without a worker that runs the service's jobs it runs here, and is always waited for.

    Raises:
        StartStopError: It was not started: it runs already, or that tick has succeeded.
        StorageError: The ledger does not answer.
    """
    for member in _workers(project, entry):
        try:
            begun, ended = ask_worker(member.port, entry.name, tick, wait=wait, line=line)
        except Unreachable as error:
            line(f"{error}; trying elsewhere")
            continue
        where = f"the worker on port {member.port}, pid {member.pid}"
        return Triggered(where, ended or _ours(begun))
    return Triggered("this process", _run_here(project, entry, tick))


def _workers(project: Project, entry: Entry) -> list[Member]:
    """Processes of this machine that run the jobs of the entry's service."""
    service, here = entry.name.partition("/")[0], socket.gethostname()
    try:
        members = project.state.members()
    except StorageError:
        return []
    now = time.time()
    return [
        member for member in members
        if (member.service, member.host) == (service, here)
        and member.mode in CRON_MODES and member.port and member.until > now
    ]  # fmt: skip


def _run_here(project: Project, entry: Entry, tick: float | None) -> Run:
    service = entry.name.partition("/")[0]
    project.prepare(service)
    clock, lease = SystemClock(), project.lease
    holder = new_member_id()
    member = Member(holder, service, "trigger", socket.gethostname(), os.getpid(), 0, clock.time())
    heartbeat = Heartbeat(
        project.state, lambda: member, f"{service}/heartbeat", period=min(PERIOD, lease / 3)
    )
    watch = Watch(project.state, lease, clock)
    runner = Runner(
        project.ledger(service), watch, holder, clock, EventLoop(), [LogHook()], threading.Event()
    )
    when = round(clock.time(), 3) if tick is None else tick
    heartbeat.start()
    try:
        run = _ours(runner.claim_by_hand(entry, when))
        with _bounded(runner, entry):
            return runner.execute(entry, run)
    finally:
        heartbeat.stop(2.0)


@contextmanager
def _bounded(runner: Runner, entry: Entry) -> Iterator[None]:
    """End this process when the job in it is past its timeout and does not end."""

    def end() -> None:
        if any(runner.give_up(active) for active in runner.active):
            os._exit(CheckFailed.exit_code)

    timeout = entry.job.timeout
    timer = threading.Timer(timeout + 1.0, end) if timeout is not None else None
    if timer is not None:
        timer.daemon = True
        timer.start()
    try:
        yield
    finally:
        if timer is not None:
            timer.cancel()


def _ours(begun: Begun) -> Run:
    run = begun.run
    if begun.verdict == "ours":
        return run
    if run.state == "running":
        fact = f"{who(run.holder)} has been running it since {moment(run.started)}"
    else:
        fact = f"for {moment(run.tick)} it has succeeded at {moment(run.ended)}"
    raise StartStopError(f"{run.job} was not started: {fact}")
