"""How the checklist looks: bars of the days, and what is missing."""

from __future__ import annotations

from ..operate.checklist import Checklist, Day, Item
from . import show

_LEVELS = {"done": "ok", "open": "open", "unseen": "n/a", "person": "you"}


def checklist(found: Checklist, *, everything: bool) -> None:
    """A bar for each day; then items, those that are done only with *everything*."""
    bars(found)
    for day in found.days:
        shown = [item for item in day.items if everything or item.state != "done"]
        if shown:
            show.note("")
            show.note(day.title)
        for item in shown:
            _item(item)
    states = [item.state for item in found.items()]
    counted = [
        f"{states.count('open')} open", f"{states.count('person')} wait for a person (you)",
        f"{states.count('unseen')} cannot be told on this machine (n/a)",
    ]  # fmt: skip
    show.note("")
    show.note(", ".join(counted))


def bars(found: Checklist) -> None:
    """One line for each day, and one for all."""
    columns = (show.Column("day"), show.Column(""), show.Column("done", number=True),
               show.Column("", number=True))  # fmt: skip
    show.table(columns, [_bar(day) for day in (*found.days, found.total)])


def _bar(day: Day) -> tuple[str, str, str, str]:
    return day.title, day.bar(20), f"{day.done}/{len(day.items)}", f"{day.share:.0%}"


def _item(item: Item) -> None:
    show.finding(_LEVELS[item.state], item.id, f"{item.title}: {item.fact}", item.way_out)
