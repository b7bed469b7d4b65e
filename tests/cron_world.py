"""A service with jobs on a clock of its own, and no thread but the test's."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.clocks import SteppedClock
from workerkit.core.hooks import Ran
from workerkit.core.state import Member
from workerkit.cron.job import CronJob
from workerkit.cron.ledger import Run
from workerkit.cron.watch import Watch
from workerkit.cron.worker import CronWorker
from workerkit.events.outbox import Outbox
from workerkit.state.memory import MemoryState
from workerkit.storage.database import Database
from workerkit.storage.runs import SqlLedger
from workerkit.storage.store import SqlStore
from workerkit.transports.memory import MemoryTransport

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
LEASE = 30.0


class TurnCrew:
    """Keeps tasks for the end of the worker's turn, and does them on the test's thread."""

    def __init__(self) -> None:
        self.tasks: list[Callable[[], None]] = []

    def submit(self, task: Callable[[], None], *, at_once: bool = False) -> None:
        self.tasks.append(task)

    def work(self) -> None:
        while self.tasks:
            self.tasks.pop(0)()

    def drain(self, timeout: float, hopeless: int = 0) -> bool:
        return True


class CronWorld:
    """One service on SQLite, and replicas of its cron worker."""

    def __init__(self, folder: Path, now: datetime = NOON) -> None:
        self.clock = SteppedClock(now)
        self.state = MemoryState(self.clock)
        self.transport = MemoryTransport()
        self.database = Database(f"sqlite:///{folder}/shop.db")
        self.database.upgrade(_migrate)
        self.outbox = Outbox("shop", SqlStore(self.database), self.transport, self.clock)
        self.ledger = SqlLedger(self.database, self.outbox, self.clock)
        self.told: list[Ran] = []
        self.restarts: list[str] = []
        self.restarted = threading.Event()
        self.crew = TurnCrew()

    def worker(self, *jobs: CronJob, holder: str = "here/1/a", ledger: Any = None) -> CronWorker:
        """A replica that has planned its jobs; `turn` it with the world's."""
        worker = CronWorker(
            "shop", jobs, ledger or self.ledger, Watch(self.state, LEASE, self.clock), holder,
            restart=self._restart, clock=self.clock, hooks=[self], crew=self.crew,
        )  # fmt: skip
        worker.plan()
        return worker

    def announce(self, holder: str) -> None:
        """What the heartbeat of process *holder* does."""
        member = Member(holder, "shop", "cron", "here", 1, 0, self.clock.time())
        self.state.announce(member, LEASE / 2)

    def ran(self, record: Ran) -> None:
        self.told.append(record)

    def pass_time(self, seconds: float, *workers: CronWorker) -> None:
        """Let time pass in steps of a second, and every worker turn after each."""
        for _ in range(round(seconds)):
            self.clock.advance(1.0)
            self.turn(*workers)

    def turn(self, *workers: CronWorker) -> None:
        for worker in workers:
            worker.turn()
            self.crew.work()

    def runs(self, job: str = "job") -> list[Run]:
        """The ledger's rows of a job, by tick."""
        return self.ledger.history(f"shop/{job}", 10_000)[::-1]

    def ended(self, job: str = "job") -> list[str]:
        """Tick and state of each row, e.g. `12:05:00 succeeded`."""
        return [f"{datetime.fromtimestamp(r.tick, UTC):%H:%M:%S} {r.state}" for r in self.runs(job)]

    def effects(self) -> list[str]:
        """What jobs have written, in order."""
        with self.database.read() as session:
            return list(session.scalars(text("SELECT what FROM effects ORDER BY rowid")))

    def _restart(self, reason: str) -> None:
        self.restarts.append(reason)
        self.restarted.set()


def job(schedule: str, run: Callable[..., Any], **options: Any) -> CronJob:
    """A job named `job` that runs *run(context)*."""
    attributes = {"schedule": schedule, "name": "job", "run": lambda self, c: run(c), **options}
    return type("ThisJob", (CronJob,), attributes)()


def note(context: Any) -> None:
    """A job's work: write its tick down."""
    write(context, f"{context.tick:%H:%M:%S}")


def write(context: Any, what: str) -> None:
    context.session.execute(text("INSERT INTO effects (what) VALUES (:what)"), {"what": what})
    context.rows += 1


def seen(ticks: Sequence[str], state: str = "succeeded") -> list[str]:
    return [f"{tick} {state}" for tick in ticks]


def _migrate(connection: Any) -> None:
    connection.exec_driver_sql("CREATE TABLE IF NOT EXISTS effects (what TEXT)")
