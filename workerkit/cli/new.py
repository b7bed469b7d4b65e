"""`workerkit new`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..scaffold.making import Wish


def new(
    name: Annotated[str, typer.Argument(help="Of the project, and of its folder.")],
    services: Annotated[str | None, typer.Option(help="Several, e.g. pricing,catalog.")] = None,
    service: Annotated[str | None, typer.Option(help="One.")] = None,
    topic: Annotated[str | None, typer.Option(help="For an event worker of SERVICE.")] = None,
    cron: Annotated[str | None, typer.Option(help="When a job of SERVICE runs.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the tree, write nothing.")
    ] = False,
) -> None:
    """Make a project. Example: workerkit new acme --service orders --topic order.placed"""
    from ..scaffold.making import make, plan_new  # noqa: PLC0415
    from ..scaffold.plan import tree  # noqa: PLC0415
    from . import show  # noqa: PLC0415

    wish = _wish(name, services, service, topic, cron)
    plan = plan_new(wish, Path.cwd())
    if dry_run:
        show.lines(tree(name, [change.path for change in plan.changes]))
        return
    make(plan)
    show.note(f"{name}: {show.count(len(plan.changes), 'file')}. Go on with")
    show.lines([f"  cd {name}", "  pip install -e '.[dev]'", "  pytest", "  workerkit dev"])


def _wish(
    name: str, services: str | None, service: str | None, topic: str | None, cron: str | None
) -> Wish:
    """What the flags say; without any what a person says, or what is usual."""
    from ..errors import ConfigurationError  # noqa: PLC0415
    from ..scaffold.making import Wish  # noqa: PLC0415
    from ..scaffold.names import check_project, usual_service  # noqa: PLC0415

    usual = usual_service(check_project(name))
    if services is not None:
        if service or topic or cron:
            raise ConfigurationError("--services alone, or --service with --topic and --cron")
        return Wish(name, [each.strip() for each in services.split(",")])
    if service or topic or cron:
        return Wish(name, [service or usual], topic, cron)
    if sys.stdin.isatty():
        return _asked(name, usual)
    return Wish(name, [usual], f"{usual}.created", EXAMPLE)


EXAMPLE = "*/10 * * * *"


def _asked(name: str, usual: str) -> Wish:
    from ..scaffold.making import Wish  # noqa: PLC0415
    from ..scaffold.names import check_schedule, check_service, check_topic  # noqa: PLC0415
    from .asking import ask, ask_or_none  # noqa: PLC0415

    service = ask("Its first service", usual, check_service)
    topic = ask_or_none("Topic of an event worker", f"{service}.created", check_topic)
    cron = ask_or_none("Schedule of a job", EXAMPLE, check_schedule)
    return Wish(name, [service], topic, cron)
