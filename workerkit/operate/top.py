"""Who does how much right now: what processes say, and what changed since they were last asked."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from .jobs import Job
from .status import ProcessStatus, Status, WorkerStatus


@dataclass(frozen=True, slots=True)
class Row:
    """One worker, or one job, in one process.

    `rate` is how many events it settles, or runs it ends, a second; None as
    long as it was asked only once. `next` in seconds is a job's next tick,
    None for events, for a paused job and one that never runs again.
    """

    service: str
    name: str
    kind: str
    port: int
    status: str
    rate: float | None
    lag: int
    oldest: float
    processed: int
    failed: int
    next: float | None
    paused: bool


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything at one moment; `troubles` are sentences, the counts are over all services."""

    rows: tuple[Row, ...]
    parked: int
    dead: int
    outbox: int
    troubles: tuple[str, ...]


class Top:
    """Asks again and again; *look* and *jobs* do the asking."""

    def __init__(
        self,
        look: Callable[[], Status],
        jobs: Callable[[], Sequence[Job]],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._look = look
        self._jobs = jobs
        self._monotonic = monotonic
        self._before: dict[tuple[int, str, str | None], tuple[float, int]] = {}

    def scene(self) -> Scene:
        """Ask now."""
        found, jobs = self._look(), {job.name: job for job in self._jobs()}
        ours = [process for process in found.processes if not process.foreign]
        rows = [self._row(p, w, jobs.get(w.name)) for p in ours for w in p.workers]
        # Replicas of a service tell of the same rows in its database.
        counts = {p.service: (p.parked, p.dead, p.outbox) for p in ours if p.workers}
        parked, dead, outbox = (sum(each[n] for each in counts.values()) for n in range(3))
        return Scene(tuple(rows), parked, dead, outbox, tuple(_troubles(found)))

    def _row(self, process: ProcessStatus, worker: WorkerStatus, job: Job | None) -> Row:
        paused = job is not None and job.paused_by is not None
        return Row(
            service=process.service,
            name=worker.name,
            kind=worker.kind,
            port=process.port,
            status="paused" if paused else worker.status,
            rate=self._rate(process, worker),
            lag=worker.lag,
            oldest=worker.oldest_event_age,
            processed=worker.processed,
            failed=worker.failed,
            next=None if paused or job is None else _until(job),
            paused=paused,
        )

    def _rate(self, process: ProcessStatus, worker: WorkerStatus) -> float | None:
        key = (process.port, worker.name, process.started_at)
        now, before = self._monotonic(), self._before.get(key)
        self._before[key] = (now, worker.processed)
        if before is None or now <= before[0]:
            return None
        return (worker.processed - before[1]) / (now - before[0])


def _until(job: Job) -> float | None:
    if not job.next:
        return None
    return max(0.0, datetime.fromisoformat(job.next[0]).timestamp() - time.time())


def _troubles(found: Status) -> list[str]:
    told = []
    for process in found.processes:
        if process.foreign:
            told.append(f"port {process.port} of {process.service}: {process.foreign}")
        elif process.status in ("gone", "silent"):
            told.append(f"{process.service} {process.mode} on port {process.port} is "
                        f"{process.status}")  # fmt: skip
        told += [f"{w.name}: {w.trouble}" for w in process.workers if w.trouble]
    return told
