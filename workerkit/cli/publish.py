"""`workerkit publish`."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

WAIT = 30.0
"""Seconds that --wait waits when it names none."""


class WaitCommand(TyperCommand):
    """Lets `--wait` stand alone: typer has no options with an optional value."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Put the default behind a `--wait` that no number follows."""
        return super().parse_args(ctx, with_seconds(args))


def with_seconds(arguments: list[str]) -> list[str]:
    """*arguments* with a number for every `--wait`."""
    filled = []
    for position, argument in enumerate(arguments):
        following = arguments[position + 1] if position + 1 < len(arguments) else ""
        alone = argument == "--wait" and not following.replace(".", "", 1).isdigit()
        filled.append(f"--wait={WAIT:g}" if alone else argument)
    return filled


def publish(
    topic: Annotated[str, typer.Argument(help="The topic.")],
    data: Annotated[
        str | None,
        typer.Option(help="JSON, @FILE, or - for standard input; else an example is made."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, max=1_000_000, help="How many, all alike.")] = 1,
    rate: Annotated[float | None, typer.Option(min=0.01, help="Events a second.")] = None,
    event_id: Annotated[str | None, typer.Option("--id", help="The event's id.")] = None,
    wait: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="[SECONDS]", help="Until settled, with its story [30]."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Even if it looks mistyped.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Publish events. Example: workerkit publish orders --data '{"id": 7}' --wait"""
    from .publishing import Request, run  # noqa: PLC0415

    request = Request(topic, data, count, rate, event_id, wait, force, as_json)
    raise typer.Exit(run(request))
