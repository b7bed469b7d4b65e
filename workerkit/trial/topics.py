"""Topics of a project under load."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import ConfigurationError
from ..loadtest.events import FIGURES, Consumer, EventTest, run_events
from ..loadtest.run import Run
from ..project import Project
from ..publisher import plan
from .judge import Demands, Judge
from .stage import Stage, stage
from .telling import Telling


@dataclass(frozen=True, slots=True)
class Published:
    """What is published: *count* events, *rate* a second or all at once.

    `payloads` are taken in turn, none means an example; `own`: in a copy in any case.
    """

    count: int
    rate: float | None = None
    topic: str | None = None
    payloads: Sequence[Any] = ()
    own: bool = False


def load_topics(
    project: Project, telling: Telling, published: Published, demands: Demands
) -> list[Run]:
    """One topic after the other, judged and kept.

    Raises:
        ConfigurationError: Nobody listens, or nothing fits.
        StorageError: The broker or a database does not answer.
    """
    judge = Judge(project, demands, project.file.loadtest.events, FIGURES, telling)
    runs: list[Run] = []
    with stage(project, own=published.own, stop=telling.stop) as found:
        if not found.own:
            telling.warn("the project runs: the events go into its own data")
        topics = [published.topic] if published.topic else list(found.project.topics())
        if not topics:
            raise ConfigurationError("no service has an event worker: there is nothing to load")
        for topic in topics:
            test = event_test(found, topic, published, telling)
            total = test.count * len(test.consumers)
            with telling.counting(f"settling {topic}", total) as tell:
                runs.append(judge.take(run_events(test, stop=telling.stop, tell=tell)))
            if telling.stop.is_set():
                break
    return runs


def event_test(found: Stage, topic: str, published: Published, telling: Telling) -> EventTest:
    """The test of *topic* with the payloads given, else with an example."""
    project, given = found.project, published.payloads
    planned = plan(project, topic, given[0]) if given else plan(project, topic)
    for text in planned.warnings:
        telling.warn(text)
    consumers = [
        Consumer(name, project.database(name.partition("/")[0])) for name in planned.consumers
    ]
    return EventTest(
        topic, given or [planned.data], published.count, published.rate, consumers,
        project.transport, found.processes,
    )  # fmt: skip
