"""Checklist: a bar for each day, and what is missing."""

from __future__ import annotations

from collections.abc import Sequence

from ..html import Html, join, tag
from ..model import Milestone, Progress, Todo, Tone
from ..visit import Page, Part, Visit
from ..words import ago, chip, plural

_STATES: dict[str, tuple[str, Tone]] = {
    "done": ("done", "good"),
    "open": ("open", "warn"),
    "unseen": ("cannot be told here", "idle"),
    "person": ("for a person", "idle"),
}


def progress(visit: Visit) -> Page:
    """How far the project is."""
    found = visit.looks.progress()
    return Page("Checklist", (Part("progress", _whole(found)),))


def _whole(found: Progress) -> Html:
    if not found.milestones:
        return tag("p", "Looking at the project, which takes a few seconds.", class_="lead idle")
    items = [item for each in found.milestones for item in each.items]
    done = sum(item.state == "done" for item in items)
    left = len(items) - done
    words = f"{plural(left, 'thing')} to go." if left else "All of it is done."
    when = "looking again" if found.looking else f"looked at {ago(found.at)}"
    return join(
        tag("p", words, class_=f"lead {'good' if not left else 'idle'}"),
        tag("p", f"{done} of {len(items)} are done; {when}. Nothing of it is claimed: each is "
                 "found by a probe.", class_="quiet"),
        [_milestone(each) for each in found.milestones],
    )  # fmt: skip


def _milestone(milestone: Milestone) -> Html:
    done = sum(item.state == "done" for item in milestone.items)
    total = len(milestone.items)
    name = f"{milestone.title}: {done} of {total} done"
    bar = tag("progress", value=done, max=max(total, 1), aria_label=name)
    missing = [item for item in milestone.items if item.state != "done"]
    return tag(
        "article",
        tag("h2", milestone.title, tag("span", f" {done}/{total}", class_="quiet")),
        bar, _items(missing), _finished([i for i in milestone.items if i.state == "done"]),
        class_="card",
    )  # fmt: skip


def _finished(items: Sequence[Todo]) -> Html | None:
    if not items:
        return None
    return tag("details", tag("summary", f"{len(items)} done"), _items(items),
               data_key=items[0].id)  # fmt: skip


def _items(items: Sequence[Todo]) -> Html | None:
    return tag("ul", [_item(item) for item in items], class_="todos") if items else None


def _item(item: Todo) -> Html:
    word, tone = _STATES[item.state]
    way_out = tag("p", tag("code", item.way_out)) if item.way_out else None
    what = tag("div", tag("strong", item.title), tag("p", item.fact, class_="quiet"), way_out)
    return tag("li", chip(word, tone), what)
