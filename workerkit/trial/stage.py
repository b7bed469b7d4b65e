"""A project to be measured: the one that runs already, or a copy of its own that leaves nothing."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Literal

from ..config.inherited import environment_with
from ..config.settings import redis_url
from ..core.parts import Part, reachable, with_ports
from ..core.state import Member
from ..errors import ConfigurationError, StartStopError, StorageError
from ..operate.children import Children
from ..operate.status import ProcessStatus, look
from ..project import Project

Layout = Literal["separated", "inline"]
"""Each mode in a process of its own, or all of a service in its API's."""

DRAIN = 5.0
"""Seconds that our own processes have to end; what they have not done is thrown away anyway."""


@dataclass(frozen=True)
class Stage:
    """A project that runs; `project` is opened on its data.

    `urls` are those of APIs, by service, `ports` those of all processes, by
    service and mode; `processes` gives pids by what runs there, e.g. `pricing
    events`. `own`: it was started for this.
    """

    project: Project
    urls: Mapping[str, str]
    ports: Mapping[tuple[str, str], str]
    processes: Callable[[], Mapping[str, int]]
    own: bool


@contextmanager
def stage(
    project: Project, *, own: bool, stop: threading.Event, layout: Layout = "separated"
) -> Iterator[Stage]:
    """The *project* as it runs; a copy with free ports and its own data if it does not, or *own*.

    Raises:
        ConfigurationError: A copy would write where the project itself does.
        StartStopError: The copy did not start.
        KeyboardInterrupt: *stop* was set before it had started.
    """
    there = [] if own else running(project)
    if there:
        yield _as_it_runs(project, there)
    else:
        with own_copy(project, layout, stop) as copy:
            yield copy


@contextmanager
def own_copy(project: Project, layout: Layout, stop: threading.Event) -> Iterator[Stage]:
    """A copy of *project* in a temporary folder, ended with the block; see `stage`."""
    _check_separable(project)
    with tempfile.TemporaryDirectory(prefix="workerkit-load-") as data:
        ours = {"workerkit_data": data, "redis_url": None, "database_url": None,
                "worker_transport": "sqlite"}  # fmt: skip
        environment = project.environment.model_copy(update=ours)
        with closing(Project.open(project.folder, environment)) as copy:
            for name in copy.file.services:
                copy.upgrade(name)
            children = _children(copy, parts(copy, layout), data)
            children.start()
            try:
                _wait(children, stop)
                yield _copy_stage(copy, children)
            finally:
                children.stop(DRAIN)


def parts(project: Project, layout: Layout) -> list[Part]:
    """The processes of *project*: each mode its own, or `inline` where there is an API."""
    found = []
    for name in project.file.services:
        modes = project.modes(name)
        if layout == "inline" and "api" in modes:
            modes = ("inline",)
        found += [Part(name, mode, 0) for mode in modes]
    return with_ports(found)


def _children(copy: Project, wanted: list[Part], data: str) -> Children:
    # Empty counts as unset: the copy has its own broker and databases.
    variables = {"WORKERKIT_DATA": data, "REDIS_URL": "", "DATABASE_URL": "",
                 "WORKER_TRANSPORT": "sqlite", "PYTHONUNBUFFERED": "1"}  # fmt: skip
    return Children(
        wanted, lambda name, text: None, lambda text: None, folder=copy.folder,
        environment=environment_with(**variables), host=copy.environment.worker_host,
        final=frozenset({1, 2, 3, 4}),
    )  # fmt: skip


def _wait(children: Children, stop: threading.Event) -> None:
    """Return when all are ready.

    Raises:
        StartStopError: One gave up.
        KeyboardInterrupt: *stop* was set.
    """
    if children.wait_ready(stop):
        return
    for name in children.given_up:
        raise StartStopError(f"{name} did not start: {children.last[name]}")
    raise KeyboardInterrupt


def _copy_stage(copy: Project, children: Children) -> Stage:
    host = reachable(copy.environment.worker_host)
    ports = {(part.service, part.mode): _url(host, part.port) for part in children.parts}

    def processes() -> dict[str, int]:
        return {child.name: child.pid for child in children.processes if child.pid}

    return Stage(copy, _apis(ports), ports, processes, own=True)


def _check_separable(project: Project) -> None:
    """Refuse when the project's file names servers: a copy would share them."""
    file, environment = project.file, project.environment
    named = [f"the database of {name}" for name, e in file.services.items() if e.database]
    unset = environment.model_copy(update={"redis_url": None})
    if redis_url(file, unset):
        named.append("its Redis server")
    if named:
        raise ConfigurationError(
            f"workerkit.toml names {', '.join(named)}, and a load test must not fill what others "
            "use: start the project yourself (`workerkit dev`), then repeat this"
        )


def running(project: Project) -> list[ProcessStatus]:
    """What runs of *project* on this machine and answers."""
    found = look(project.file, project.environment.worker_host, _members(project))
    return [p for p in found.processes if not p.foreign and p.status in ("running", "degraded")]


def _as_it_runs(project: Project, there: list[ProcessStatus]) -> Stage:
    host = reachable(project.environment.worker_host)
    ports = {(p.service, p.mode): _url(host, p.port) for p in there}
    here = socket.gethostname()

    def processes() -> dict[str, int]:
        members = [m for m in _members(project) if m.host == here]
        return {f"{m.service} {m.mode}": m.pid for m in members}

    return Stage(project, _apis(ports), ports, processes, own=False)


def _apis(ports: Mapping[tuple[str, str], str]) -> dict[str, str]:
    return {service: url for (service, mode), url in ports.items() if mode in ("api", "inline")}


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _members(project: Project) -> list[Member]:
    """Who has announced itself; nobody when the state does not answer."""
    try:
        return project.state.members()
    except StorageError:
        return []
