"""A load test of event workers: from the intended moment of publishing to the inbox."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle, islice
from threading import Event as Flag
from typing import Any
from uuid import uuid4

from ..core.worker import BaseWorker
from ..errors import ConfigurationError, WorkerkitError
from ..events.envelope import Event, encode
from ..events.transport import Broker, Message
from ..storage.database import Database
from ..storage.inspection import settlements
from .api import CURVE
from .generator import INTERRUPTED
from .histogram import Histogram
from .machine import this_machine
from .run import Run, new_id
from .usage import Sampler

FIGURES = ("p50", "p95", "p99", "max", "commit_p95", "rate", "errors", "lag_max")

LOOK = 0.02
"""Seconds between looks at the inboxes."""

LAG_EVERY = 0.5
"""Seconds between two points of the lag's curve."""

BATCH = 1000
"""Events in one call to the broker, at most."""

PAGE = 500
"""Events that one look asks for: the oldest ones that are not settled."""

PATIENCE = 15.0
"""Seconds without any event being settled after which the rest is given up."""


@dataclass(frozen=True, slots=True)
class Consumer:
    """One that must settle each event, e.g. `pricing/stock_updated`, and where it does."""

    name: str
    database: Database

    @property
    def group(self) -> str:
        """Its service."""
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class EventTest:
    """*count* events on *topic*, *rate* a second, or all at once when it is None.

    `payloads` are taken in turn; `processes` names those to sample with their pids.

    Raises:
        ConfigurationError: Nothing would be published, or nobody listens.
    """

    topic: str
    payloads: Sequence[Any]
    count: int
    rate: float | None
    consumers: Sequence[Consumer]
    broker: Broker
    processes: Callable[[], Mapping[str, int]]
    patience: float = PATIENCE

    def __post_init__(self) -> None:
        if self.count < 1 or (self.rate is not None and not 0 < self.rate < float("inf")):
            raise ConfigurationError(
                "--count and --rate must be above 0, e.g. --count 1000 --rate 500"
            )
        if not self.consumers:
            raise ConfigurationError(
                f"nobody in this project listens to {self.topic!r}: nothing could be measured"
            )


class Publishing(BaseWorker):
    """Publishes each event when it is due, however long earlier ones took."""

    def __init__(self, test: EventTest, source: str) -> None:
        super().__init__("publishing")
        self.test = test
        self.source = source
        self.began = time.time()
        self.sent = 0
        self.done = Flag()

    def intended(self, number: int) -> float:
        """When event *number* was to be published, in epoch seconds."""
        return self.began + number / self.test.rate if self.test.rate else self.began

    def work(self) -> None:
        """All events, in batches of what is due; `failure` is what the broker said."""
        payloads = cycle(self.test.payloads)
        try:
            while self.sent < self.test.count and not self.stopping.is_set():
                due = self._due()
                if due == self.sent:
                    self.stopping.wait(max(0.0, self.intended(due) - time.time()))
                    continue
                numbers = range(self.sent, min(due, self.sent + BATCH))
                self.test.broker.publish([self._message(n, next(payloads)) for n in numbers])
                self.sent = numbers.stop
        except WorkerkitError as error:
            self.failure = error
        finally:
            self.done.set()

    def _due(self) -> int:
        if self.test.rate is None:
            return self.test.count
        elapsed = max(0.0, time.time() - self.began)
        return min(self.test.count, int(elapsed * self.test.rate) + 1)

    def _message(self, number: int, payload: Any) -> Message:
        event = Event(self.test.topic, payload, id=f"{number}", source=self.source,
                      time=time.time())  # fmt: skip
        return Message(event.topic, encode(event))


@dataclass
class Watch:
    """What one consumer has settled: `at` is the inbox's time by event, `seen` ours."""

    consumer: Consumer
    waiting: dict[str, None]
    at: dict[int, float] = field(default_factory=dict)
    seen: dict[int, float] = field(default_factory=dict)
    dead: int = 0

    def look(self, source: str, ids: Sequence[str]) -> int:
        """Ask for *ids*; return how many are settled now that were not."""
        found = settlements(self.consumer.database, self.consumer.name, source, ids)
        now = time.time()
        settled = [s for s in found.items() if s[1].state != "parked"]
        for event_id, settlement in settled:
            del self.waiting[event_id]
            if settlement.state == "applied":
                self.at[int(event_id)] = settlement.at
                self.seen[int(event_id)] = now
            else:
                self.dead += 1
        return len(settled)

    def oldest(self, sent: int) -> list[str]:
        """Up to `PAGE` of the first *sent* events that are not settled."""
        return [i for i in islice(self.waiting, PAGE) if int(i) < sent]

    def pages(self) -> Iterator[list[str]]:
        """All that are not settled, `PAGE` at a time."""
        left = list(self.waiting)
        return (left[start : start + PAGE] for start in range(0, len(left), PAGE))


