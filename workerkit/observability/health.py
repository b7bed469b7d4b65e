"""What a process says of itself."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from ..core.hooks import Settled

Status = Literal["running", "degraded", "stopped"]


@dataclass(frozen=True, slots=True)
class WorkerHealth:
    """One worker. Times in epoch seconds, ages in seconds.

    `jobs_processed` counts what was applied, `jobs_failed` attempts that
    failed, `groups_lost` how often the broker had forgotten its group, all since
    this process started.
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


@dataclass(frozen=True, slots=True)
class Health:
    """One process; `parked`, `dead` and `outbox` are those of its service's database."""

    service: str
    mode: str
    status: Status
    guarantee: str
    started_at: float
    workers: tuple[WorkerHealth, ...]
    parked: int
    dead: int
    outbox: int

    def as_json(self) -> dict[str, Any]:
        """As `/health` shows it: times in RFC 3339."""
        shown = asdict(self)
        shown["started_at"] = _moment(self.started_at)
        for worker in shown["workers"]:
            worker["last_job_at"] = _moment(worker["last_job_at"])
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

    def of(self, worker: str) -> Count:
        """The counts of *worker*; zeros when it did nothing yet."""
        return self._counts.get(worker, Count())


def _moment(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
