"""`workerkit add`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .group import Group

app = typer.Typer(
    cls=Group, no_args_is_help=True, rich_markup_mode=None, help="Add to a project, diff first."
)

Of = Annotated[
    str | None, typer.Option(help="Without: the one in whose folder you are, or the only one.")
]
Json = Annotated[bool, typer.Option("--json", help="Ask nothing, and print JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; in a pipe nobody is asked.")]


@app.command()
def service(
    name: Annotated[str, typer.Argument(help="Of the service, and of its package.")],
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Add a service with an API. Example: workerkit add service billing"""
    from ..scaffold.adding import plan_service  # noqa: PLC0415
    from .changing import carry_out  # noqa: PLC0415

    carry_out(plan_service(Path.cwd(), name), yes=yes, as_json=as_json)


@app.command()
def event_worker(
    topic: Annotated[str, typer.Argument(help="That it listens to.")],
    service: Of = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Add a worker, wired, with a test. Example: workerkit add event-worker order.cancelled"""
    from ..scaffold.adding import plan_event_worker  # noqa: PLC0415
    from .changing import carry_out  # noqa: PLC0415

    carry_out(plan_event_worker(Path.cwd(), topic, service), yes=yes, as_json=as_json)


@app.command()
def cron_job(
    name: Annotated[str, typer.Argument(help="Of the job, and of its module.")],
    cron: Annotated[str, typer.Option(help="When it runs, as robfig/cron v3 reads it.")] = "@daily",
    service: Of = None,
    yes: Yes = False,
    as_json: Json = False,
) -> None:
    """Add a job. Example: workerkit add cron-job cleanup --cron "0 3 * * *" """
    from ..scaffold.adding import plan_cron_job  # noqa: PLC0415
    from .changing import carry_out  # noqa: PLC0415

    carry_out(plan_cron_job(Path.cwd(), name, cron, service), yes=yes, as_json=as_json)
