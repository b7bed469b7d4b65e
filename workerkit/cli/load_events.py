"""What `workerkit loadtest events` does."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError
from ..loadtest.events import FIGURES, Consumer, EventTest, run_events
from ..loadtest.run import Run
from ..publisher import plan
from ..trial import Stage, stage
from . import show
from .load import Judge, Judging
from .opened import interruptible, opened, read_json


@dataclass(frozen=True)
class Publishing:
    """The flags that say what is published."""

    count: int
    rate: float | None
    data: str | None
    own: bool


def events(topic: str | None, publishing: Publishing, judging: Judging) -> int:
    """Publish to *topic*, or to each that somebody listens to; return the exit code."""
    given = [] if publishing.data is None else in_turn(read_json(publishing.data))
    with opened() as project, interruptible() as stop:
        judge = Judge(project, judging, project.file.loadtest.events, FIGURES)
        runs: list[Run] = []
        with stage(project, own=publishing.own, stop=stop) as found:
            if not found.own:
                show.warning("the project runs: the events go into its own data")
            for name in [topic] if topic else topics(found):
                test = event_test(found, name, publishing, given)
                runs.append(judge.take(measure(test, stop)))
                if stop.is_set():
                    break
        return judge.end(runs)


def topics(found: Stage) -> list[str]:
    """Those that somebody listens to.

    Raises:
        ConfigurationError: There is none.
    """
    listened = list(found.project.topics())
    if not listened:
        raise ConfigurationError("no service has an event worker: there is nothing to load")
    return listened


def event_test(
    found: Stage, topic: str, publishing: Publishing, given: Sequence[Any] = ()
) -> EventTest:
    """The test of *topic* with the payloads *given*, else with an example."""
    project = found.project
    planned = plan(project, topic, given[0]) if given else plan(project, topic)
    for text in planned.warnings:
        show.warning(text)
    consumers = [
        Consumer(name, project.database(name.partition("/")[0])) for name in planned.consumers
    ]
    return EventTest(
        topic, given or [planned.data], publishing.count, publishing.rate, consumers,
        project.transport, found.processes,
    )  # fmt: skip


def measure(test: EventTest, stop: threading.Event) -> Run:
    """Run *test* with a bar."""
    total = test.count * len(test.consumers)
    with show.progress(f"settling {test.topic}", total) as progress:
        return run_events(test, stop=stop, tell=progress)


def in_turn(data: Any) -> list[Any]:
    """A list's members are payloads of their own.

    Raises:
        ConfigurationError: It has none.
    """
    if data == []:
        raise ConfigurationError("--data is an empty list: give at least one payload")
    return data if isinstance(data, list) else [data]
