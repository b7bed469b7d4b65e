"""How a deployment was last found: kept in the project's data folder."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import orjson

from ..errors import StartStopError
from .smoke import Check, Verified

Occasion = Literal["verify", "watch", "rollback"]

FOLDER = "deploy"
"""Below the project's data folder."""


def save(data: Path, occasion: Occasion, found: Verified) -> None:
    """Keep *found* in place of the last of its *occasion*.

    Raises:
        StartStopError: The folder cannot be written.
    """
    folder = data / FOLDER
    whole = folder / f".{occasion}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        whole.write_bytes(orjson.dumps(asdict(found)))
        whole.replace(folder / f"{occasion}.json")
    except OSError as error:
        raise StartStopError(f"cannot write to {folder}: {error.strerror}") from None


def last(data: Path, occasion: Occasion) -> Verified | None:
    """The last one of that *occasion*; None without, or when it cannot be read."""
    try:
        told: dict[str, Any] = orjson.loads((data / FOLDER / f"{occasion}.json").read_bytes())
        told["checks"] = tuple(Check(**check) for check in told["checks"])
        told["where"] = tuple(told["where"])
        return Verified(**told)
    except (OSError, KeyError, TypeError, ValueError):
        return None
