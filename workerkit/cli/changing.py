"""Changes to a project's files, shown before they are made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from . import show
from .asking import agreed

if TYPE_CHECKING:
    from ..scaffold.plan import Plan


def carry_out(plan: Plan, *, yes: bool, as_json: bool) -> None:
    """Show *plan*, ask on a terminal, and write; exits when the answer is no.

    As JSON it asks nothing, and tells what was written.
    """
    if not as_json:
        show.diff(plan.diff())
        if not yes and sys.stdin.isatty() and not agreed("Write this?"):
            show.note("nothing was written")
            raise typer.Exit
    plan.carry_out()
    tell(plan, as_json=as_json)


def tell(plan: Plan, *, as_json: bool) -> None:
    """What *plan* does to which file, and what it leaves alone."""
    if as_json:
        changes = [{"path": change.path, "change": change.verb} for change in plan.changes]
        show.json({"folder": plan.folder, "changes": changes, "notes": plan.notes})
        return
    show.pairs([(change.verb, change.path) for change in plan.changes])
    for note in plan.notes:
        show.note(note)
