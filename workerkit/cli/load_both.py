"""What `workerkit loadtest compare` and its like do: API and events under load at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from ..errors import ConfigurationError
from ..loadtest.both import over, run_both
from ..loadtest.compare import INLINE, SEPARATED, Difference, differences, gate, rounds
from ..loadtest.events import EventTest
from ..loadtest.generator import INTERRUPTED, Load
from ..loadtest.handling import handling
from ..loadtest.measured import Second
from ..loadtest.run import Run, Runs, new_id
from ..loadtest.units import seconds
from ..project import Project
from ..trial import Layout, Stage, own_copy
from . import show, show_load
from .load import api_tests, tell_all
from .load_events import Publishing, event_test
from .opened import interruptible, opened


@dataclass(frozen=True)
class Both:
    """The flags that say how API and events are loaded; durations as people write them."""

    rate: float
    events_rate: float
    duration: str
    warm_up: str
    paths: Sequence[str]
    topic: str | None

    def load(self) -> Load:
        """Of the API."""
        return Load(self.rate, seconds(self.duration, "--duration"),
                    seconds(self.warm_up, "--warm-up"))  # fmt: skip


def compare(
    service: str | None, both: Both, count: int, tolerance: float | None, as_json: bool
) -> int:
    """Run *count* rounds of both layouts; return the exit code."""
    load = both.load()
    with opened() as project, interruptible() as stop:
        name = with_api(project, service)
        allowed = project.file.loadtest.tolerance if tolerance is None else tolerance
        run = comparison(project, name, both, load, count, allowed, stop, quiet=as_json)
        return tell_all([Runs(project.data).save(run)], as_json)


def with_api(project: Project, service: str | None) -> str:
    """*service*, that of the current folder, or the first that has an API and workers.

    Raises:
        ConfigurationError: No such service, or it has no API.
    """
    wanted = service or project.around(Path.cwd())
    if wanted:
        if "api" not in project.modes(wanted):
            raise ConfigurationError(f"service {wanted!r} has no API: there is nothing to compare")
        return wanted
    having = [n for n in project.file.services if "api" in project.modes(n)]
    having.sort(key=lambda n: len(project.modes(n)), reverse=True)
    if not having:
        raise ConfigurationError("no service has an API: there is nothing to compare")
    return having[0]


def comparison(
    project: Project, service: str, both: Both, load: Load, count: int, tolerance: float,
    stop: threading.Event, *, quiet: bool,
) -> Run:  # fmt: skip
    """*count* rounds, judged; ends with what there is when *stop* is set.

    Raises:
        ConfigurationError: The API gave up under this load.
        KeyboardInterrupt: *stop* was set before a round was over.
    """
    began = time.time()
    notes: list[str] = []

    def measure(layout: str) -> Mapping[str, float]:
        with own_copy(project, cast("Layout", layout), stop) as found:
            title = f"{service} {layout}"
            with show_load.live(title, load, quiet=quiet) as tell:
                api, events = once(found, service, both, load, stop, tell)
            spent, jobs = handling(url for (of, _), url in found.ports.items() if of == service)
        if api.ended and not stop.is_set():
            raise ConfigurationError(f"{title}: {api.ended}; lower --rate or --events-rate")
        notes.extend(n for n in api.notes if "was the limit" in n and n not in notes)
        return {**together(api, events), "handling": spent / jobs if jobs else 0.0}

    found = rounds(count, measure, stop)
    if not found[SEPARATED]:
        show.warning("interrupted before one round was over: there is nothing to compare")
        raise KeyboardInterrupt
    apart = differences(found, tolerance)
    return Run(
        id=new_id("compare"), kind="compare", at=began,
        what=f"{service}: inline against separated, {load.rate:g} requests/s and "
        f"{both.events_rate:g} events/s at once, {len(found[SEPARATED])} rounds of "
        f"{load.duration:g} s",
        figures={f"{layout}_{name}": value for layout in (INLINE, SEPARATED)
                 for name, value in _medians(apart, layout).items()},
        checks=gate(apart, tolerance), differences=apart, notes=tuple(notes),
        ended=INTERRUPTED if stop.is_set() else "",
    )  # fmt: skip


def _medians(apart: Sequence[Difference], layout: str) -> dict[str, float]:
    return {d.figure: d.inline if layout == INLINE else d.separated for d in apart}


def once(
    found: Stage, service: str, both: Both, load: Load, stop: threading.Event,
    tell: Callable[[Second], object],
) -> tuple[Run, Run | None]:  # fmt: skip
    """One run of both on *found*."""
    (test,) = api_tests(found, service, both.paths, load)
    return run_both(test, events_beside(found, service, both, load), stop=stop, tell=tell)


def events_beside(found: Stage, service: str, both: Both, load: Load) -> EventTest | None:
    """Events for the workers of *service*, else for any; None when nobody listens."""
    topics = found.project.topics()
    of_service = [topic for topic, names in topics.items() if service in names]
    chosen = both.topic or next(iter(of_service or topics), None)
    if chosen is None or both.events_rate <= 0:
        return None
    count = over(load.warm_up + load.duration, both.events_rate)
    return event_test(found, chosen, Publishing(count, both.events_rate, None, True))


def together(api: Run, events: Run | None) -> dict[str, float]:
    """The figures of one round."""
    figures = {name: api.figures[name] for name in ("p50", "p95", "p99", "errors", "rate")}
    if events is not None:
        figures |= {f"events_{n}": events.figures[n] for n in ("p50", "p95", "rate", "errors")}
    figures["cpu"] = sum(usage.cpu for usage in api.usage)
    figures["memory"] = float(sum(usage.rss for usage in api.usage))
    return figures
