"""What must hold, as people write it (`p95<150ms`), and whether it did."""

from __future__ import annotations

import operator
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ..core.loading import unknown
from ..errors import ConfigurationError
from .units import quantity, shown

_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


@dataclass(frozen=True, slots=True)
class Threshold:
    """*figure* must be on that side of *limit*, which is in base units."""

    text: str
    figure: str
    sign: str
    limit: float


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was checked; `holds` is None when it is not proven either way.

    `seen` is the figure for people.
    """

    text: str
    holds: bool | None
    seen: str


def threshold(text: str) -> Threshold:
    """Read `FIGURE<LIMIT`, e.g. `p95<150ms`, `errors<0.1%`, `rate>=100/s`.

    Raises:
        ConfigurationError: It is none of that form.
    """
    found = re.fullmatch(r"([a-z0-9_.]+)(<=|>=|<|>)(.+)", text.replace(" ", ""))
    limit = quantity(found[3]) if found else None
    if not found or limit is None:
        raise ConfigurationError(
            f"threshold {text!r}: must be a figure, a sign and a limit, e.g. p95<150ms, "
            "errors<0.1%, rate>=100/s"
        )
    return Threshold(text, found[1], found[2], limit)


def known(thresholds: Sequence[Threshold], figures: Sequence[str]) -> None:
    """Refuse a threshold before the run whose figure the run will not have.

    Raises:
        ConfigurationError: Names the figure and those that there are.
    """
    for each in thresholds:
        if each.figure not in figures:
            raise ConfigurationError(
                f"threshold {each.text!r}: {unknown('figure', each.figure, figures)}"
            )


def judge(thresholds: Sequence[Threshold], figures: Mapping[str, float]) -> list[Check]:
    """Each threshold against what was measured; what was not measured does not hold."""
    checks = []
    for each in thresholds:
        value = figures.get(each.figure)
        holds = value is not None and _OPERATORS[each.sign](value, each.limit)
        seen = "not measured" if value is None else shown(each.figure, value)
        checks.append(Check(each.text, holds, seen))
    return checks


def compare(
    now: Mapping[str, float], before: Mapping[str, float], tolerance: float, label: str
) -> list[Check]:
    """Latencies, rates and errors of *now* against those of *before*, named *label*.

    Worse by more than *tolerance* (0.1: a tenth) breaks it. Errors may rise
    by that part of one percent, latencies of less than 1 ms by half a
    millisecond: below that a shared machine's own noise decides.
    """
    checks = []
    for name in ("p50", "p95", "p99", "errors", "rate"):
        if name not in now or name not in before:
            continue
        if name == "rate":
            limit = before[name] * (1 - tolerance)
            holds, sign = now[name] >= limit, ">="
        else:
            slack = 0.01 * tolerance if name == "errors" else 0.0005
            limit = before[name] + max(before[name] * tolerance, slack)
            holds, sign = now[name] <= limit, "<="
        text = f"{name}{sign}{shown(name, limit)} ({label})"
        checks.append(Check(text, holds, shown(name, now[name])))
    return checks
