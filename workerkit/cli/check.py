"""`workerkit check`."""

from __future__ import annotations

from typing import Annotated

import typer


def check(
    service: Annotated[str | None, typer.Argument(help="This one; all without.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Load every service and say what is wrong with it. Example: workerkit check pricing"""
    from ..operate.check import check_services  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415

    with opened() as project:
        names = [project.check(service)] if service else list(project.file.services)
        findings = check_services(names, lambda name: project.service(name).parts)
    if as_json:
        show.json(findings)
    else:
        for found in findings:
            show.finding(found.level, found.service, found.fact, "")
    raise typer.Exit(max((found.exit_code for found in findings), default=0))
