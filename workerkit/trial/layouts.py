"""A service's API and its events under load at once, in one layout or in both."""

from __future__ import annotations

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
from ..loadtest.machine import this_machine
from ..loadtest.measured import Second
from ..loadtest.run import Run, new_id
from ..project import Project
from .apis import api_test
from .judge import keep, tolerated
from .stage import Layout, Stage, own_copy
from .telling import Telling
from .topics import Published, event_test


@dataclass(frozen=True, slots=True)
class Both:
    """The load on a service's API and, beside it, *events_rate* events a second.

    Without *topic* one that the service listens to, else any; a rate of 0 is none.
    """

    load: Load
    events_rate: float
    paths: Sequence[str] = ()
    topic: str | None = None

    @property
    def shown(self) -> str:
        """As people read it."""
        return f"{self.load.rate:g} requests/s and {self.events_rate:g} events/s at once"


def with_api(project: Project, service: str | None) -> str:
    """*service*, that of the current folder, or the one with an API and the most beside it.

    Raises:
        ConfigurationError: No such service, or it has no API.
    """
    wanted = service or project.around(Path.cwd())
    if wanted:
        if "api" not in project.modes(wanted):
            raise ConfigurationError(f"service {wanted!r} has no API: there is nothing to load")
        return wanted
    having = [n for n in project.file.services if "api" in project.modes(n)]
    if not having:
        raise ConfigurationError("no service has an API: there is nothing to load")
    return max(having, key=lambda name: len(project.modes(name)))


def compare(
    project: Project, telling: Telling, service: str | None, both: Both, count: int,
    tolerance: float | None,
) -> list[Run]:  # fmt: skip
    """The `comparison` of *service*, or of the one that `with_api` chooses, kept and told."""
    name, allowed = with_api(project, service), tolerated(project, tolerance)
    return [keep(project, comparison(project, telling, name, both, count, allowed), telling)]


def comparison(
    project: Project, telling: Telling, service: str, both: Both, count: int, tolerance: float
) -> Run:
    """*count* rounds of inline and separated, judged; fewer when interrupted.

    Raises:
        ConfigurationError: The API gave up under this load.
        KeyboardInterrupt: Interrupted before a round was over.
    """
    began, machine = time.time(), this_machine()
    notes: list[str] = []

    def measure(layout: str) -> Mapping[str, float]:
        with own_copy(project, cast("Layout", layout), telling.stop) as found:
            with telling.live(f"{service} {layout}", both.load) as tell:
                api, events = once(found, service, both, telling, tell)
            ports = [url for (of, _), url in found.ports.items() if of == service]
            spent, jobs = handling(ports)
        if api.ended and not telling.stop.is_set():
            raise ConfigurationError(
                f"{service} {layout}: {api.ended}; {both.shown} is more than it can take"
            )
        notes.extend(n for n in api.notes if "was the limit" in n and n not in notes)
        return {**together(api, events), "handling": spent / jobs if jobs else 0.0}

    found = rounds(count, measure, telling.stop)
    if not found[SEPARATED]:
        telling.warn("interrupted before one round was over: there is nothing to compare")
        raise KeyboardInterrupt
    apart = differences(found, tolerance)
    return Run(
        id=new_id("compare"), kind="compare", subject=service, at=began, machine=machine,
        what=f"{service}: inline against separated, {both.shown}, "
        f"{len(found[SEPARATED])} rounds of {both.load.duration:g} s",
        figures={f"{layout}_{name}": value for layout in (INLINE, SEPARATED)
                 for name, value in _medians(apart, layout).items()},
        checks=gate(apart, tolerance), differences=apart, notes=tuple(notes),
        ended=INTERRUPTED if telling.stop.is_set() else "",
    )  # fmt: skip


def once(
    found: Stage, service: str, both: Both, telling: Telling, tell: Callable[[Second], object]
) -> tuple[Run, Run | None]:
    """One run of both on *found*."""
    test = api_test(found, service, both.paths, both.load)
    events = _events_beside(found, service, both, telling)
    return run_both(test, events, stop=telling.stop, tell=tell)


def together(api: Run, events: Run | None) -> dict[str, float]:
    """The figures of one round."""
    figures = {name: api.figures[name] for name in ("p50", "p95", "p99", "errors", "rate")}
    if events is not None:
        figures |= {f"events_{n}": events.figures[n] for n in ("p50", "p95", "rate", "errors")}
    figures["cpu"] = sum(usage.cpu for usage in api.usage)
    figures["memory"] = float(sum(usage.rss for usage in api.usage))
    return figures


def _events_beside(found: Stage, service: str, both: Both, telling: Telling) -> EventTest | None:
    topics = found.project.topics()
    of_service = [topic for topic, names in topics.items() if service in names]
    chosen = both.topic or next(iter(of_service or topics), None)
    if chosen is None or both.events_rate <= 0:
        return None
    count = over(both.load.warm_up + both.load.duration, both.events_rate)
    return event_test(found, chosen, Published(count, both.events_rate), telling)


def _medians(apart: Sequence[Difference], layout: str) -> dict[str, float]:
    return {d.figure: d.inline if layout == INLINE else d.separated for d in apart}
