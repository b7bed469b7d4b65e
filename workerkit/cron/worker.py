"""The cron worker of a process: its loop, its threads, and what it tells of its jobs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from ..core.clock import Clock, SystemClock
from ..core.hooks import RunHook
from ..core.loop import EventLoop
from ..core.worker import BaseWorker
from ..errors import ConfigurationError, StorageError
from .crew import Crew
from .job import CronJob, check_job, job_name
from .ledger import Begun, Ledger, Run
from .line import Due, Entry, Line
from .misfire import due_ticks, judge
from .runner import Active, Runner, moment
from .timetable import TimedJob, Timetable
from .watch import Watch

THREADS = 32
"""Jobs of one process that run at once, when nothing else is said."""

TURN = 0.5
"""Seconds that the loop sleeps at most: a wall clock that jumps is noticed after that."""

SET_BACK = 1.0
"""Seconds by which the wall clock must go back to count as set, not as slewed."""


@dataclass(frozen=True, slots=True)
class JobFacts:
    """A job as its process sees it. Times in epoch seconds.

    `waiting` are due ticks without a row, the oldest of them due for `late`
    seconds; `next_run` is None when there is none. `success_due` is what
    `Entry.success_due` says of the last success, or else of the last tick.
    """

    name: str
    schedule: str
    next_run: float | None
    running: bool
    waiting: int
    late: float
    last_success: float | None
    success_due: float | None


class CronWorker(BaseWorker):
    """Runs the jobs of one service, each tick once over all replicas.

    *restart* is called with the reason when a `def` job is past its timeout:
    only a new process is rid of it.
    """

    def __init__(
        self,
        service: str,
        jobs: Sequence[CronJob],
        ledger: Ledger,
        watch: Watch,
        holder: str,
        *,
        restart: Callable[[str], None],
        threads: int = THREADS,
        clock: Clock | None = None,
        loop: EventLoop | None = None,
        hooks: Sequence[RunHook] = (),
        crew: Crew | None = None,
    ) -> None:
        super().__init__(f"{service}/cron")
        self.clock = clock or SystemClock()
        self.entries = entries_of(service, jobs)
        self.ledger = ledger
        self.runner = Runner(
            ledger, watch, holder, self.clock, loop or EventLoop(), hooks, self.stopping
        )
        self.beat = self.clock.monotonic()
        self.left = 0
        self._restart = restart
        self._crew = crew or Crew(f"{self.name} job", threads)
        self._lines = {name: Line(entry) for name, entry in self.entries.items()}
        self._waiting: set[str] = set()
        self._timetable = Timetable(self.clock)
        self._timed: dict[str, TimedJob] = {}
        self._successes: dict[str, float] = {}
        self._success_due: dict[str, float | None] = {}
        self._given_up: set[tuple[str, float]] = set()
        self._skew = 0.0
        self._reaped = self.clock.monotonic()
        self._awake = threading.Event()

    @property
    def trouble(self) -> str | None:
        """What keeps it from working, in one line; None when nothing does."""
        return self.runner.trouble

    def start(self) -> None:
        """Look up what was missed, and begin.

        Raises:
            StorageError: The ledger does not answer.
        """
        if self.alive:
            return
        self._lines = {name: Line(entry) for name, entry in self.entries.items()}
        self.plan()
        self._awake.clear()
        super().start()

    def stop(self, timeout: float = 25.0) -> None:
        """Let running jobs end within *timeout* seconds; `left` tells how many did not."""
        end = self.clock.monotonic() + timeout
        super().stop(timeout)
        self._crew.drain(max(0.0, end - self.clock.monotonic()), hopeless=len(self._given_up))
        self.left = len(self.runner.active)

    def wake(self) -> None:
        """Have the loop turn at once."""
        self._awake.set()

    def work(self) -> None:
        """Run what is due, until stopped."""
        while not self.stopping.is_set():
            self.turn()
            idle = self._timetable.idle_seconds
            self.clock.wait(self._awake, TURN if idle is None else min(TURN, idle))
            if not self.stopping.is_set():
                self._awake.clear()

    def turn(self) -> None:
        """One turn of the loop: clocks, timeouts, dead processes, due ticks, waiting ticks."""
        self.beat = now = self.clock.monotonic()
        self._notice_clock()
        self._give_up_overdue(now)
        if now >= self._reaped + self.runner.watch.lease / 6:
            self._reaped = now
            self._crew.submit(self._reap)
        self._timetable.run_pending()
        for name in list(self._waiting):
            line = self._lines[name]
            if not line:
                self._waiting.discard(name)
            elif now >= line.retry_at:
                self._serve_soon(line)

    def trigger(self, name: str, tick: float, ended: Callable[[Run], None]) -> Begun:
        """Claim *tick* of job *name* by hand; when it is ours it runs, and *ended* is told how.

        Raises:
            StorageError: The ledger does not answer.
        """
        entry = self.entries[name]
        begun = self.runner.claim_by_hand(entry, tick)
        if begun.verdict == "ours":
            task = partial(self._execute, entry, begun.run, ended)
            self._crew.submit(task, at_once=True)
        return begun

    def facts(self) -> list[JobFacts]:
        """Every job, as it is now."""
        now = self.clock.time()
        running = {active.run.job for active in self.runner.active}
        return [self._facts(name, line, now, name in running) for name, line in self._lines.items()]

    def _facts(self, name: str, line: Line, now: float, running: bool) -> JobFacts:
        timed, oldest = self._timed.get(name), line.oldest
        return JobFacts(
            name=name,
            schedule=str(line.entry.expression),
            next_run=timed.next_run.timestamp() if timed else None,
            running=running,
            waiting=len(line),
            late=0.0 if oldest is None else max(0.0, now - oldest),
            last_success=self._successes.get(name),
            success_due=self._success_due.get(name),
        )

    def plan(self) -> None:
        """Enter every job after its latest tick that the ledger has."""
        names = list(self.entries)
        self.ledger.forget_future(names)
        last = self.ledger.last_ticks(names)
        self._successes = self.ledger.last_successes(names)
        # Without any success the last tick is one that is owed: it comes after the second before.
        now = self.clock.time()
        began = {name: last[name] - 1.0 if name in last else now for name in names}
        since = {**began, **self._successes}
        self._success_due = {n: self.entries[n].success_due(since[n]) for n in names}
        self._skew = self.clock.time() - self.clock.monotonic()
        self._timetable.clear()
        for name, entry in self.entries.items():
            ticked = datetime.fromtimestamp(last[name], UTC) if name in last else None
            self._timed[name] = self._timetable.add(
                name, entry.expression, partial(self._due, name), ticked, entry.job.jitter
            )

    def _notice_clock(self) -> None:
        """Plan anew when the wall clock was set back: ticks to come are none that were missed."""
        skew = self.clock.time() - self.clock.monotonic()
        if skew < self._skew - SET_BACK:
            try:
                self.plan()
            except StorageError as error:
                self.log.warning("the ledger does not answer", extra={"error": str(error)})
                return
        self._skew = skew

    def _due(self, name: str, tick: datetime) -> None:
        """A tick of a job has come, and maybe more that were missed."""
        line = self._lines[name]
        job, now = line.entry.job, datetime.fromtimestamp(self.clock.time(), UTC)
        ticks = due_ticks(line.entry.expression, tick, now)
        self._timed[name].skip_to(ticks[-1])
        run, left_out = judge(ticks, now, job.misfire, job.grace + job.jitter)
        reason = f"misfire: more than {job.grace:g} s late"
        if job.misfire == "latest":
            reason = f"misfire: the run for {moment(ticks[-1].timestamp())} makes up for it"
        line.add([Due(each.timestamp(), reason) for each in left_out])
        line.add([Due(each.timestamp()) for each in run])
        self._waiting.add(name)

    def _serve_soon(self, line: Line) -> None:
        if line.take():
            self._crew.submit(partial(self._serve, line))

    def _serve(self, line: Line) -> None:
        """Claim what waits; a tick that is ours runs on this thread, others may be claimed then."""
        try:
            run = self.runner.claim(line)
        finally:
            line.leave()
        if run is None:
            return
        self._execute(line.entry, run)
        self._serve_soon(line)

    def _execute(
        self, entry: Entry, run: Run, ended: Callable[[Run], None] = lambda run: None
    ) -> None:
        after = self.runner.execute(entry, run)
        if after.state == "succeeded":
            self._successes[after.job] = after.ended
            self._success_due[after.job] = entry.success_due(after.ended)
        ended(after)

    def _give_up_overdue(self, now: float) -> None:
        for active in self.runner.active:
            key = (active.run.job, active.run.tick)
            overdue = active.overdue_at is not None and now >= active.overdue_at
            if overdue and key not in self._given_up:
                self._given_up.add(key)
                threading.Thread(target=self._give_up, args=(active,), daemon=True).start()

    def _give_up(self, active: Active) -> None:
        if self.runner.give_up(active):
            timeout = active.entry.job.timeout
            self._restart(f"{active.run.job} runs longer than its timeout of {timeout:g} s")
        else:
            self._given_up.discard((active.run.job, active.run.tick))

    def _reap(self) -> None:
        try:
            self.runner.reap()
        except StorageError as error:
            self.log.warning("the ledger does not answer", extra={"error": str(error)})


def entries_of(service: str, jobs: Sequence[CronJob]) -> dict[str, Entry]:
    """The jobs of *service* by `service/job`.

    Raises:
        ConfigurationError: One that can never work, see `check_job`, or two of one name.
    """
    entries: dict[str, Entry] = {}
    for job in jobs:
        expression = check_job(job)
        name = f"{service}/{job_name(job)}"
        if name in entries:
            raise ConfigurationError(f"{service} has two jobs named {job_name(job)!r}")
        entries[name] = Entry(name, job, expression)
    return entries
