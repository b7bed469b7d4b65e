"""A load test of one API."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Event

from .generator import Load, generate
from .machine import this_machine
from .measured import Measured, Second
from .run import Run, new_id
from .target import Request, Target
from .usage import Sampler

FIGURES = ("p50", "p90", "p95", "p99", "p99.9", "max", "errors", "rate", "dropped")

CURVE = (1, 5, 10, 25, 50, 75, 90, 95, 97.5, 99, 99.5, 99.9, 99.95, 99.99, 100)
"""Percents of the stored percentile curve."""


@dataclass(frozen=True)
class ApiTest:
    """What is sent to whom; `shown` are the requests as people read them.

    `processes` names those to sample, by what they are, with their pids.
    """

    service: str
    target: Target
    requests: Sequence[Request]
    shown: str
    load: Load
    processes: Callable[[], Mapping[str, int]]


def run_api(
    test: ApiTest, *, stop: Event, tell: Callable[[Second], object] = lambda second: None
) -> Run:
    """Measure; the run is not judged yet.

    Raises:
        Unreachable: The target took no connection.
    """
    began, machine = time.time(), this_machine()
    sampler = Sampler(test.processes)
    sampler.start()
    try:
        measured = generate(test.target, test.requests, test.load, stop=stop, tell=tell)
    finally:
        sampler.stop()
    return Run(
        id=new_id("api"),
        kind="api",
        subject=test.service,
        at=began,
        machine=machine,
        what=f"{test.service}: {test.shown} at {test.load.rate:g}/s for {measured.seconds:.1f} s "
        f"on {test.target.url}",
        figures=figures(measured),
        counts=counts(measured),
        notes=notes(measured, test.load),
        series={
            name: [getattr(second, name) for second in measured.over_time]
            for name in ("answered", "failed", "p50", "p95", "p99", "longest")
        },
        curve=tuple(zip(CURVE, measured.latency.percentiles(CURVE), strict=True)),
        usage=sampler.usage(),
        ended=measured.ended,
    )


def figures(measured: Measured) -> dict[str, float]:
    """`FIGURES`: seconds, shares, and successes a second."""
    p50, p90, p95, p99, p999 = measured.latency.percentiles((50, 90, 95, 99, 99.9))
    return {
        "p50": p50, "p90": p90, "p95": p95, "p99": p99, "p99.9": p999,
        "max": measured.latency.longest, "errors": measured.errors, "rate": measured.achieved,
        "dropped": float(measured.dropped),
    }  # fmt: skip


def counts(measured: Measured) -> dict[str, int]:
    """How often what happened; zeros are left out."""
    found = {
        "intended": measured.intended,
        **{f"HTTP {status}": count for status, count in sorted(measured.statuses.items())},
        **dict(sorted(measured.failures.items())),
        "dropped": measured.dropped,
        "unfinished": measured.unfinished,
        "connections": measured.connections,
    }
    return {name: count for name, count in found.items() if count}


def notes(measured: Measured, load: Load) -> tuple[str, ...]:
    """What a reader of the figures must know, as full sentences."""
    found = [f"the generator used {measured.cpu:.0%} of a core"]
    if measured.limited:
        found = [f"the generator was the limit: {measured.limited}; lower --rate"]
    if measured.dropped:
        found.append(
            f"{measured.dropped} requests were never sent: all {load.connections} connections "
            f"were busy for {load.timeout:g} s"
        )
    return tuple(found)
