"""How far a project is: items, each settled by what was found and not by what was claimed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

State = Literal["done", "open", "unseen", "person"]
"""`open` is missing, broken, or older than the code; `unseen` cannot be told on this machine;
`person` waits for somebody who says so.
"""

_MARKS: dict[State, str] = {"done": "x", "open": " ", "unseen": " ", "person": " "}
_WORDS: dict[State, str] = {
    "done": "", "open": "", "unseen": "cannot be told here: ", "person": "for a person: ",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Seen:
    """What a probe found; `way_out` is the command, or the deed, that would settle it."""

    state: State
    fact: str
    way_out: str = ""


@dataclass(frozen=True, slots=True)
class Item:
    """One thing that a project needs, and how it was found; `id` is e.g. `day1.events`."""

    id: str
    title: str
    state: State
    fact: str
    way_out: str = ""


@dataclass(frozen=True, slots=True)
class Day:
    """Items that belong to one day, or to the criteria of success; `id` is e.g. `day1`."""

    id: str
    title: str
    items: tuple[Item, ...]

    @property
    def done(self) -> int:
        """How many are settled."""
        return sum(item.state == "done" for item in self.items)

    @property
    def share(self) -> float:
        """From 0 to 1; a day without items is whole."""
        return self.done / len(self.items) if self.items else 1.0

    def bar(self, width: int = 10) -> str:
        """A bar that is full only when all is done, and empty only when nothing is."""
        filled = round(width * self.share)
        if 0 < self.done < len(self.items):
            filled = min(max(filled, 1), width - 1)
        return "█" * filled + "░" * (width - filled)


@dataclass(frozen=True, slots=True)
class Checklist:
    """All days of a project as they were found `at` that time, in epoch seconds."""

    project: str
    at: float
    days: tuple[Day, ...]

    @property
    def total(self) -> Day:
        """Everything as one day."""
        return Day("total", "Total", tuple(self.items()))

    def items(self) -> Iterator[Item]:
        """In order."""
        for day in self.days:
            yield from day.items

    def exit_code(self, required: str = "") -> int:
        """0 when every item up to the day *required* is done, or none is required.

        5 when one is open, 6 when what is missing cannot be told here, or waits
        for a person.
        """
        states: set[State] = set()
        for day in self.days if required else ():
            states.update(item.state for item in day.items)
            if day.id == required:
                break
        return 5 if "open" in states else 6 if states - {"done"} else 0

    def markdown(self) -> str:
        """As a document: a table of the days, then each with its items."""
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.at))
        lines = [f"# {self.project}: how far it is", "", f"Written by `workerkit checklist` on "
                 f"{day}. Do not edit: it is found, not claimed.", "", *self.table()]  # fmt: skip
        for each in self.days:
            lines += ["", f"## {each.title}", ""]
            lines += [line for item in each.items for line in _written(item)]
        return "\n".join([*lines, ""])

    def table(self) -> list[str]:
        """The days as a Markdown table."""
        rows = [
            f"| {day.title} | `{day.bar()}` | {day.done}/{len(day.items)} | {day.share:.0%} |"
            for day in (*self.days, self.total)
        ]
        return ["| | | done | |", "|---|---|--:|--:|", *rows]


def _written(item: Item) -> Iterator[str]:
    fact = f"{_WORDS[item.state]}{item.fact}" if item.fact else ""
    yield f"- [{_MARKS[item.state]}] {item.title}{f' ({fact})' if fact else ''} <!-- {item.id} -->"
    if item.way_out:
        yield f"  - `{item.way_out}`"
