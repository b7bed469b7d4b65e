"""What one run of the generator has measured."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from .histogram import Histogram

BUSY = 0.9
"""Share of a core from which on the generator has nothing left to give."""

LATE = 0.001, 0.1
"""The generator was late when half of its sends were by this many seconds, and by this
share of the latency's median.
"""


@dataclass(frozen=True, slots=True)
class Second:
    """One second of a run, `at` seconds from its start, counted when answers came.

    Percentiles in seconds; `failed` counts what got no answer, or one of 400 and above.
    """

    at: int
    answered: int
    failed: int
    p50: float
    p95: float
    p99: float
    longest: float


@dataclass(frozen=True)
class Measured:
    """Requests whose intended time lay behind the warm-up.

    `intended` were to be sent. Of these, `statuses` counts answers, `failures`
    those that got none, by reason; `dropped` were never sent, because every
    connection was busy until their time-out; `unfinished` were left when the
    run was interrupted, and are in no other figure. `latency` runs from the
    intended time of sending and holds answers of any status, time-outs and
    dropped ones with the time they had waited; `late` is how long after its
    intended time the generator came to each.

    `seconds` is how long was measured, `cpu` the generator's share of one
    core, `ended` why it ended before its time, empty if it did not.
    """

    rate: float
    seconds: float
    intended: int
    statuses: Mapping[int, int]
    failures: Mapping[str, int]
    dropped: int
    unfinished: int
    connections: int
    latency: Histogram
    late: Histogram
    over_time: tuple[Second, ...]
    cpu: float
    ended: str

    @property
    def answered(self) -> int:
        """Answers of any status."""
        return sum(self.statuses.values())

    @property
    def succeeded(self) -> int:
        """Answers below 400."""
        return sum(count for status, count in self.statuses.items() if status < 400)

    @property
    def errors(self) -> float:
        """Share of the finished ones, 0 to 1, that did not succeed."""
        finished = self.intended - self.unfinished
        return 1 - self.succeeded / finished if finished else 0.0

    @property
    def achieved(self) -> float:
        """Successful answers a second."""
        return self.succeeded / self.seconds if self.seconds else 0.0

    @property
    def limited(self) -> str:
        """Why the generator, not the target, set the limit; empty when it did not."""
        late, median = self.late.percentile(50), self.latency.percentile(50)
        if self.cpu >= BUSY:
            return f"it used {self.cpu:.0%} of a core"
        if late > LATE[0] and late > LATE[1] * median:
            return f"half of its requests went out {late * 1000:.1f} ms late or more"
        return ""


class Recorder:
    """Collects a run, second by second; `begin` is the loop's time at which it starts."""

    def __init__(self, begin: float) -> None:
        self.begin = begin
        self.intended = 0
        self.dropped = 0
        self.finished = 0
        self.statuses: Counter[int] = Counter()
        self.failures: Counter[str] = Counter()
        self.latency = Histogram()
        self.late = Histogram()
        self.over_time: list[Second] = []
        self._now = Histogram()
        self._answered = self._failed = 0

    def answer(self, status: int, intended: float, now: float) -> None:
        """An answer came *now*, in the loop's time."""
        if intended < self.begin:
            return
        self.finished += 1
        self.statuses[status] += 1
        self._now.record(now - intended)
        self._answered += 1
        if status >= 400:
            self._failed += 1

    def failure(self, why: str, intended: float) -> None:
        """A request that never got an answer, and did not wait for one to the end."""
        if intended >= self.begin:
            self.finished += 1
            self.failures[why] += 1
            self._failed += 1

    def waited(self, why: str | None, intended: float, now: float) -> None:
        """A request waited in vain until *now*: failed because of *why*, or never sent."""
        if intended < self.begin:
            return
        self._now.record(now - intended)
        if why is None:
            self.finished += 1
            self.dropped += 1
            self._failed += 1
        else:
            self.failure(why, intended)

    def end_second(self, at: int) -> Second:
        """Close the second that began *at* seconds after `begin`."""
        p50, p95, p99 = self._now.percentiles((50, 95, 99))
        second = Second(at, self._answered, self._failed, p50, p95, p99, self._now.longest)
        self.over_time.append(second)
        self.latency.add(self._now)
        self._now = Histogram()
        self._answered = self._failed = 0
        return second

    def measured(self, *, rate: float, seconds: float, connections: int, cpu: float,
                 ended: str) -> Measured:  # fmt: skip
        """The whole; an open second is closed."""
        if self._answered or self._failed:
            self.end_second(self.over_time[-1].at + 1 if self.over_time else 0)
        return Measured(
            rate, seconds, self.intended, dict(self.statuses), dict(self.failures), self.dropped,
            self.intended - self.finished, connections, self.latency, self.late,
            tuple(self.over_time), cpu, ended,
        )  # fmt: skip
