"""`workerkit monitoring`: what Grafana and Prometheus need of us."""

from __future__ import annotations

import typer

from .group import Group

app = typer.Typer(
    cls=Group, no_args_is_help=True, rich_markup_mode=None, help="For Grafana and Prometheus."
)


@app.callback()
def root() -> None:
    """For Grafana and Prometheus."""


@app.command()
def dashboard() -> None:
    """Print the dashboard to import. Example: workerkit monitoring dashboard > workers.json"""
    from ..operate.board import board  # noqa: PLC0415

    typer.echo(board().text(), nl=False)
