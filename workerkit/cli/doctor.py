"""`workerkit doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def doctor(
    dapr: Annotated[
        Path | None, typer.Option(help="Look at this folder of Dapr's YAML files alone.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Check what could keep the project from working. Example: workerkit doctor"""
    from ..chaos.left import clean_up  # noqa: PLC0415
    from ..config.settings import read_environment  # noqa: PLC0415
    from ..operate.doctor import examine  # noqa: PLC0415
    from ..operate.doctor_dapr import check_dapr  # noqa: PLC0415
    from ..operate.finding import Findings  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .chaos_run import tell_of  # noqa: PLC0415
    from .opened import open_here  # noqa: PLC0415

    tell_of(clean_up())
    if dapr is not None:
        findings = Findings(tuple(check_dapr(dapr)))
    else:
        findings = examine(open_here, read_environment().worker_host)
    raise typer.Exit(show.findings(findings, as_json))
