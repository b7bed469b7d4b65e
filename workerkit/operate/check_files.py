"""Whether a project's compose file and its monitoring know every process that it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ..core.labels import label_of
from ..errors import ConfigurationError
from .compose import find_compose, read_compose, read_yaml
from .finding import Check

PROMETHEUS = "deploy/monitoring/prometheus.yml"

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

    One that finds its targets by itself is taken at its word.
    """
    file = folder / PROMETHEUS
    if not file.is_file():
        return []
    try:
        jobs = list(_members(read_yaml(file), "scrape_configs"))
    except ConfigurationError as error:
        return [Check(PROMETHEUS, "fail", str(error), "mend it, or remove it")]
    if any(str(name).endswith("_sd_configs") for job in jobs for name in job):
        return []
    scraped = {
        str(target).rpartition(":")[2]
        for job in jobs
        for group in _members(job, "static_configs")
        for target in group.get("targets") or ()
    }
    return [
        Check(
            PROMETHEUS, "fail", f"scrapes nothing of {name} {mode}",
            f"add a target with port {port}",
        )
        for name, ports in services.items()
        for mode, port in ports.items()
        if str(port) not in scraped
    ]  # fmt: skip


def _members(value: Any, name: str) -> Iterator[dict[Any, Any]]:
    """The mappings in the list *name* of *value*; none of anything else."""
    found = value.get(name) if isinstance(value, dict) else None
    for each in found if isinstance(found, list) else ():
        if isinstance(each, dict):
            yield each
