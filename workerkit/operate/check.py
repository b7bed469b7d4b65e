"""Whether services can be put together; nothing of them is run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from ..errors import WorkerkitError


@dataclass(frozen=True, slots=True)
class Found:
    """What there is to say of one service."""

    level: Literal["ok", "fail"]
    service: str
    fact: str
    exit_code: int


def check_services(names: Sequence[str], parts: Callable[[str], Sequence[str]]) -> list[Found]:
    """Have *parts* put each service together and name its parts; what it raises is the finding."""
    found = []
    for name in names:
        try:
            there = ", ".join(parts(name)) or "nothing to run"
        except WorkerkitError as error:
            found.append(Found("fail", name, str(error), error.exit_code))
        else:
            found.append(Found("ok", name, there, 0))
    return found
