"""Intervals for what was measured a few times, and slopes of what was watched."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179,
      2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086)  # fmt: skip
"""Student's t for 95 %, two-sided, by degrees of freedom from 1 on."""


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate; the true value is between `low` and `high` in 95 of 100 cases."""

    value: float
    low: float
    high: float


def student(freedom: int) -> float:
    """Student's t for 95 %; within 0.3 % of the true one beyond the table."""
    return _T[freedom - 1] if freedom <= len(_T) else 1.96 + 2.5 / freedom


def mean(values: Sequence[float]) -> Interval:
    """The mean of independent *values*; of a single one nothing is known."""
    middle = fmean(values)
    if len(values) < 2:
        return Interval(middle, -math.inf, math.inf)
    half = student(len(values) - 1) * stdev(values) / math.sqrt(len(values))
    return Interval(middle, middle - half, middle + half)


def ratio(before: Sequence[float], after: Sequence[float]) -> Interval:
    """How many times *before* each of *after* is, pair by pair: the geometric mean.

    Pairs lie beside each other in time, so that what else the machine does
    touches both; pairs with a zero say nothing and are left out.
    """
    pairs = [(b, a) for b, a in zip(before, after, strict=True) if a > 0 and b > 0]
    logs = [math.log(a / b) for b, a in pairs]
    found = mean(logs) if logs else Interval(0.0, -math.inf, math.inf)
    # exp overflows above 709; an interval that wide says nothing anyway.
    low, high = max(-700.0, found.low), min(700.0, found.high)
    return Interval(math.exp(found.value), math.exp(low), math.exp(high))


def slope(times: Sequence[float], values: Sequence[float]) -> Interval:
    """How fast *values* grow per unit of *times* (least squares); unknown below 3 points."""
    if len(values) < 3 or len(set(times)) < 2:
        return Interval(0.0, -math.inf, math.inf)
    at, level = fmean(times), fmean(values)
    spread = sum((time - at) ** 2 for time in times)
    pairs = list(zip(times, values, strict=True))
    found = sum((time - at) * (value - level) for time, value in pairs) / spread
    rest = sum((value - level - found * (time - at)) ** 2 for time, value in pairs)
    half = student(len(values) - 2) * math.sqrt(rest / (len(values) - 2) / spread)
    return Interval(found, found - half, found + half)
