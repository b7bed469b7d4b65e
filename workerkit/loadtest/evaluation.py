"""Whether a service's workers should leave its API's process, and why."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from .compare import Difference
from .units import shown

BUSY = 0.2
"""Part of the time of one process from which on handlers belong into another."""

RULE = (
    "Separate when, at this volume, the handlers are busy for {busy:.0%} of the time or more, or "
    "when the API's p95 is surely (95 %) better without them by more than {tolerance:.0%}."
)


@dataclass(frozen=True, slots=True)
class Volume:
    """Events a second that the service's handlers get, and where that is from."""

    rate: float
    origin: str


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The answer; `figures` are (name, for people), `run` the comparison it rests on."""

    service: str
    separate: bool
    reason: str
    rule: str
    figures: tuple[tuple[str, str], ...]
    at: float
    run: str = ""

    @property
    def answer(self) -> str:
        """As the checklist wants it."""
        return "YES" if self.separate else "NO"

    def markdown(self) -> str:
        """The whole as a document."""
        day = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.at))
        rows = [f"| {name} | {value} |" for name, value in self.figures]
        table = ["", "| measured | |", "|---|--:|", *rows] if rows else []
        origin = [f"Made {day} by `workerkit evaluate {self.service}`"
                  + (f" from run {self.run}." if self.run else ".")]  # fmt: skip
        lines = [
            f"# {self.service}: separate its workers? {self.answer}", "", self.reason, "",
            f"Rule: {self.rule}", *table, "", *origin, "",
        ]  # fmt: skip
        return "\n".join(lines)


def decide(
    service: str, volume: Volume, seconds_per_event: float, apart: Sequence[Difference],
    tolerance: float, run: str,
) -> Evaluation:  # fmt: skip
    """Apply `RULE`; *seconds_per_event* is the mean that a handler takes."""
    busy = volume.rate * seconds_per_event
    p95 = next(each for each in apart if each.figure == "p95")
    slowed = p95.high < 1 / (1 + tolerance)
    shares = f"handlers are busy for {busy:.1%} of the time ({volume.rate:.3g} events/s, "
    shares += f"{seconds_per_event * 1000:.3g} ms each)"
    latency = f"the API's p95 is {shown('p95', p95.inline)} with them in its process and "
    latency += f"{shown('p95', p95.separated)} without"
    if busy >= BUSY or slowed:
        why = [shares] if busy >= BUSY else []
        why += [latency] if slowed else []
        reason = f"YES, because {', and '.join(why)}."
    else:
        reason = f"NO, because {shares}, and it is not shown that they slow the API: {latency}, "
        reason += f"{p95.ratio:.2f} times [{p95.interval}]."
    figures = (
        ("events a second", f"{volume.rate:.3g} ({volume.origin})"),
        ("mean time of a handler", f"{seconds_per_event * 1000:.3g} ms"),
        ("handlers busy", f"{busy:.1%}"),
        *((f"API {d.figure}, inline", shown(d.figure, d.inline)) for d in apart
          if d.figure in ("p50", "p95", "p99")),
        *((f"API {d.figure}, separated", shown(d.figure, d.separated)) for d in apart
          if d.figure in ("p50", "p95", "p99")),
        ("p95, separated to inline", f"{p95.ratio:.2f} times [{p95.interval}]"),
    )  # fmt: skip
    return Evaluation(service, busy >= BUSY or slowed, reason, rule(tolerance), figures,
                      time.time(), run)  # fmt: skip


def nothing_to_separate(service: str, modes: Sequence[str], tolerance: float) -> Evaluation:
    """The answer for a service that has no API, or nothing beside it."""
    if "api" in modes:
        reason = "NO, because it has no event workers and no jobs: only its API."
    else:
        reason = "NO, because it has no API: its workers are on their own already."
    figures = (("modes", ", ".join(modes) or "none"),)
    return Evaluation(service, False, reason, rule(tolerance), figures, time.time())


def rule(tolerance: float) -> str:
    """`RULE` with its numbers."""
    return RULE.format(busy=BUSY, tolerance=tolerance)
