"""`workerkit top`."""

from __future__ import annotations

from typing import Annotated

import typer


def top(
    every: Annotated[float, typer.Option(min=0.2, max=60.0, help="Seconds between looks.")] = 1.0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one look as JSON.")] = False,
) -> None:
    """Watch workers and jobs live; in a pipe print one table. Example: workerkit top --every 2

    Keys: up and down choose a line, t runs its job now, p pauses or resumes it, r tries the
    service's dead letters again, q ends.
    """
    from .top_run import run  # noqa: PLC0415

    run(every, as_json=as_json)
