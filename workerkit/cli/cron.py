"""`workerkit cron`: when jobs run, how they ran, and running one now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from .group import Group

if TYPE_CHECKING:
    from ..cron.ledger import Run

app = typer.Typer(cls=Group, no_args_is_help=True, rich_markup_mode=None, help="Look after jobs.")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help="As `cron list` shows it; the service may be left out.")]


@app.command("list")
def list_(
    service: Annotated[str | None, typer.Argument(help="Of this service; all without.")] = None,
    as_json: AsJson = False,
) -> None:
    """List jobs, when they run next and how they ran last. Example: workerkit cron list pricing"""
    import time  # noqa: PLC0415

    from ..operate.jobs import describe_jobs  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415
    from .show_jobs import show_jobs  # noqa: PLC0415

    with opened() as project:
        entries = project.jobs(service)
        jobs = describe_jobs(entries, project.ledgers(entries), time.time())
    if as_json:
        return show.json(jobs)
    return show_jobs(jobs)


@app.command("next")
def next_(
    name: Name,
    count: Annotated[int, typer.Option(min=1, max=10_000, help="So many times.")] = 5,
    after: Annotated[str | None, typer.Option("--from", help="After this time, ISO 8601.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show when a job runs. Example: workerkit cron next price_sync --from 2026-03-29T00:00"""
    from datetime import UTC, datetime  # noqa: PLC0415

    from ..operate.jobs import find_job, next_times, read_moment  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415

    with opened() as project:
        entry = find_job(project.jobs(), name)
        rows = [ledger.rows() for ledger in project.ledgers([entry.name]).values()]
    start = read_moment(after, entry, "--from") if after else datetime.now(UTC)
    row = rows[0].get(entry.name) if rows else None
    times = [moment.isoformat() for moment in next_times(entry, row, start, count)]
    if as_json:
        return show.json({"job": entry.name, "zone": str(entry.expression.zone), "next": times})
    return show.lines(times)


@app.command()
def trigger(
    name: Name,
    at: Annotated[str | None, typer.Option(help="As of this time, ISO 8601; else now.")] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until it is over, with its log.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a job now, in a running worker or here. Example: workerkit cron trigger price_sync --wait

    It takes the same lock and leaves the same record as a scheduled run. Exit code 5 when it fails.
    """
    from .triggering import Request, run  # noqa: PLC0415

    raise typer.Exit(run(Request(name, at, wait, as_json)))


@app.command()
def history(
    name: Name,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="At most so many.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show how a job ran, the latest first. Example: workerkit cron history price_sync"""
    from ..operate.jobs import find_job  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415
    from .show_jobs import show_runs  # noqa: PLC0415

    runs: list[Run] = []
    with opened() as project:
        entry = find_job(project.jobs(), name)
        for ledger in project.ledgers([entry.name]).values():
            runs.extend(ledger.history(entry.name, limit))
    if as_json:
        return show.json(runs)
    return show_runs(entry.name, runs)


@app.command()
def pause(name: Name) -> None:
    """Leave out a job's ticks until it is resumed. Example: workerkit cron pause price_sync"""
    import getpass  # noqa: PLC0415
    import socket  # noqa: PLC0415

    from . import show  # noqa: PLC0415
    from .opened import job_ledger  # noqa: PLC0415

    with job_ledger(name) as (entry, ledger):
        done = ledger.pause(entry.name, f"{getpass.getuser()} on {socket.gethostname()}")
    already = "" if done else "was already "
    show.note(f"{entry.name} {already}paused; go on: `workerkit cron resume {name}`")


@app.command()
def resume(name: Name) -> None:
    """Run a paused job's ticks again. Example: workerkit cron resume price_sync"""
    from . import show  # noqa: PLC0415
    from .opened import job_ledger  # noqa: PLC0415

    with job_ledger(name) as (entry, ledger):
        done = ledger.resume(entry.name)
    show.note(f"{entry.name} {'resumed' if done else 'was not paused'}")
