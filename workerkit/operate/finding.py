"""What a check of `workerkit doctor` has found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """One finding; `way_out` is empty when all is well."""

    name: str
    level: Level
    fact: str
    way_out: str = ""


@dataclass(frozen=True, slots=True)
class Findings:
    """All of them; `failed` is what the exit code tells."""

    checks: tuple[Check, ...]

    @property
    def failed(self) -> bool:
        """Whether anything will not work."""
        return any(check.level == "fail" for check in self.checks)
