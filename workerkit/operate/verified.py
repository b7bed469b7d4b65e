"""How a deployment was last found: kept in the project's data folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import orjson

from ..core.put import put
from .smoke import Check, Verified

Occasion = Literal["verify", "watch", "rollback"]

FOLDER = "deploy"
"""Below the project's data folder."""


def save(data: Path, occasion: Occasion, found: Verified) -> None:
    """Keep *found* in place of the last of its *occasion*.

    Raises:
        Unreachable: It cannot be written.
    """
    put(data / FOLDER / f"{occasion}.json", orjson.dumps(asdict(found)))


def last(data: Path, occasion: Occasion) -> Verified | None:
    """The last one of that *occasion*; None without, or when it cannot be read."""
    try:
        told: dict[str, Any] = orjson.loads((data / FOLDER / f"{occasion}.json").read_bytes())
        told["checks"] = tuple(Check(**check) for check in told["checks"])
        told["where"] = tuple(told["where"])
        return Verified(**told)
    except (OSError, KeyError, TypeError, ValueError):
        return None
