"""A project's deployment: what it is made of, and whether it works."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from ..core.parts import reachable
from ..errors import ConfigurationError, Unreachable
from ..loadtest.paths import offered
from ..loadtest.target import resolve
from ..loadtest.thresholds import threshold
from ..operate.compose import find_compose, read_compose
from ..operate.deploy import targets
from ..operate.smoke import Check, Deployment, Verified, ready, verify, watch
from ..operate.targets import Target, moved
from ..operate.verified import Occasion, save
from ..project import Project

P95 = 0.15
"""Seconds below which an API's p95 must be when the project file says nothing else."""

STARTING = 90.0
"""Seconds that processes get to be ready."""

LOOK = 5.0
"""Seconds between looks while a deployment is watched."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the processes are: on *host* in place of this machine, some at *urls* (`NAME=URL`).

    *inline*: the APIs have taken their workers in.
    """

    host: str | None = None
    urls: Sequence[str] = ()
    inline: bool = False


def deployment(project: Project, place: Place) -> Deployment:
    """The project's processes at *place*, and what they will be asked.

    Raises:
        ConfigurationError: *place* names no process, or the compose file cannot be read.
    """
    path = find_compose(project.folder)
    compose = read_compose(path, list(project.file.services)) if path else None
    modes = {name: project.modes(name) for name in project.file.services}
    host = place.host or reachable(project.environment.worker_host)
    there = moved(targets(project.file, modes, compose, host, inline=place.inline), place.urls)
    asked = {t.service: _paths(project, t) for t in there if t.mode in ("api", "inline")}
    return Deployment(there, project.jobs(), asked, _p95(project), project.file.smoke)


def verified(
    project: Project, place: Place, tell: Callable[[Check], object], occasion: Occasion = "verify"
) -> Verified:
    """Try everything once; the outcome is kept. After a rollback the APIs get time to start."""
    wanted = deployment(project, place)
    if occasion == "rollback":
        ready(wanted, STARTING)
        wanted = deployment(project, place)
    at = time.time()
    return _kept(project, occasion, wanted, at, verify(wanted, tell))


def watched(
    project: Project, place: Place, lasting: float, stop: threading.Event,
    tell: Callable[[float, Sequence[Check]], object],
) -> Verified:  # fmt: skip
    """Stay with it for *lasting* seconds; the outcome is kept."""
    wanted = deployment(project, place)
    at = time.time()
    checks = watch(wanted, lasting, min(LOOK, lasting / 4), stop, tell)
    return _kept(project, "watch", wanted, at, checks)


def _kept(
    project: Project, occasion: Occasion, wanted: Deployment, at: float, checks: tuple[Check, ...]
) -> Verified:
    where = tuple(f"{target.name} {target.url}" for target in wanted.targets)
    found = Verified(at, time.time() - at, where, checks, project.code())
    save(project.data, occasion, found)
    return found


def _paths(project: Project, target: Target) -> Sequence[str]:
    """What users ask the API: as the project file says, else what its OpenAPI document offers."""
    entries = project.file.loadtest.requests.get(target.service, ())
    paths = [entry.path for entry in entries if entry.method == "GET"]
    if paths:
        return paths
    try:
        return offered(resolve(target.url, {urlsplit(target.url).hostname or ""}))
    except (ConfigurationError, Unreachable):
        return ()


def _p95(project: Project) -> float:
    demanded = [threshold(text) for text in project.file.loadtest.api]
    return min((each.limit for each in demanded if each.figure == "p95"), default=P95)
