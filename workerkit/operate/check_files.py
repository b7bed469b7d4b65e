"""Whether a project's compose file and its monitoring know every process that it has."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..core.labels import label_of
from ..errors import ConfigurationError
from .compose import find_compose, read_compose
from .finding import Check
from .scraping import PROMETHEUS, read_targets

TOGETHER = {"all": ("events", "cron"), "inline": ("api", "events", "cron")}
"""What a container does whose mode is of more than one kind."""

Ports = Mapping[str, Mapping[str, int]]
"""The port of each mode that a service has, by service."""


def find_missing_in_compose(folder: Path, services: Ports) -> list[Check]:
    """Processes that the compose file, when there is one, does not start."""
    file = find_compose(folder)
    if file is None:
        return []
    try:
        containers = read_compose(file, list(services)).containers
    except ConfigurationError as error:
        return [Check(file.name, "fail", str(error), "mend it, or remove it")]
    there = {
        (each.service, mode)
        for each in containers
        for mode in TOGETHER.get(each.mode, (each.mode,))
    }
    return [
        Check(
            file.name, "fail", f"runs nothing for {name} {mode}",
            f"add a container whose name begins with {label_of(name)}, with WORKER_MODE={mode}",
        )
        for name, ports in services.items()
        for mode in ports
        if (name, mode) not in there
    ]  # fmt: skip


def find_missing_in_monitoring(folder: Path, services: Ports) -> list[Check]:
    """Processes that Prometheus, when the project has a file for it, does not scrape.

    Where it also finds targets by itself it may know them: then it is a warning.
    """
    if not (folder / PROMETHEUS).is_file():
        return []
    name = PROMETHEUS.as_posix()
    try:
        targets = read_targets(folder / PROMETHEUS)
    except ConfigurationError as error:
        return [Check(name, "fail", str(error), "mend it, or remove it")]
    unnamed = [
        (f"{service} {mode}", port)
        for service, ports in services.items()
        for mode, port in ports.items()
        if port not in targets.ports
    ]
    if unnamed and targets.elsewhere:
        fact = (f"does not name {', '.join(process for process, _ in unnamed)}, "
                f"and finds targets by {', '.join(targets.elsewhere)}")  # fmt: skip
        return [Check(name, "warn", fact, "look at a running Prometheus' page /targets")]
    return [
        Check(name, "fail", f"scrapes nothing of {process}", f"add a target with port {port}")
        for process, port in unnamed
    ]
