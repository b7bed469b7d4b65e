"""What only people can say, in a file of the project that is committed with it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import orjson

from ..core.put import put
from ..errors import ConfigurationError

FILE = Path("docs/progress/ticks.json")
"""In the project's folder."""


@dataclass(frozen=True, slots=True)
class Tick:
    """Somebody says that an item is done; `on` is the day, as 2026-11-25."""

    item: str
    by: str
    on: str


def read_ticks(folder: Path) -> dict[str, Tick]:
    """By item; empty without the file.

    Raises:
        ConfigurationError: The file is not what `tick` writes.
    """
    path = folder / FILE
    if not path.exists():
        return {}
    try:
        ticks = [Tick(**each) for each in orjson.loads(path.read_bytes())]
    except (OSError, TypeError, ValueError) as error:
        raise ConfigurationError(f"{FILE}: no list of ticks: {error}") from None
    return {each.item: each for each in ticks}


def tick(folder: Path, item: str, by: str, personal: Sequence[str]) -> Tick:
    """Write down that *item*, one of those in *personal*, is done, says *by*; today.

    Raises:
        ConfigurationError: A probe settles it, or nobody is named.
        Unreachable: The file cannot be written.
    """
    if item not in personal:
        raise ConfigurationError(
            f"{item!r} is not for people to tick; these are: {', '.join(personal)}"
        )
    if not by.strip() or not by.isprintable():
        raise ConfigurationError("--by: must be a name")
    ticked = Tick(item, by.strip(), time.strftime("%Y-%m-%d"))
    ticks = {**read_ticks(folder), item: ticked}
    told = [asdict(each) for _, each in sorted(ticks.items())]
    put(folder / FILE, orjson.dumps(told, option=orjson.OPT_INDENT_2) + b"\n")
    return ticked
