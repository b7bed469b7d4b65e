"""The commands, and the one place where an error becomes a line and an exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from ..errors import WorkerkitError

app = typer.Typer(
    no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    rich_markup_mode=None, help="Move background work out of your API, and prove nothing was lost.",
)  # fmt: skip


@app.callback()
def root() -> None:
    """Keep `run` and `publish` as subcommands."""


@app.command()
def run(
    service: Annotated[str | None, typer.Argument(help="A service of the project.")] = None,
    mode: Annotated[str | None, typer.Option(help="events (more modes to come).")] = None,
    concurrency: Annotated[int | None, typer.Option(min=1, max=1000, help="Lanes.")] = None,
) -> None:
    """Run the workers of SERVICE until interrupted. Example: workerkit run pricing --mode=events"""
    from .run import run_process  # noqa: PLC0415

    raise typer.Exit(run_process(Path.cwd(), service, mode, concurrency))


@app.command()
def publish(
    topic: Annotated[str, typer.Argument(help="The topic.")],
    data: Annotated[str, typer.Option(help="JSON, @FILE, or - for standard input.")],
    event_id: Annotated[str | None, typer.Option("--id", help="The event's id.")] = None,
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many.")] = 1,
) -> None:
    """Publish events. Example: workerkit publish orders --data '{"id": 7}'"""
    from .publish import publish_events  # noqa: PLC0415

    typer.echo(publish_events(Path.cwd(), topic, data, event_id, count))


def main() -> None:
    """Run the command line; a `WorkerkitError` is one line and its exit code."""
    try:
        app()
    except WorkerkitError as error:
        print(f"workerkit: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(error.exit_code)
