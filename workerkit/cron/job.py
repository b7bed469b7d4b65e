"""What a user writes to run something on a schedule."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import schedule as schedule_library

from ..errors import ConfigurationError
from .every import expression_of
from .expression import Expression
from .ledger import Run, RunWork, Trigger
from .misfire import Misfire

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Overlap = Literal["skip", "queue", "allow"]

_NAME = re.compile(r"[A-Za-z0-9_.:-]+")
_CHOICES = {"overlap": ("skip", "queue", "allow"), "misfire": ("skip", "latest", "all")}


class RunContext:
    """What a job may use while it runs for one tick."""

    def __init__(self, run: Run, work: RunWork, stopping: Callable[[], bool]) -> None:
        self.job = run.job
        self.tick = datetime.fromtimestamp(run.tick, UTC)
        self.trigger: Trigger = run.trigger
        self.token = run.token
        self.rows = 0
        """How many rows were touched; for the job to add to, shown in the run."""
        self._work = work
        self._stopping = stopping

    @property
    def session(self) -> Session:
        """The service's database, in a transaction that commits when the job ends well.

        `commit`, `rollback` and `close` are refused: use `context.commit()`, or raise.
        """
        session: Session = self._work.session()
        return session

    @property
    def stopping(self) -> bool:
        """Whether the process was told to stop: a job that goes on in pieces may end now."""
        return self._stopping()

    @property
    def idempotency_key(self) -> str:
        """The same text for every run of this tick; for effects elsewhere."""
        return f"{self.job}/{self.tick.isoformat()}"

    def publish(self, topic: str, data: Any) -> None:
        """Publish *data* to *topic* if, and only if, the transaction commits.

        Raises:
            InvalidPayload: *topic* is no name, or *data* is not JSON.
        """
        self._work.publish(topic, data)

    def commit(self) -> None:
        """Make durable what was done so far, and go on in a new transaction.

        A long job does so after each piece: on SQLite nobody else writes
        meanwhile, and what is committed need not be done again.

        Raises:
            LeaseLost: The run was given up, as this process had gone silent.
            StorageError: The database did not take it.
        """
        self._work.commit(self.rows)


class CronJob:
    """Runs on a schedule, each tick once over all replicas; subclass it.

    `schedule` is a robfig/cron v3 expression (six fields begin with seconds),
    or `every(5).minutes` of the `schedule` library, in `timezone`. `timeout`,
    `grace` and `jitter` are in seconds. `overlap` tells what becomes of a tick
    while an earlier run is not over, `misfire` of ticks that are more than
    `grace` late. A `def` job past its timeout has its process started anew.
    """

    schedule: ClassVar[str | schedule_library.Job] = ""
    name: ClassVar[str] = ""
    timezone: ClassVar[str] = "UTC"
    overlap: ClassVar[Overlap] = "skip"
    misfire: ClassVar[Misfire] = "latest"
    grace: ClassVar[float] = 60.0
    timeout: ClassVar[float | None] = None
    jitter: ClassVar[float] = 0.0

    def run(self, context: RunContext) -> Awaitable[None] | None:
        """Do the work of one tick; raise to have the run fail."""
        raise NotImplementedError


def job_name(job: CronJob) -> str:
    """The job's `name`, else its class name in snake case without "Job"."""
    if job.name:
        return job.name
    stem = type(job).__name__.removesuffix("Job") or type(job).__name__
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", stem).lower()


def check_job(job: CronJob) -> Expression:
    """The job's schedule; refuses a job that can never work.

    Raises:
        ConfigurationError: What is wrong, with the job's name in front.
    """
    if not isinstance(job, CronJob):
        raise ConfigurationError(f"{job!r} is no CronJob")
    label = f"job {job_name(job)}"
    if type(job).run is CronJob.run:
        raise ConfigurationError(f"{label}: {type(job).__name__} has no run(context) method")
    if not job.schedule:
        raise ConfigurationError(f'{label}: has no schedule, e.g. `schedule = "*/5 * * * *"`')
    if not _NAME.fullmatch(job_name(job)):
        raise ConfigurationError(f"{label}: a name has letters, digits and _.:- only")
    for option, allowed in _CHOICES.items():
        if getattr(job, option) not in allowed:
            given = getattr(job, option)
            raise ConfigurationError(f"{label}: {option} is {given!r}, must be one of {allowed}")
    for option in ("timeout", "grace", "jitter"):
        seconds = getattr(job, option)
        if seconds is not None and not (isinstance(seconds, int | float) and seconds >= 0):
            raise ConfigurationError(f"{label}: {option} is {seconds!r}, must be seconds")
    try:
        expression = expression_of(job.schedule, job.timezone)
    except ConfigurationError as error:
        raise ConfigurationError(f"{label}: {error}") from None
    if expression.never:
        raise ConfigurationError(f'{label}: cron "{expression}" never fires')
    return expression
