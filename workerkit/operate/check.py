"""Whether a project can work as it is written down; nothing of it is run."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import WorkerkitError
from .check_code import find_loose_topics, find_unwired
from .check_files import find_missing_in_compose, find_missing_in_monitoring
from .finding import Check


@dataclass(frozen=True, slots=True)
class Built:
    """A service that could be put together.

    `home` is the folder of its package; `classes` are those of its workers
    and jobs; `ports` are by mode, of the modes that it has.
    """

    name: str
    parts: Sequence[str]
    home: Path
    topics: Sequence[str]
    classes: frozenset[str]
    ports: Mapping[str, int]


def check_services(names: Sequence[str], build: Callable[[str], Built]) -> list[Check]:
    """Have *build* put each service together; what it raises is the finding."""
    return _build(names, build)[0]


def check_project(folder: Path, names: Sequence[str], build: Callable[[str], Built]) -> list[Check]:
    """The services, their code, and the files in *folder* that must name them all."""
    checks, built = _build(names, build)
    for service in built:
        checks += find_unwired(folder, service.name, service.home, service.classes)
    heard = {topic: service.name for service in built for topic in service.topics}
    checks += find_loose_topics(folder, [service.home for service in built], heard)
    ports = {service.name: service.ports for service in built}
    return [
        *checks, *find_missing_in_compose(folder, ports), *find_missing_in_monitoring(folder, ports)
    ]  # fmt: skip


def _build(names: Sequence[str], build: Callable[[str], Built]) -> tuple[list[Check], list[Built]]:
    checks, built = [], []
    for name in names:
        try:
            service = build(name)
        except WorkerkitError as error:
            checks.append(Check(name, "fail", str(error), "correct it there, and check again"))
        else:
            built.append(service)
            checks.append(Check(name, "ok", ", ".join(service.parts) or "nothing to run"))
    return checks, built
