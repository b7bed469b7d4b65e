"""Whether memory, open files or lag grow under a load that stays the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from .events import LAG_EVERY
from .run import Run
from .statistics import Interval, slope
from .thresholds import Check
from .units import shown

SETTLE = 0.25
"""Part of a soak at its beginning that is left out: caches fill, imports end."""

BLOCKS = 12
"""Points that a slope is fitted to, each the median of its share of the samples.

Memory comes in steps, so that neighbouring samples are no independent ones;
fitted to all of them, a slope would look far more certain than it is.
"""


BOUNDLESS = 1e15
"""Growth per hour beyond which a slope says nothing; JSON knows no infinity."""


@dataclass(frozen=True, slots=True)
class Allowed:
    """How much may grow: *per_hour*, and never less than *at_all* over the whole soak."""

    figure: str
    what: str
    per_hour: float
    at_all: float

    def limit(self, seconds: float) -> float:
        """Per hour, for what was watched for *seconds*: less than *at_all* cannot be told."""
        return max(self.per_hour, self.at_all * 3600 / seconds)


MEMORY = Allowed("rss_slope", "memory", 1e6, 2e6)
FILES = Allowed("files_slope", "open files", 1.0, 3.0)
LAG = Allowed("lag_slope", "lag", 10.0, 50.0)

SLOPES = (MEMORY.figure, FILES.figure, LAG.figure)


@dataclass(frozen=True, slots=True)
class Growth:
    """The slope per hour of *allowed* in *who*, fitted over `seconds`."""

    who: str
    allowed: Allowed
    slope: Interval
    seconds: float

    def check(self) -> Check:
        """False when it surely grows too fast, None when it is not known."""
        limit = self.allowed.limit(self.seconds)
        holds = True if self.slope.high <= limit else False if self.slope.low > limit else None
        name = self.allowed.figure
        return Check(
            f"{self.allowed.what} of {self.who} grows by less than {shown(name, limit)}",
            holds,
            f"{shown(name, self.slope.value)} [{self._interval()}]",
        )

    def _interval(self) -> str:
        if self.slope.high >= BOUNDLESS:
            return "not known"
        name = self.allowed.figure
        return f"{shown(name, self.slope.low)} to {shown(name, self.slope.high)}"


def growth(who: str, allowed: Allowed, times: Sequence[float], values: Sequence[float]) -> Growth:
    """How fast *values* grow once the beginning is left out; *times* in seconds, ascending."""
    first = int(len(times) * SETTLE)
    times, values = times[first:], values[first:]
    size = max(1, len(times) // BLOCKS)
    starts = range(0, len(times) - size + 1, size)
    hours = [median(times[start : start + size]) / 3600 for start in starts]
    levels = [median(values[start : start + size]) for start in starts]
    seconds = times[-1] - times[0] if len(times) > 1 else 1.0
    return Growth(who, allowed, _finite(slope(hours, levels)), max(seconds, 1.0))


def grown(api: Run, events: Run | None) -> list[Growth]:
    """Memory and open files of every process, and the lag."""
    found = []
    for usage in api.usage:
        times = [sample.at for sample in usage.samples]
        found.append(growth(usage.name, MEMORY, times, [float(s.rss) for s in usage.samples]))
        found.append(growth(usage.name, FILES, times, [float(s.files) for s in usage.samples]))
    if events is not None:
        lags = list(events.series["lag"])
        found.append(growth("the events", LAG, [n * LAG_EVERY for n in range(len(lags))], lags))
    return found


def figures(found: Sequence[Growth]) -> dict[str, float]:
    """The steepest of each kind, per hour."""
    steepest: dict[str, float] = {}
    for each in found:
        name = each.allowed.figure
        steepest[name] = max(each.slope.value, steepest.get(name, each.slope.value))
    return steepest


def _finite(found: Interval) -> Interval:
    return Interval(found.value, max(found.low, -BOUNDLESS), min(found.high, BOUNDLESS))
