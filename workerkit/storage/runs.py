"""The run ledger: one row for each tick of each job, in the service's own database."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update
from sqlalchemy.dialects.postgresql import insert as pg_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from ..core.clock import Clock, SystemClock
from ..core.trace import of_run
from ..cron.ledger import Begun, Claim, Run, RunState
from ..errors import LeaseLost
from ..events.envelope import derived_id
from ..events.outbox import Outbox, OutboxWork
from .database import Database, is_trouble, storage_error
from .tables import jobs, runs

AHEAD = 60.0
"""Seconds by which a replica's clock may be ahead of ours without being wrong."""


@dataclass(frozen=True, slots=True)
class JobRow:
    """What is kept of a job beside its runs; times in epoch seconds, None where there is none."""

    job: str
    token: int
    last_tick: float | None
    last_success: float | None
    paused_at: float | None
    paused_by: str | None


class SqlLedger:
    """See `cron.ledger.Ledger`. One an open database; safe from many threads."""

    def __init__(self, database: Database, outbox: Outbox, clock: Clock | None = None) -> None:
        self.database = database
        self.outbox = outbox
        self.clock = clock or SystemClock()

    def begin(self, claim: Claim) -> Begun:
        """Let one of those who claim a tick run it; serialised for each job."""
        with self.database.transaction() as connection:
            row = self._lock(connection, claim.job)
            this = runs.c.tick == claim.tick
            found = {
                run.tick: run
                for run in _select(
                    connection, runs.c.job == claim.job, or_(this, runs.c.state == "running")
                )
            }
            before = found.pop(claim.tick, None)
            if before is not None and not _may_run(claim, before):
                return Begun("taken", before)
            now = self.clock.time()
            run = Run(claim.job, claim.tick, "running", claim.trigger, row.token + 1,
                      claim.holder, now)  # fmt: skip
            if claim.trigger == "schedule" and row.paused_at is not None:
                reason = f"paused by {row.paused_by}"
                run = replace(run, state="skipped", token=row.token, ended=now, reason=reason)
                self._write(connection, row, [run])
                return Begun("taken", run)
            if found and not claim.together:
                return Begun("busy", next(iter(found.values())))
            if before is not None:
                connection.execute(delete(runs).where(runs.c.job == claim.job, this))
            self._write(connection, row, [run])
            return Begun("ours", run)

    def work(self, run: Run) -> SqlRunWork:
        """What *run* does in the database."""
        return SqlRunWork(self, run)

    def end(self, run: Run, state: RunState, reason: str, traceback: str, rows: int) -> Run:
        """End a run without effects unless it is over already; the run as it is now."""
        ended = replace(
            run, state=state, reason=reason, traceback=traceback, rows=rows, ended=self.clock.time()
        )
        with self.database.transaction() as connection:
            changed = connection.execute(update(runs).where(_still(run)).values(**_changes(ended)))
            if changed.rowcount == 1:
                return ended
            return _find(connection, run.job, run.tick) or ended

    def skip(self, job: str, ticks: Sequence[float], reason: str) -> list[float]:
        """Record that *ticks* are left out; those that had no row yet."""
        with self.database.transaction() as connection:
            row = self._lock(connection, job)
            between = and_(runs.c.job == job, runs.c.tick.between(min(ticks), max(ticks)))
            known = set(connection.scalars(select(runs.c.tick).where(between)))
            new = [tick for tick in ticks if tick not in known]
            now = self.clock.time()
            skipped = Run(job, 0.0, "skipped", "schedule", row.token, "", now, now, 0, reason)
            self._write(connection, row, [replace(skipped, tick=tick) for tick in new])
        return new

    def running(self) -> list[Run]:
        """Runs of this service that are not over."""
        ours = runs.c.job.startswith(f"{self.outbox.service}/", autoescape=True)
        with self.database.read_ours() as session:
            return _select(session, ours, runs.c.state == "running")

    def find(self, job: str, tick: float) -> Run | None:
        """The run of one tick."""
        with self.database.read_ours() as session:
            return _find(session, job, tick)

    def history(self, job: str, limit: int) -> list[Run]:
        """The latest runs of *job*, by tick."""
        query = select(runs).where(runs.c.job == job).order_by(runs.c.tick.desc()).limit(limit)
        with self.database.read_ours() as session:
            return [_run(row) for row in session.execute(query)]

    def rows(self) -> dict[str, JobRow]:
        """What is kept of each job of this service that has ever run."""
        ours = jobs.c.job.startswith(f"{self.outbox.service}/", autoescape=True)
        with self.database.read_ours() as session:
            found = [JobRow(**row._mapping) for row in session.execute(select(jobs).where(ours))]
        return {row.job: row for row in found}

    def pause(self, job: str, who: str) -> bool:
        """Have scheduled ticks of *job* left out from now on; False when it was paused already."""
        return self._set_paused(job, self.clock.time(), who)

    def resume(self, job: str) -> bool:
        """Run scheduled ticks again; False when *job* was not paused."""
        return self._set_paused(job, None, None)

    def last_ticks(self, wanted: Sequence[str]) -> dict[str, float]:
        """The latest scheduled tick up to now of each job that had any."""
        now = self.clock.time()
        found: dict[str, float] = {}
        for name, row in self.rows().items():
            tick = row.last_tick
            if tick is not None and tick > now:  # the clock was ahead when that was written
                tick = self._tick_before(name, now)
            if tick is not None:
                found[name] = tick
        return {name: found[name] for name in wanted if name in found}

    def last_successes(self, wanted: Sequence[str]) -> dict[str, float]:
        """When each job last succeeded."""
        rows = self.rows()
        seen = {name: rows[name].last_success for name in wanted if name in rows}
        return {name: moment for name, moment in seen.items() if moment is not None}

    def forget_future(self, wanted: Sequence[str]) -> None:
        """Drop rows of ticks to come that were skipped: the clock was wrong then."""
        soon = self.clock.time() + AHEAD
        rows = self.rows()
        ahead = [n for n in wanted if n in rows and (rows[n].last_tick or 0.0) > soon]
        if not ahead:
            return
        wrong = and_(runs.c.job.in_(ahead), runs.c.tick > soon, runs.c.state == "skipped")
        with self.database.transaction() as connection:
            connection.execute(delete(runs).where(wrong))

    def _tick_before(self, job: str, moment: float) -> float | None:
        before = and_(runs.c.job == job, runs.c.tick <= moment, runs.c.trigger == "schedule")
        with self.database.read_ours() as session:
            latest: float | None = session.scalar(select(func.max(runs.c.tick)).where(before))
            return latest

    def _set_paused(self, job: str, since: float | None, who: str | None) -> bool:
        with self.database.transaction() as connection:
            row = self._lock(connection, job)
            if (row.paused_at is None) == (since is None):
                return False
            values = {"paused_at": since, "paused_by": who}
            connection.execute(update(jobs).where(_is(job)).values(**values))
            return True

    def _lock(self, connection: Connection, job: str) -> JobRow:
        """The job's row, ours until the transaction ends."""
        new = sqlite_insert(jobs) if self.database.sqlite else pg_insert(jobs)
        query = select(jobs).where(_is(job)).with_for_update()
        row = connection.execute(query).first()
        if row is None:
            connection.execute(new.on_conflict_do_nothing(), {"job": job, "token": 0})
            row = connection.execute(query).one()
        return JobRow(**row._mapping)

    def _write(self, connection: Connection, row: JobRow, new: Sequence[Run]) -> None:
        """Write rows of ticks, and into the job's own *row* what they change."""
        if not new:
            return
        connection.execute(insert(runs), [asdict(run) for run in new])
        scheduled = [run.tick for run in new if run.trigger == "schedule"]
        if row.last_tick is not None:
            scheduled.append(row.last_tick)
        values = {"token": new[-1].token, "last_tick": max(scheduled, default=None)}
        connection.execute(update(jobs).where(_is(row.job)).values(**values))


