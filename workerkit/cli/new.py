"""`workerkit new`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from ..scaffold.making import Wish
    from ..scaffold.plan import Plan

EXAMPLE = "*/10 * * * *"


def new(
    name: Annotated[str, typer.Argument(help="Of the project, and of its folder.")],
    services: Annotated[str | None, typer.Option(help="Several, e.g. pricing,catalog.")] = None,
    service: Annotated[str | None, typer.Option(help="One.")] = None,
    topic: Annotated[str | None, typer.Option(help="For an event worker of SERVICE.")] = None,
    cron: Annotated[str | None, typer.Option(help="When a job of SERVICE runs.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Write nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Ask nothing, and print JSON.")] = False,
) -> None:
    """Make a project. Example: workerkit new acme --service orders --topic order.placed"""
    from ..scaffold.making import make, plan_new  # noqa: PLC0415
    from .changing import drawn, tell  # noqa: PLC0415

    wish = _flags(name, services, service, topic, cron)
    if wish is None:
        wish = _asked(name) if sys.stdin.isatty() and not as_json else _usual(name)
    plan = plan_new(wish, Path.cwd())
    if not dry_run:
        make(plan)
        plan = drawn(plan)
    if as_json:
        tell(plan, as_json=True)
    else:
        _tell(plan, dry_run)


def _flags(
    name: str, services: str | None, service: str | None, topic: str | None, cron: str | None
) -> Wish | None:
    """What the flags say; None without any."""
    from ..errors import ConfigurationError  # noqa: PLC0415
    from ..scaffold.making import Wish  # noqa: PLC0415
    from ..scaffold.names import check_project, usual_service  # noqa: PLC0415

    check_project(name)
    one = service or topic or cron
    if services is not None:
        if one:
            raise ConfigurationError("--services alone, or --service with --topic and --cron")
        return Wish(name, [each.strip() for each in services.split(",")])
    return Wish(name, [service or usual_service(name)], topic, cron) if one else None


def _usual(name: str) -> Wish:
    from ..scaffold.making import Wish  # noqa: PLC0415
    from ..scaffold.names import usual_service  # noqa: PLC0415

    service = usual_service(name)
    return Wish(name, [service], f"{service}.created", EXAMPLE)


def _asked(name: str) -> Wish:
    from ..scaffold.making import Wish  # noqa: PLC0415
    from ..scaffold.names import (  # noqa: PLC0415
        check_schedule,
        check_service,
        check_topic,
        usual_service,
    )
    from .asking import ask, ask_or_none  # noqa: PLC0415

    service = ask("Its first service", usual_service(name), check_service)
    topic = ask_or_none("Topic of an event worker", f"{service}.created", check_topic)
    cron = ask_or_none("Schedule of a job", EXAMPLE, check_schedule)
    return Wish(name, [service], topic, cron)


def _tell(plan: Plan, dry_run: bool) -> None:
    from ..scaffold.plan import tree  # noqa: PLC0415
    from . import show  # noqa: PLC0415

    name, paths = plan.folder.name, [change.path for change in plan.changes]
    if dry_run:
        show.lines(tree(name, paths))
        return
    for note in plan.notes:
        show.note(note)
    show.note(f"{name}: {show.count(len(paths), 'file')}. Go on with")
    show.lines([f"  cd {name}", "  pip install -e '.[dev]'", "  pytest", "  workerkit dev"])
