"""What a process says of itself."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from ..core.hooks import Ran, Settled
from ..cron.worker import CronWorker, JobFacts
from ..events.consumer import EventConsumer

Status = Literal["running", "degraded", "stopped"]


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """One event worker or one cron job. Times in epoch seconds, ages in seconds.

    `jobs_processed` counts what was applied or succeeded, `jobs_failed` what
    failed, `groups_lost` how often the broker had forgotten its group, all since
    this process started. Of a job, `topic` is its schedule, `lag` counts due
    ticks that have not begun, and the oldest of them is so old; `next_run_at`,
    `last_success_at` and `success_due_at`, by when it is to succeed next, are a
    job's alone.
    """

    name: str
    kind: str
    topic: str
    status: Status
    last_job_at: float | None
    jobs_processed: int
    jobs_failed: int
    lag: int
    oldest_event_age: float
    groups_lost: int
    trouble: str | None
    next_run_at: float | None = None
    last_success_at: float | None = None
    success_due_at: float | None = None


@dataclass(frozen=True, slots=True)
class Health:
    """One process; `parked`, `dead` and `outbox` are those of its service's database.

    `at` is where in the project's code its workers are, see `places`.
    """

    service: str
    mode: str
    status: Status
    guarantee: str
    started_at: float
    workers: tuple[WorkerHealth, ...]
    parked: int
    dead: int
    outbox: int
    at: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """As `/health` shows it: times in RFC 3339."""
        shown = asdict(self)
        shown["started_at"] = _moment(self.started_at)
        for worker in shown["workers"]:
            for name in ("last_job_at", "next_run_at", "last_success_at", "success_due_at"):
                worker[name] = _moment(worker[name])
            worker["oldest_event_age"] = round(worker["oldest_event_age"], 3)
        return shown


@dataclass(slots=True)
class Count:
    """What one worker did so far."""

    last_job_at: float | None = None
    jobs_processed: int = 0
    jobs_failed: int = 0


class Tally:
    """A hook that counts for health."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts: defaultdict[str, Count] = defaultdict(Count)

    def settled(self, records: Sequence[Settled]) -> None:
        """Count *records*, which are of one worker."""
        if not records:
            return
        applied = sum(record.outcome == "applied" for record in records)
        failed = sum(record.outcome in ("parked", "dead") for record in records)
        with self._lock:
            count = self._counts[records[0].worker]
            count.jobs_processed += applied
            count.jobs_failed += failed
            if applied or failed:
                count.last_job_at = time.time()

    def ran(self, record: Ran) -> None:
        """Count *record*, unless its tick was only skipped."""
        if record.outcome == "skipped":
            return
        with self._lock:
            count = self._counts[f"{record.service}/{record.job}"]
            count.jobs_processed += record.outcome == "succeeded"
            count.jobs_failed += record.outcome != "succeeded"
            count.last_job_at = time.time()

    def of(self, worker: str) -> Count:
        """The counts of *worker*; zeros when it did nothing yet."""
        return self._counts.get(worker, Count())


def consumer_health(
    consumer: EventConsumer, seen: Count, lag: tuple[int, float], trouble: str | None
) -> WorkerHealth:
    """An event worker; *lag* in events and in seconds since the oldest was published."""
    trouble = consumer.trouble or trouble
    return WorkerHealth(
        name=consumer.pipeline.name,
        kind="event",
        topic=consumer.worker.topic,
        status=_status(consumer.alive, trouble),
        last_job_at=seen.last_job_at,
        jobs_processed=seen.jobs_processed,
        jobs_failed=seen.jobs_failed,
        lag=lag[0],
        oldest_event_age=lag[1],
        groups_lost=consumer.groups_lost,
        trouble=trouble,
    )


def job_health(cron: CronWorker, facts: JobFacts, seen: Count, trouble: str | None) -> WorkerHealth:
    """A job of *cron*."""
    trouble = cron.trouble or trouble
    return WorkerHealth(
        name=facts.name,
        kind="cron",
        topic=facts.schedule,
        status=_status(cron.alive, trouble),
        last_job_at=seen.last_job_at,
        jobs_processed=seen.jobs_processed,
        jobs_failed=seen.jobs_failed,
        lag=facts.waiting,
        oldest_event_age=facts.late,
        groups_lost=0,
        trouble=trouble,
        next_run_at=facts.next_run,
        last_success_at=facts.last_success,
        success_due_at=facts.success_due,
    )


def _status(alive: bool, trouble: str | None) -> Status:
    return "stopped" if not alive else "degraded" if trouble else "running"


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
