"""Changes to a project's files, shown before they are made."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import typer

from . import show
from .asking import agreed

if TYPE_CHECKING:
    from ..scaffold.plan import Plan


def carry_out(plan: Plan, *, yes: bool) -> None:
    """Show *plan*, ask on a terminal, and write; exits when the answer is no."""
    show.diff(plan.diff())
    if not yes and sys.stdin.isatty() and not agreed("Write this?"):
        show.note("nothing was written")
        raise typer.Exit
    plan.carry_out()
    show.pairs([(change.verb, change.path) for change in plan.changes])
    for note in plan.notes:
        show.note(note)
