"""How jobs and their runs look."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime

from ..cron.ledger import Run
from ..cron.runner import moment
from ..operate.jobs import Job
from . import show


def show_jobs(jobs: Sequence[Job]) -> None:
    """A line for each job; says so when there is none."""
    columns = (
        show.Column("job"), show.Column("schedule", cut=True), show.Column("next", cut=True),
        show.Column("last run"), show.Column("outcome", word=True),
    )  # fmt: skip
    show.table(columns, [
        (job.name, job.words, _next(job), _ago(job.last), job.last.state if job.last else "-")
        for job in jobs
    ])  # fmt: skip
    if not jobs:
        show.note("no service here has a job")


def show_runs(name: str, runs: Sequence[Run]) -> None:
    """A line for each run, the latest first."""
    columns = (
        show.Column("tick"), show.Column("outcome", word=True), show.Column("by"),
        show.Column("took", number=True), show.Column("rows", number=True),
        show.Column("reason", cut=True),
    )  # fmt: skip
    show.table(columns, [
        (moment(run.tick), run.state, run.trigger, _took(run), run.rows or "-", run.reason)
        for run in runs
    ])  # fmt: skip
    if not runs:
        show.note(f"{name} has never run")


def _next(job: Job) -> str:
    """The next times; the date of a later one only where it is another day's."""
    if job.paused_by:
        return f"paused by {job.paused_by}"
    shown: list[str] = []
    day = datetime.now().astimezone().date()
    for text in job.next:
        when = datetime.fromisoformat(text)
        shown.append(f"{when:%H:%M:%S}" if when.date() == day else f"{when:%Y-%m-%d %H:%M:%S}")
        day = when.date()
    return f"{', '.join(shown)} {job.zone}" if shown else "never"


def _ago(run: Run | None) -> str:
    return "never" if run is None else f"{show.duration(max(0.0, time.time() - run.started))} ago"


def _took(run: Run) -> str:
    if run.state == "skipped":
        return "-"
    return show.duration((time.time() if run.state == "running" else run.ended) - run.started)
