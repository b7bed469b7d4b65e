"""A project against the items: every probe is asked, nothing is believed."""

from __future__ import annotations

import time
from collections.abc import Callable

from ..operate.checklist import Checklist, Day, Item, Seen
from ..operate.ticks import Tick
from ..operate.ticks import tick as write_tick
from ..project import Project
from .evidence import Evidence
from .items import DAYS, PERSONAL, Spec
from .probes.guarded import Probe

Known = dict[tuple[Probe, tuple[str, ...]], Seen]
"""What a probe has said of some services: several items may ask it the same."""


TOTAL = sum(len(specs) for _, specs in DAYS.values())
"""How many items there are."""


def checklist(project: Project, tell: Callable[[int], object] = lambda done: None) -> Checklist:
    """Every item as it is now; takes seconds when docker or processes are slow to answer.

    *tell* hears how many of the `TOTAL` items have been looked at.

    Raises:
        ConfigurationError: The file of ticks is broken.
    """
    evidence = Evidence(project)
    known: Known = {}
    days: list[Day] = []
    for id, (title, specs) in DAYS.items():
        items: list[Item] = []
        for spec in specs:
            items.append(_item(evidence, known, id, spec))
            tell(sum(len(day.items) for day in days) + len(items))
        days.append(Day(id, title, tuple(items)))
    return Checklist(project.file.name, time.time(), tuple(days))


def tick(project: Project, item: str, by: str) -> Tick:
    """Have *by* say that *item* is done.

    Raises:
        ConfigurationError: It is not for people to tick, or cannot be written down.
    """
    return write_tick(project.folder, item, by, PERSONAL)


def _item(evidence: Evidence, known: Known, day: str, spec: Spec) -> Item:
    id = f"{day}.{spec.id}"
    seen = _seen(evidence, known, id, spec)
    return Item(id, spec.title, seen.state, seen.fact, seen.way_out)


def _seen(evidence: Evidence, known: Known, id: str, spec: Spec) -> Seen:
    if id in PERSONAL and id in evidence.ticks:
        ticked = evidence.ticks[id]
        return Seen("done", f"{ticked.by}, {ticked.on}")
    by_hand = f"workerkit checklist tick {id} --by NAME"
    if spec.probe is None:
        return Seen("person", "nobody has said so yet", by_hand)
    services = _concerned(evidence, spec)
    if not services and spec.concerns in ("others", "alone"):
        return Seen("done", "the project has no such service")
    question = (spec.probe, tuple(services))
    seen = known[question] = known.get(question) or spec.probe(evidence, services)
    return Seen(seen.state, seen.fact, by_hand) if id in PERSONAL else seen


def _concerned(evidence: Evidence, spec: Spec) -> list[str]:
    everything = list(evidence.project.file.services)
    return everything if spec.concerns == "all" else list(getattr(evidence, spec.concerns))
