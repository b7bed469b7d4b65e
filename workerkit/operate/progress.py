"""A project's record of how it goes, in `docs/progress`: one page a day, and the checklist."""

from __future__ import annotations

import time
from pathlib import Path

from ..core.put import put, put_new
from .checklist import Checklist, Item

FOLDER = Path("docs/progress")

SHOWN = 8
"""Open items that a day's page names."""

_PAGE = """# {day}

{table}

## Next, says the checklist

{next}

## Settled today

-

## Under way

-

## In the way

- nothing

## Worth remembering

-

## Tomorrow

-
"""


def write_checklist(folder: Path, found: Checklist) -> Path:
    """Write `checklist.md` anew.

    Raises:
        Unreachable: It cannot be written.
    """
    return put(folder / FOLDER / "checklist.md", found.markdown())


def write_day(folder: Path, found: Checklist) -> Path:
    """Write the page of the day, named after it; the people of the project fill it in.

    Raises:
        ConfigurationError: It is there already.
        Unreachable: It cannot be written.
    """
    day = time.strftime("%Y-%m-%d", time.localtime(found.at))
    text = _PAGE.format(day=day, table="\n".join(found.table()), next="\n".join(_next(found)))
    return put_new(folder / FOLDER / f"{day}.md", text)


def _next(found: Checklist) -> list[str]:
    missing = [item for item in found.items() if item.state != "done"]
    lines = [_line(item) for item in missing[:SHOWN]]
    more = len(missing) - SHOWN
    lines += [f"- and {more} more: `workerkit checklist`"] if more > 0 else []
    return lines or ["- nothing is missing"]


def _line(item: Item) -> str:
    way_out = f" (`{item.way_out}`)" if item.way_out else ""
    return f"- `{item.id}` {item.title}: {item.fact}{way_out}"
