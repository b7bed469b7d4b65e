"""A project's record of how it goes, in `docs/progress`: one page a day, and the checklist."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Literal

from ..errors import ConfigurationError
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
        ConfigurationError: It cannot be written.
    """
    return write(folder / FOLDER / "checklist.md", found.markdown(), "w")


def write_day(folder: Path, found: Checklist) -> Path:
    """Write the page of the day, named after it; the people of the project fill it in.

    Raises:
        ConfigurationError: It is there already, or cannot be written.
    """
    day = time.strftime("%Y-%m-%d", time.localtime(found.at))
    text = _PAGE.format(day=day, table="\n".join(found.table()), next="\n".join(_next(found)))
    return write(folder / FOLDER / f"{day}.md", text, "x")


def _next(found: Checklist) -> list[str]:
    missing = [item for item in found.items() if item.state != "done"]
    lines = [_line(item) for item in missing[:SHOWN]]
    more = len(missing) - SHOWN
    lines += [f"- and {more} more: `workerkit checklist`"] if more > 0 else []
    return lines or ["- nothing is missing"]


def _line(item: Item) -> str:
    way_out = f" (`{item.way_out}`)" if item.way_out else ""
    return f"- `{item.id}` {item.title}: {item.fact}{way_out}"


def write(path: Path, text: str, mode: Literal["w", "x"]) -> Path:
    """Write *path* anew, or with mode x only when there is none yet.

    Raises:
        ConfigurationError: It is there already, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open(mode, encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ConfigurationError(f"{path} is there already: edit it") from None
    except OSError as error:
        raise ConfigurationError(f"cannot write {path}: {error.strerror}") from None
    return path