def run_events(
    test: EventTest, *, stop: Flag, tell: Callable[[int], object] = lambda settled: None
) -> Run:
    """Publish, and watch the inboxes until all is settled; *tell* hears how much is.

    Raises:
        StorageError: The broker or a database does not answer.
    """
    began, machine, source = time.time(), this_machine(), f"loadtest/{uuid4()}"
    ids = [str(number) for number in range(test.count)]
    watches = [Watch(consumer, dict.fromkeys(ids)) for consumer in test.consumers]
    sampler, publishing = Sampler(test.processes), Publishing(test, source)
    sampler.start()
    publishing.start()
    try:
        lags, ended = _follow(test, publishing, watches, stop, tell)
    finally:
        publishing.stop()
        sampler.stop()
    if publishing.failure is not None:
        raise publishing.failure
    for watch in watches:
        for page in watch.pages():
            watch.look(source, page)
    run = _report(test, publishing, watches, lags, ended)
    return replace(run, at=began, machine=machine, usage=sampler.usage())


def _follow(
    test: EventTest, publishing: Publishing, watches: Sequence[Watch], stop: Flag,
    tell: Callable[[int], object],
) -> tuple[list[int], str]:  # fmt: skip
    """The lag every `LAG_EVERY` seconds, and why it ended before all was settled."""
    lags: list[int] = []
    settled, last = 0, time.monotonic()
    next_lag = last
    while any(watch.waiting for watch in watches):
        if stop.wait(LOOK):
            return lags, INTERRUPTED
        now = time.monotonic()
        new = sum(watch.look(publishing.source, watch.oldest(publishing.sent)) for watch in watches)
        settled += new
        if new or not publishing.done.is_set():
            last = now
        tell(settled)
        if now >= next_lag:
            groups = {watch.consumer.group for watch in watches}
            lags.append(sum(test.broker.lag(test.topic, group).events for group in groups))
            next_lag += LAG_EVERY
        if now - last > test.patience or publishing.failure is not None:
            return lags, "" if settled else "no event was settled: does a worker run?"
    return lags, ""


def _report(
    test: EventTest, publishing: Publishing, watches: Sequence[Watch], lags: Sequence[int],
    ended: str,
) -> Run:  # fmt: skip
    latency, commit = Histogram(), Histogram()
    for watch in watches:
        for number, at in watch.at.items():
            latency.record(at - publishing.intended(number))
            commit.record(watch.seen[number] - publishing.intended(number))
    published = publishing.sent * len(watches)
    last = max((at for watch in watches for at in watch.at.values()), default=0.0)
    drain = last - publishing.began
    p50, p95, p99 = latency.percentiles((50, 95, 99))
    dead = sum(watch.dead for watch in watches)
    pace = f"{test.rate:g}/s" if test.rate else "all at once"
    names = ", ".join(watch.consumer.name for watch in watches)
    counts = {"published": publishing.sent, "applied": latency.total, "dead": dead,
              "not settled": published - latency.total - dead}  # fmt: skip
    return Run(
        id=new_id("events"), kind="events", subject=test.topic, at=publishing.began,
        what=f"{test.topic} to {names}: {publishing.sent} events, {pace}",
        figures={
            "p50": p50, "p95": p95, "p99": p99, "max": latency.longest,
            "commit_p95": commit.percentile(95),
            "rate": latency.total / len(watches) / drain if drain > 0 else 0.0,
            "errors": 1 - latency.total / published if published else 0.0,
            "lag_max": float(max(lags, default=0)),
        },
        counts={name: count for name, count in counts.items() if count},
        notes=(
            "latencies run to the inbox's time, when the batch's transaction began; commit_p95 is "
            f"when 95 % were seen committed, with a look every {LOOK * 1000:.0f} ms",
        ),
        series={"lag": list(lags)},
        curve=tuple(zip(CURVE, latency.percentiles(CURVE), strict=True)),
        ended=ended,
    )  # fmt: skip
