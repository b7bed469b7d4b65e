"""`workerkit check`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..operate.check import Built
    from ..operate.finding import Check
    from ..project import Project


def check(
    service: Annotated[str | None, typer.Argument(help="This one alone; all without.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Find wrong wiring, topics and schedules, and drift. Example: workerkit check"""
    from ..operate.finding import Findings  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .opened import opened  # noqa: PLC0415

    with opened() as project:
        findings = Findings(tuple(_look(project, service)))
    raise typer.Exit(show.findings(findings, as_json))


def _look(project: Project, service: str | None) -> list[Check]:
    from ..operate.check import check_project, check_services  # noqa: PLC0415
    from ..operate.finding import Check  # noqa: PLC0415
    from ..scaffold.drift import find_drift  # noqa: PLC0415

    def build(name: str) -> Built:
        return _build(project, name)

    if service is not None:
        return check_services([project.check(service)], build)
    drift = [
        Check(each.path, "fail", each.fact, each.way_out) for each in find_drift(project.folder)
    ]
    return [*check_project(project.folder, list(project.file.services), build), *drift]


def _build(project: Project, name: str) -> Built:
    from ..core.loading import home_of  # noqa: PLC0415
    from ..operate.check import Built  # noqa: PLC0415

    service = project.service(name)
    entry = project.file.services[name]
    ports = entry.ports.model_dump()
    return Built(
        name=name,
        parts=service.parts,
        home=home_of(entry.wire, project.folder),
        topics=[worker.topic for worker in service.events],
        classes=frozenset(type(each).__name__ for each in (*service.events, *service.cron)),
        ports={mode: ports[mode] for mode in service.modes},
    )
