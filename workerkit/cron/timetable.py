"""Which job is due next: the `schedule` library's loop, fed by cron expressions."""

from __future__ import annotations

import heapq
import logging
from collections.abc import Callable, Hashable
from datetime import UTC, datetime
from random import Random

import schedule

from ..core.clock import Clock
from ..errors import ConfigurationError
from .expression import EPOCH, Expression

log = logging.getLogger("workerkit.cron")

Action = Callable[[datetime], object]
"""What to do at a tick; called with its due time."""


class TimedJob(schedule.Job):
    """A job of the `schedule` library whose next run comes from an expression.

    Each run is for one tick, `next_run`, and the next one follows that tick,
    not the clock: late, a job gets every tick it missed, oldest first.
    """

    next_run: datetime

    def __init__(
        self,
        name: str,
        expression: Expression,
        action: Action,
        clock: Clock,
        first: datetime,
        jitter: float,
    ) -> None:
        super().__init__(1)
        self.name = name
        self.expression = expression
        self.action = action
        self.clock = clock
        self.jitter = jitter
        self._go_to(first)

    def __lt__(self, other: object) -> bool:
        return isinstance(other, TimedJob) and self.due < other.due

    def __str__(self) -> str:
        return f"{self.name} ({self.expression.words()})"

    __repr__ = __str__

    @property
    def should_run(self) -> bool:
        """Whether its tick is due."""
        return self.clock.time() >= self.due

    def run(self) -> object:
        """Act on the tick; an error is logged, so that it holds up no other job."""
        tick = self.next_run
        try:
            self.action(tick)
        except Exception:
            log.exception("job failed", extra={"job": self.name, "tick": tick.isoformat()})
        self.last_run = tick
        following = self.expression.next(self.next_run, tick)
        if following is None:
            return schedule.CancelJob
        self._go_to(following)
        return None

    def skip_to(self, tick: datetime) -> None:
        """From within its action: go on after *tick*, a later time than the present tick's."""
        self.next_run = max(self.next_run, tick)

    def _go_to(self, tick: datetime) -> None:
        self.next_run = tick
        self.due = tick.timestamp()
        if self.jitter:
            self.due += Random(f"{self.name} {self.due}").uniform(0.0, self.jitter)


class Timetable(schedule.Scheduler):
    """Jobs in the order in which they are due: a heap, so that 10,000 cost no more than ten.

    One thread calls it. The clock is a wall clock and may jump: do not wait
    for `idle_seconds` in one go when that is long.
    """

    jobs: list[TimedJob]  # type: ignore[assignment]  # `schedule` would take any Job

    def __init__(self, clock: Clock) -> None:
        super().__init__()
        self.clock = clock

    def add(
        self,
        name: str,
        expression: Expression,
        action: Action,
        last_tick: datetime | None = None,
        jitter: float = 0.0,
    ) -> TimedJob:
        """Enter a job; with *last_tick* what it has missed since then is due at once.

        Each tick is acted on up to *jitter* seconds late, drawn from its name
        and time, so that replicas agree.

        Raises:
            ConfigurationError: The expression never fires.
        """
        if last_tick is None:
            now = datetime.fromtimestamp(self.clock.time(), UTC)
            first = expression.next(now, EPOCH)
        else:
            first = expression.next(last_tick, last_tick)
        if first is None:
            raise ConfigurationError(f'job {name}: cron "{expression}" never fires')
        job = TimedJob(name, expression, action, self.clock, first, jitter)
        heapq.heappush(self.jobs, job)
        return job

    def run_pending(self) -> None:
        """Run what is due, oldest tick first; at most as many ticks as there are jobs."""
        for _ in range(len(self.jobs)):
            if not self.jobs or not self.jobs[0].should_run:
                return
            job = self.jobs[0]
            self._run_job(job)
            if self.jobs and self.jobs[0] is job:
                heapq.heapreplace(self.jobs, job)
            else:
                heapq.heapify(self.jobs)

    def cancel_job(self, job: schedule.Job) -> None:
        """Take *job* out; fine when it is not in."""
        super().cancel_job(job)
        heapq.heapify(self.jobs)

    def clear(self, tag: Hashable | None = None) -> None:
        """Take out all jobs, or those with *tag*."""
        super().clear(tag)
        heapq.heapify(self.jobs)

    @property
    def idle_seconds(self) -> float | None:
        """Seconds until a job is due, 0.0 when one is; None without jobs."""
        if not self.jobs:
            return None
        return max(0.0, self.jobs[0].due - self.clock.time())
