"""The commands, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from ..errors import WorkerkitError
from . import (
    add,
    architecture,
    chaos,
    check,
    checklist,
    cron,
    dashboard,
    db,
    demo,
    deploy,
    dlq,
    doctor,
    evaluate,
    events,
    loadtest,
    monitoring,
    new,
    publish,
    status,
    top,
    update,
)
from .group import Group

app = typer.Typer(
    cls=Group, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    rich_markup_mode=None, help="Move background work out of your API, and prove nothing was lost.",
)  # fmt: skip


class Choices:
    """What the options before the command's name say."""

    debug = False


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415

        typer.echo(f"workerkit {version('workerkit')}")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Errors with their traceback.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    """Move background work out of your API, and prove nothing was lost."""
    if isinstance(context.obj, Choices):
        context.obj.debug = debug


Tied = Annotated[
    bool, typer.Option("--tied", hidden=True, help="End as soon as standard input does.")
]


@app.command()
def run(
    service: Annotated[
        str | None,
        typer.Argument(help="Without: the one in whose folder you are, else each that has MODE."),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(help="api, events, cron, all (the workers), inline (all in one process)."),
    ] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, max=1000, help="Lanes.")] = None,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Of a worker, on one port.")] = 1,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free one.")] = None,
    transport: Annotated[
        Literal["sqlite", "redis", "dapr"] | None,
        typer.Option(help="What carries the events, whatever the project's file says."),
    ] = None,
    tied: Tied = False,
) -> None:
    """Run SERVICE until interrupted. Example: workerkit run pricing --mode=events"""
    from .run import Request, run  # noqa: PLC0415

    request = Request(service, mode, concurrency, port, tied, processes, transport)
    raise typer.Exit(run(request, Path.cwd()))


@app.command()
def dev(
    reload: Annotated[
        bool, typer.Option("--reload/--no-reload", help="Start anew when code changes.")
    ] = True,
    sidecar: Annotated[
        bool, typer.Option("--sidecar/--no-sidecar", help="With Dapr's publish API.")
    ] = True,
    page: Annotated[
        bool, typer.Option("--dashboard/--no-dashboard", help="With the page that shows it all.")
    ] = True,
) -> None:
    """Run the whole project, and again after each change. Example: workerkit dev --no-sidecar"""
    from .dev import dev  # noqa: PLC0415

    raise typer.Exit(dev(Path.cwd(), reload=reload, sidecar=sidecar, page=page))


@app.command()
def sidecar(
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free one.")] = None,
    grpc_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Of gRPC; 0: any free one.")
    ] = None,
    app_id: Annotated[str | None, typer.Option(help="Whose events it takes: their group.")] = None,
    app_port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="Where the app takes its events.")
    ] = None,
    resources_path: Annotated[
        Path | None, typer.Option(help="Dapr's YAML files, with the servers that they name.")
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", help="Lose, repeat and delay events as Dapr does.")
    ] = False,
    tied: Tied = False,
) -> None:
    """Serve Dapr's API alone. Example: workerkit sidecar --app-id=pricing --app-port=8102"""
    from .sidecar import Request, run  # noqa: PLC0415

    request = Request(port, grpc_port, app_id, app_port, resources_path, strict, tied)
    raise typer.Exit(run(request, Path.cwd()))


app.command(cls=publish.WaitCommand)(publish.publish)
app.add_typer(events.app, name="events")
app.add_typer(dlq.app, name="dlq")
app.add_typer(cron.app, name="cron")
app.command()(status.status)
app.command()(top.top)
app.command()(dashboard.dashboard)
app.command()(check.check)
app.command()(doctor.doctor)
app.add_typer(db.app, name="db")
app.add_typer(chaos.app, name="chaos")
app.command()(demo.demo)
app.add_typer(loadtest.app, name="loadtest")
app.command()(evaluate.evaluate)
app.add_typer(deploy.app, name="deploy")
app.command()(checklist.checklist)
app.add_typer(checklist.progress, name="progress")
app.command()(architecture.architecture)
app.add_typer(monitoring.app, name="monitoring")
app.command()(new.new)
app.add_typer(add.app, name="add")
app.command()(update.update)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; an error is one line and its exit code, a traceback with --debug.

    *arguments* come in place of those of the process.
    """
    choices = Choices()
    try:
        app(None if arguments is None else list(arguments), obj=choices)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        if choices.debug:
            traceback.print_exc()
        print(f"workerkit: {_in_one_line(error)}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code if isinstance(error, WorkerkitError) else 1)


def _in_one_line(error: Exception) -> str:
    if isinstance(error, WorkerkitError):
        return str(error)
    from ..core.user_code import where_it_failed  # noqa: PLC0415

    told = where_it_failed(error, Path.cwd())
    return f"{told} (the traceback: `workerkit --debug ...`)"
