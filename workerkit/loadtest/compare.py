"""Two layouts of one project under the same load, in rounds that take turns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from threading import Event as Flag

from .statistics import ratio
from .thresholds import Check
from .units import shown

INLINE, SEPARATED = "inline", "separated"

BETTER, WORSE, ALIKE, UNKNOWN = "better", "worse", "not worse", "not proven"

JUDGED = ("p50", "p95", "p99")
"""Figures of the API that gate; the others are told."""

BOUNDLESS = 1e6
"""How many times the other a layout is at most; an interval beyond that says nothing."""

NOISE = 0.0005
"""Seconds that no gate minds, whatever part of the latency they are."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A figure in both layouts: medians of the rounds, and how many times inline separated is.

    Between `low` and `high` with 95 % confidence; `verdict` is of the separated one.
    """

    figure: str
    inline: float
    separated: float
    ratio: float
    low: float
    high: float
    verdict: str

    @property
    def interval(self) -> str:
        """For people; of a single round nothing is known."""
        return f"{self.low:.2f} to {self.high:.2f}" if self.high < BOUNDLESS else "not known"


def rounds(
    count: int, measure: Callable[[str], Mapping[str, float]], stop: Flag
) -> dict[str, list[Mapping[str, float]]]:
    """Figures by layout, from *count* rounds of both; *stop* ends it between two of them.

    Who begins changes from round to round: a machine that warms up or slows
    down treats both alike.
    """
    found: dict[str, list[Mapping[str, float]]] = {INLINE: [], SEPARATED: []}
    for number in range(count):
        order = (INLINE, SEPARATED) if number % 2 == 0 else (SEPARATED, INLINE)
        both = {}
        for layout in order:
            if stop.is_set():
                return found
            both[layout] = measure(layout)
        if stop.is_set():
            return found
        for layout, figures in both.items():
            found[layout].append(figures)
    return found


def differences(
    found: Mapping[str, Sequence[Mapping[str, float]]], tolerance: float
) -> tuple[Difference, ...]:
    """Every figure that all rounds have."""
    inline, separated = found[INLINE], found[SEPARATED]
    names = [n for n in inline[0] if all(n in each for each in (*inline, *separated))]
    return tuple(
        _difference(name, [f[name] for f in inline], [f[name] for f in separated], tolerance)
        for name in names
    )


def gate(found: Sequence[Difference], tolerance: float) -> tuple[Check, ...]:
    """Separated must not be worse than inline beyond *tolerance*; None is not proven."""
    outcome = {BETTER: True, ALIKE: True, WORSE: False, UNKNOWN: None}
    return tuple(
        Check(
            f"{each.figure}: separated not worse than inline by {tolerance:.0%}",
            outcome[each.verdict],
            f"{each.verdict}: {shown(each.figure, each.inline)} -> "
            f"{shown(each.figure, each.separated)}, "
            f"{each.ratio:.2f} times [{each.interval}]",
        )
        for each in found
        if each.figure in JUDGED
    )


def _difference(
    name: str, inline: Sequence[float], separated: Sequence[float], tolerance: float
) -> Difference:
    if not any(inline) and not any(separated):
        return Difference(name, 0.0, 0.0, 1.0, 1.0, 1.0, ALIKE)
    times = ratio(inline, separated)
    before, after = median(inline), median(separated)
    if name in JUDGED:
        tolerance = max(tolerance, NOISE / before if before else 0.0)
    if name.endswith("rate"):
        verdict = _verdict(1 / times.high, 1 / times.low, tolerance)
    else:
        verdict = _verdict(times.low, times.high, tolerance)
    return Difference(name, before, after, times.value, times.low, times.high, verdict)


def _verdict(low: float, high: float, tolerance: float) -> str:
    """Of an interval of ratios in which more is worse."""
    if high < 1:
        return BETTER
    if high <= 1 + tolerance:
        return ALIKE
    return WORSE if low > 1 + tolerance else UNKNOWN
