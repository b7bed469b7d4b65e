"""What Prometheus scrapes, as far as a project's files tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from .compose import read_yaml

PROMETHEUS = Path("deploy/monitoring/prometheus.yml")
"""In the project's folder."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What is scraped: `ports` of the targets that files name.

    `elsewhere` are the ways in which it finds further ones that no file here
    names, e.g. `kubernetes_sd_configs`: only a running Prometheus knows those.
    """

    ports: frozenset[int]
    elsewhere: tuple[str, ...]


def read_targets(file: Path) -> Targets:
    """The targets of all jobs in the settings *file*, and in the files that it leads to.

    Raises:
        ConfigurationError: One of them cannot be read, or is not of its shape.
    """
    try:
        found = [target for job in _jobs(file) for target in _of_job(file.parent, job)]
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"not of the shape that Prometheus takes: {error}"
        raise ConfigurationError(f"{file.name}: {reason}") from None
    ports = frozenset(target for target in found if isinstance(target, int))
    return Targets(ports, tuple(dict.fromkeys(t for t in found if isinstance(t, str))))


def _jobs(file: Path) -> Iterator[dict[str, Any]]:
    settings = read_yaml(file)
    yield from settings.get("scrape_configs") or ()
    for pattern in settings.get("scrape_config_files") or ():
        for path in _matching(file.parent, pattern):
            yield from read_yaml(path).get("scrape_configs") or ()


def _of_job(folder: Path, job: dict[str, Any]) -> Iterator[int | str]:
    """Ports; and, as text, each way that leads out of the files."""
    implied = 443 if job.get("scheme") == "https" else 80
    groups = list(job.get("static_configs") or ())
    for name, entries in job.items():
        for entry in entries or () if name.endswith("_sd_configs") else ():
            files = [path for each in entry.get("files", ()) for path in _matching(folder, each)]
            if name == "file_sd_configs" and files:
                groups += [group for path in files for group in read_yaml(path) or ()]
            elif name == "dns_sd_configs" and entry.get("type", "SRV") != "SRV":
                yield int(entry["port"])
            else:
                yield name
    for group in groups:
        yield from (_port(str(target), implied) for target in group["targets"])


def _port(target: str, implied: int) -> int:
    port = target.rpartition(":")[2]
    return int(port) if port.isdecimal() else implied


def _matching(folder: Path, pattern: str) -> list[Path]:
    """A relative *pattern* begins at the settings; one in a container's own folders finds none."""
    return [Path(name) for name in sorted(glob(str(folder / pattern)))]
