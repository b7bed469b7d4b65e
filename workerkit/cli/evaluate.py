"""`workerkit evaluate`."""

from __future__ import annotations

from typing import Annotated

import typer


def evaluate(
    service: Annotated[str, typer.Argument(help="The service.")],
    rate: Annotated[float, typer.Option(help="Requests a second to its API.")] = 200.0,
    events_rate: Annotated[
        float | None, typer.Option(help="Events a second; else what its workers get now, or 100.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=2, max=100, help="Of both layouts.")] = 3,
    duration: Annotated[str, typer.Option(help="Of each, e.g. 10s.")] = "10s",
    path: Annotated[list[str] | None, typer.Option(help="May be given again.")] = None,
    tolerance: Annotated[float | None, typer.Option(min=0, help="0.1: a tenth is well.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Say whether to separate a service's workers. Example: workerkit evaluate warehouse"""
    from .evaluating import Request, run  # noqa: PLC0415

    request = Request(service, rate, events_rate, rounds, duration, path or [], tolerance, as_json)
    raise typer.Exit(run(request))
