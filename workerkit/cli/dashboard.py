"""`workerkit dashboard`."""

from __future__ import annotations

from typing import Annotated

import typer


def dashboard(
    redis: Annotated[str | None, typer.Option(help="Redis, instead of REDIS_URL.")] = None,
    database: Annotated[str | None, typer.Option(help="Instead of DATABASE_URL.")] = None,
    host: Annotated[str | None, typer.Option(help="To listen on, instead of WORKER_HOST.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0: any free one.")] = None,
    url: Annotated[str | None, typer.Option(help="Where users see it, behind a proxy.")] = None,
    allow_actions: Annotated[
        bool, typer.Option("--allow-actions", help="Publish, replay, drop, run and pause.")
    ] = False,
    mask: Annotated[str, typer.Option(help="Fields to hide, e.g. email,card.number.")] = "",
    local: Annotated[bool, typer.Option("--local", hidden=True, help="Part of `dev`.")] = False,
    tied: Annotated[bool, typer.Option("--tied", hidden=True, help="End with its input.")] = False,
) -> None:
    """Serve the page on this project, read-only. Example: workerkit dashboard --mask email

    Its token is WORKERKIT_DASHBOARD_TOKEN; without one it makes one and prints it.
    """
    from .dashboard_run import Request, run  # noqa: PLC0415

    raise typer.Exit(
        run(Request(redis, database, host, port, url, allow_actions, mask, local, tied))
    )
