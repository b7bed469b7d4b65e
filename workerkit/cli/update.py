"""`workerkit update`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def update(
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Ask nothing; in a pipe nobody is asked.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Ask nothing, and print JSON.")] = False,
) -> None:
    """Merge newer templates into the project, your changes kept. Example: workerkit update"""
    from ..scaffold.updating import plan_update  # noqa: PLC0415
    from . import show  # noqa: PLC0415
    from .changing import carry_out  # noqa: PLC0415

    update = plan_update(Path.cwd())
    if not update.plan.changes and not as_json:
        show.note(f"nothing to do: the project is from templates {update.new}, the newest")
        return
    carry_out(update.plan, yes=yes, as_json=as_json)
    if update.plan.conflicts:
        show.warning(
            f"{', '.join(update.plan.conflicts)}: both sides changed the same lines; "
            "look for <<<<<<<, and run the tests"
        )
        raise typer.Exit(5)
    if not as_json:
        show.note(f"templates {update.old} -> {update.new}; run the tests")
