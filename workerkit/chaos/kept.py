"""The latest verdict of each scenario on each service, kept in the project's data folder."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson

from ..core.put import put
from .verdict import Verdict

FOLDER = "chaos"
"""Below the project's data folder."""


@dataclass(frozen=True, slots=True)
class Kept:
    """A verdict without its course; `at` in epoch seconds, `code` the project's digest then."""

    scenario: str
    service: str
    at: float
    seconds: float
    code: str
    verdict: Verdict


class Verdicts:
    """One file for each scenario and service, which the next run of it replaces."""

    def __init__(self, data: Path) -> None:
        self.folder = data / FOLDER

    def save(self, kept: Kept) -> None:
        """Keep it in place of what there was of its scenario on its service.

        Raises:
            Unreachable: It cannot be written.
        """
        short = replace(kept, verdict=replace(kept.verdict, faults=(), course=()))
        put(self.folder / f"{kept.scenario}-{kept.service}.json", orjson.dumps(asdict(short)))

    def all(self) -> dict[tuple[str, str], Kept]:
        """By scenario and service; one that cannot be read counts as never played."""
        found = {}
        for path in sorted(self.folder.glob("*.json")):
            try:
                told: dict[str, Any] = orjson.loads(path.read_bytes())
                verdict = {**told["verdict"], "reasons": tuple(told["verdict"]["reasons"])}
                verdict |= {"faults": (), "course": ()}
                kept = Kept(**{**told, "verdict": Verdict(**verdict)})
                found[kept.scenario, kept.service] = kept
            except (OSError, KeyError, TypeError, ValueError):
                continue
        return found
