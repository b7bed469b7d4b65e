"""The whole performance validation of a project: API, events, both layouts, a soak."""

from __future__ import annotations

from ..errors import ConfigurationError
from ..loadtest.generator import Load
from ..loadtest.run import Run
from ..project import Project
from .apis import Asked, load_apis
from .judge import Demands
from .layouts import Both, compare
from .limits import soak
from .telling import Telling
from .topics import Published, load_topics

RATE, EVENTS = 1000.0, 1000
"""The checklist's requests/s and number of events."""

BESIDE = 200.0, 100.0
"""Requests/s and events/s where both are loaded at once."""

ROUNDS = 5


def validate(project: Project, telling: Telling, length: float) -> list[Run]:
    """Every part that the project has something for, *length* seconds each, kept and told."""
    runs: list[Run] = []
    for part in (_apis, _topics, _layouts, _soak):
        try:
            runs.extend(part(project, length, telling))
        except ConfigurationError as error:
            telling.warn(f"left out: {error}")
        if telling.stop.is_set():
            break
    return runs


def _apis(project: Project, length: float, telling: Telling) -> list[Run]:
    return load_apis(project, telling, Asked(own=True), Load(RATE, length), Demands())


def _topics(project: Project, length: float, telling: Telling) -> list[Run]:
    return load_topics(project, telling, Published(EVENTS, own=True), Demands())


def _layouts(project: Project, length: float, telling: Telling) -> list[Run]:
    return compare(project, telling, None, _both(length / ROUNDS), ROUNDS, None)


def _soak(project: Project, length: float, telling: Telling) -> list[Run]:
    return soak(project, telling, None, _both(length), ())


def _both(length: float) -> Both:
    return Both(Load(BESIDE[0], length), BESIDE[1])
