"""Changes to a project's files, shown before they are made."""

from __future__ import annotations

import sys
from dataclasses import replace
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
    tell(drawn(plan), as_json=as_json)


def drawn(plan: Plan) -> Plan:
    """*plan*, carried out, and with it what is drawn from the code; a note says why it is not."""
    from ..acceptance.drawing import draw_if_possible  # noqa: PLC0415
    from ..operate.architecture import DOCUMENT  # noqa: PLC0415
    from ..scaffold.plan import Change, read  # noqa: PLC0415

    before = read(plan.folder, DOCUMENT)
    if trouble := draw_if_possible(plan.folder):
        return replace(plan, notes=(*plan.notes, trouble))
    change = Change(DOCUMENT, before, read(plan.folder, DOCUMENT))
    known = change.before == change.after or any(c.path == DOCUMENT for c in plan.changes)
    return plan if known else replace(plan, changes=(*plan.changes, change))


def tell(plan: Plan, *, as_json: bool) -> None:
    """What *plan* does to which file, and what it leaves alone."""
    if as_json:
        changes = [{"path": change.path, "change": change.verb} for change in plan.changes]
        show.json({"folder": plan.folder, "changes": changes, "notes": plan.notes})
        return
    show.pairs([(change.verb, change.path) for change in plan.changes])
    for note in plan.notes:
        show.note(note)
