"""The highest rate at which the thresholds hold."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Step:
    """One rate that was tried; `why` says what did not hold, empty when all did."""

    rate: float
    why: str


def ramp(
    attempt: Callable[[float], str | None], start: float, most: float, *, least: float = 1.0,
    precision: float = 0.1,
) -> list[Step]:  # fmt: skip
    """Double from *start* until something breaks, then halve the gap until it is small.

    *attempt* says why a rate does not hold, "" when it does, None to end at
    once. Nothing above *most* or below *least* is tried; it ends when the highest rate that
    held and the lowest that did not are apart by *precision* of the first.
    """
    steps: list[Step] = []
    held, broke = 0.0, float("inf")
    rate = start
    while True:
        why = attempt(rate)
        if why is None:
            return steps
        steps.append(Step(rate, why))
        if why:
            broke = min(broke, rate)
        else:
            held = max(held, rate)
        if held >= most or broke - held <= precision * held or broke < 2 * least:
            return steps
        rate = min(most, held * 2) if broke == float("inf") else (held + broke) / 2


def highest(steps: list[Step]) -> float:
    """The highest rate that held below all that did not; 0.0 when none did."""
    broke = min((step.rate for step in steps if step.why), default=float("inf"))
    return max((step.rate for step in steps if not step.why and step.rate < broke), default=0.0)
