"""Whether a project's compose file and its monitoring name every process that it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from ..config.dapr_files import Value, read_yaml
from ..errors import ConfigurationError
from .finding import Check

COMPOSE = ("docker-compose.yml", "docker-compose.yaml", "compose.yml", "compose.yaml")
PROMETHEUS = "deploy/monitoring/prometheus.yml"

IN_COMPOSE = {"api": "service", "events": "event-worker", "cron": "cron-worker"}
"""How the services of a compose file end, by mode: `pricing-event-worker`."""

Ports = Mapping[str, Mapping[str, int]]
"""The port of each mode that a service has, by service."""


def find_missing_in_compose(folder: Path, services: Ports) -> list[Check]:
    """Processes that the compose file, when there is one, does not start."""
    file = next((folder / name for name in COMPOSE if (folder / name).is_file()), None)
    if file is None:
        return []
    try:
        there = {name for top in read_yaml(file) for name in (top.get("services") or top).fields()}
    except ConfigurationError as error:
        return [Check(file.name, "fail", str(error))]
    return [
        Check(
            file.name, "fail", f"has no service {name}-{IN_COMPOSE[mode]}",
            f"run {name} there with WORKER_MODE={mode}",
        )
        for name, ports in services.items()
        for mode in ports
        if f"{name}-{IN_COMPOSE[mode]}" not in there
    ]  # fmt: skip


def find_missing_in_monitoring(folder: Path, services: Ports) -> list[Check]:
    """Processes that Prometheus, when the project has a file for it, does not scrape.

    One that finds its targets by itself is taken at its word.
    """
    file = folder / PROMETHEUS
    if not file.is_file():
        return []
    try:
        jobs = [job for top in read_yaml(file) for job in _items(top, "scrape_configs")]
    except ConfigurationError as error:
        return [Check(PROMETHEUS, "fail", str(error))]
    if any(name.endswith("_sd_configs") for job in jobs for name in job.fields()):
        return []
    scraped = {
        str(target.content).rpartition(":")[2]
        for job in jobs
        for group in _items(job, "static_configs")
        for target in _items(group, "targets")
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


def _items(value: Value, name: str) -> Iterator[Value]:
    found = value.get(name)
    yield from found.items() if found is not None else ()