class SqlRunWork:
    """See `cron.ledger.RunWork`. Not for use by two threads at once, save for `rollback`."""

    def __init__(self, ledger: SqlLedger, run: Run) -> None:
        self._ledger = ledger
        self._run = run
        self._work: OutboxWork | None = None
        self._published = 0

    def session(self) -> Session:
        """The session lent to the job."""
        return self._open().session

    def publish(self, topic: str, data: Any) -> None:
        """Publish with the next commit, and only with it."""
        cause = f"{self._run.job}/{self._run.tick}/{self._run.token}"
        id = derived_id(cause, topic, self._published)
        trace = of_run(self._run.job, self._run.tick, self._run.token)
        self._open().publish(topic, data, id=id, traceparent=trace)
        self._published += 1

    def commit(self, rows: int) -> None:
        """Make durable what was done so far; the next use of `session` begins anew."""
        self._commit(replace(self._run, rows=rows))

    def finish(self, rows: int) -> Run:
        """The same, and the run has succeeded: as it is now."""
        now = self._ledger.clock.time()
        ended = replace(self._run, state="succeeded", rows=rows, ended=now)
        self._commit(ended)
        return ended

    def rollback(self) -> None:
        """Undo what was not committed; fine at any moment."""
        work, self._work = self._work, None
        if work is not None:
            work.rollback()

    def _open(self) -> OutboxWork:
        if self._work is None:
            self._work = OutboxWork(self._ledger.outbox)
        return self._work

    def _commit(self, after: Run) -> None:
        work = self._open()
        try:
            with self._translated():
                work.session.flush()
                held = work.session.execute(
                    update(runs).where(_still(self._run)).values(**_changes(after))
                )
                if held.rowcount != 1:  # type: ignore[attr-defined]  # of an UPDATE there is one
                    raise LeaseLost(f"{after.job}: the run was given up meanwhile")
                if after.state == "succeeded":
                    success = update(jobs).where(_is(after.job)).values(last_success=after.ended)
                    work.session.execute(success)
            work.commit()
        except BaseException:
            self.rollback()
            raise
        self._work = None

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """The database's trouble as ours; its complaints about the job's own work as they are."""
        try:
            yield
        except DBAPIError as error:
            if is_trouble(error):
                raise storage_error(error, self._ledger.database) from error
            raise


def _may_run(claim: Claim, found: Run) -> bool:
    return claim.trigger == "manual" and found.state not in ("running", "succeeded")


def _is(job: str) -> ColumnElement[bool]:
    return jobs.c.job == job


def _still(run: Run) -> ColumnElement[bool]:
    """The row of *run*, as long as it is running: the fence for whatever it writes."""
    return and_(
        runs.c.job == run.job, runs.c.tick == run.tick, runs.c.token == run.token,
        runs.c.state == "running",
    )  # fmt: skip


def _changes(run: Run) -> dict[str, Any]:
    changing = ("state", "ended", "rows", "reason", "traceback")
    return {name: getattr(run, name) for name in changing}


def _find(connection: Connection | Session, job: str, tick: float) -> Run | None:
    query = select(runs).where(runs.c.job == job, runs.c.tick == tick)
    row = connection.execute(query).first()
    return None if row is None else _run(row)


def _select(connection: Connection | Session, *which: ColumnElement[bool]) -> list[Run]:
    query = select(runs).where(*which).order_by(runs.c.tick)
    return [_run(row) for row in connection.execute(query)]


def _run(row: Any) -> Run:
    return Run(**row._mapping)
