"""One tick of one job: from the claim to the end of its row."""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime

from ..core.backoff import STORAGE_BACKOFF
from ..core.clock import Clock
from ..core.failure import describe, trace
from ..core.hooks import Ran, RunHook, surrounding, tell_run
from ..core.loop import EventLoop
from ..core.state import who
from ..core.trace import of_run
from ..errors import HandlerTimeout, LeaseLost, StorageError
from .job import RunContext
from .ledger import Begun, Claim, Ledger, Run, RunState, RunWork
from .line import Due, Entry, Line
from .watch import Watch

log = logging.getLogger("workerkit.cron")

CURRENT_RUN: ContextVar[Run | None] = ContextVar("workerkit_run", default=None)
"""The run that a job's code runs for, on its thread or in its task."""


@dataclass(frozen=True, slots=True)
class Active:
    """A run of this process; `overdue_at` in monotonic seconds, None without a timeout."""

    run: Run
    entry: Entry
    work: RunWork
    overdue_at: float | None


class Runner:
    """Claims ticks for one process, known as *holder*, and runs the jobs; safe from many threads.

    `trouble` is what keeps it from claiming, None when nothing does.
    """

    def __init__(
        self,
        ledger: Ledger,
        watch: Watch,
        holder: str,
        clock: Clock,
        loop: EventLoop,
        hooks: Sequence[RunHook],
        stopping: threading.Event,
    ) -> None:
        self.ledger = ledger
        self.watch = watch
        self.holder = holder
        self.clock = clock
        self.loop = loop
        self.hooks = hooks
        self._surround = surrounding(hooks)
        self.stopping = stopping
        self.trouble: str | None = None
        self._active: dict[tuple[str, float], Active] = {}

    @property
    def active(self) -> list[Active]:
        """The runs of this process that are not over."""
        return list(self._active.values())

    def claim(self, line: Line) -> Run | None:
        """Go through *line* until a tick is ours: then its run, to be executed.

        None when nothing more can be claimed now.
        """
        while not self.stopping.is_set() and (head := line.head()):
            try:
                settled, run = self._settle(line.entry, head)
            except StorageError as error:
                self._wait_out(line, error)
                return None
            line.failures = 0
            self.trouble = None
            if not settled:
                return None
            line.done(len(head))
            if run is not None:
                return run
        return None

    def claim_by_hand(self, entry: Entry, tick: float) -> Begun:
        """Claim *tick* because somebody asks for it; one that ended without success, too.

        Raises:
            StorageError: The ledger does not answer.
        """
        claim = Claim(entry.name, tick, self.holder, "manual", entry.job.overlap == "allow")
        begun = self.ledger.begin(claim)
        if begun.verdict == "busy" and self.bury(begun.run):
            begun = self.ledger.begin(claim)
        return begun

    def execute(self, entry: Entry, run: Run) -> Run:
        """Run the job; the run as it ended."""
        work = self.ledger.work(run)
        context = RunContext(run, work, self.stopping.is_set)
        began = self.clock.monotonic()
        with self._watched(entry, run, work):
            try:
                self._call(entry, run, context)
                ended = work.finish(context.rows)
            except LeaseLost as error:  # who has ended the run has told of it
                work.rollback()
                log.warning("a run came too late", extra={"error": str(error)})
                return self._end(run, "abandoned", error, context.rows)
            except BaseException as error:  # SystemExit too: it is the job's end, not ours
                work.rollback()
                state: RunState = "timed_out" if isinstance(error, HandlerTimeout) else "failed"
                ended = self._end(run, state, error, context.rows)
        self._tell(ended, self.clock.monotonic() - began)
        return ended

    def give_up(self, active: Active) -> bool:
        """Record that a run is past its timeout; False when it has ended by itself meanwhile.

        Its thread cannot be ended, only its process.

        On SQLite the job may hold the write lock, so its transaction is
        undone from here when the record does not come through at once.
        """
        timeout = active.entry.job.timeout
        error = HandlerTimeout(f"ran longer than {timeout:g} s; its process is started anew")

        def record() -> None:
            ended = self._end(active.run, "timed_out", error, active.run.rows)
            self._tell(ended, ended.ended - ended.started)

        recorded = threading.Thread(target=record, daemon=True)
        recorded.start()
        recorded.join(1.0)
        if recorded.is_alive():
            threading.Thread(target=active.work.rollback, daemon=True).start()
            recorded.join(4.0)
        return active in self.active

    def reap(self) -> None:
        """Mark the runs of dead processes as abandoned."""
        runs = self.ledger.running()
        self.watch.keep_to({run.holder for run in runs})
        for run in runs:
            self.bury(run)

    def bury(self, run: Run) -> bool:
        """Mark *run* as abandoned when its process is dead; whether it is over."""
        if run.holder == self.holder or not self.watch.is_dead(run.holder):
            return False
        reason = f"{who(run.holder)} has not been heard of for {self.watch.lease:g} s"
        ended = self.ledger.end(run, "abandoned", reason, "", run.rows)
        if ended.state == "abandoned":
            self._tell(ended, 0.0)
        return True

    def _settle(self, entry: Entry, head: list[Due]) -> tuple[bool, Run | None]:
        """Whether *head* has its rows now, and the run if it is ours."""
        if head[0].reason:
            self._skip(entry, [due.tick for due in head], head[0].reason)
            return True, None
        (due,) = head
        together = entry.job.overlap == "allow"
        begun = self.ledger.begin(Claim(entry.name, due.tick, self.holder, together=together))
        if begun.verdict == "ours":
            return True, begun.run
        if begun.verdict == "busy":
            if self.bury(begun.run):
                return self._settle(entry, head)
            if entry.job.overlap == "queue":
                return False, None
            other = begun.run
            reason = f"the run for {moment(other.tick)} by {who(other.holder)} is not over"
            self._skip(entry, [due.tick], reason)
        elif begun.run.holder == self.holder and begun.run.state == "skipped":
            self._tell(begun.run, 0.0)
        return True, None

    def _skip(self, entry: Entry, ticks: list[float], reason: str) -> None:
        service, _, job = entry.name.partition("/")
        for tick in self.ledger.skip(entry.name, ticks, reason):
            tell_run(self.hooks, Ran(service, job, tick, "skipped", message=reason))

    def _call(self, entry: Entry, run: Run, context: RunContext) -> None:
        span = of_run(run.job, run.tick, run.token)
        with self._surround(span) if self._surround else nullcontext():
            result = entry.job.run(context)
            if inspect.isawaitable(result):
                self.loop.run(result, entry.job.timeout)

    def _end(self, run: Run, state: RunState, error: BaseException, rows: int) -> Run:
        """Record the end, for as long as that takes; the row as it is then."""
        reason, traceback = describe(error), trace(error)
        failures = 0
        while True:
            try:
                ended = self.ledger.end(run, state, reason, traceback, rows)
            except StorageError as trouble:
                failures += 1
                self.trouble = str(trouble)
                log.warning("could not record a run", extra={"error": str(trouble)})
            else:
                self.trouble = None
                return ended
            if self.clock.wait(self.stopping, STORAGE_BACKOFF.wait(failures)):
                return run

    def _wait_out(self, line: Line, error: StorageError) -> None:
        line.failures += 1
        line.retry_at = self.clock.monotonic() + STORAGE_BACKOFF.wait(line.failures)
        if self.trouble is None:
            log.warning("the ledger does not answer", extra={"error": str(error)})
        self.trouble = str(error)

    @contextmanager
    def _watched(self, entry: Entry, run: Run, work: RunWork) -> Iterator[None]:
        timeout = entry.job.timeout
        if timeout is not None and inspect.iscoroutinefunction(entry.job.run):
            timeout += 1.0  # the loop cancels it, unless it blocks the loop
        overdue_at = None if timeout is None else self.clock.monotonic() + timeout
        key = (run.job, run.tick)
        self._active[key] = Active(run, entry, work, overdue_at)
        token = CURRENT_RUN.set(run)
        try:
            yield
        finally:
            CURRENT_RUN.reset(token)
            self._active.pop(key, None)

    def _tell(self, run: Run, duration: float) -> None:
        if run.state == "running":
            return
        service, _, job = run.job.partition("/")
        late = max(0.0, run.started - run.tick) if run.state != "skipped" else 0.0
        error, _, _ = run.reason.partition(":")
        failed = run.state in ("failed", "timed_out")
        record = Ran(
            service, job, run.tick, run.state, late, duration, run.rows,
            error if failed else "", run.reason, of_run(run.job, run.tick, run.token),
        )  # fmt: skip
        tell_run(self.hooks, record)


def moment(seconds: float) -> str:
    """Epoch seconds in RFC 3339, in UTC; fractions only where there are some."""
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")
