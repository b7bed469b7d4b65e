"""`workerkit run`: one process of one service, or of each that has the mode, until a signal."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..config.inherited import environment_with
from ..config.project_file import FILE
from ..config.settings import Mode, Transport, check_mode, read_environment
from ..core.child import end_with_parent
from ..core.parts import Part, reachable, with_ports
from ..errors import ConfigurationError
from ..observability.logs import set_up
from ..observability.server import HttpServer, names_of
from ..operate.children import Children, check_ports
from ..operate.replicas import Replicas
from ..process import Process, parts_of, port_of
from ..project import Project
from .lines import Lines
from .signals import Signals

FINAL = frozenset({1, 2, 3, 4})
"""Exit codes of a child before it is ready with which our start has failed, too."""


@dataclass(frozen=True)
class Request:
    """What the command line asks for; `tied`: end as soon as standard input does."""

    service: str | None
    mode: str | None
    concurrency: int | None
    port: int | None
    tied: bool
    processes: int = 1
    transport: Transport | None = None


def run(request: Request, folder: Path) -> int:
    """Run until a signal; return 130 after SIGINT, else 0.

    The first signal drains within WORKER_DRAIN_TIMEOUT seconds, the second stops at once.
    """
    if request.tied:
        end_with_parent()
    received = Signals()
    environment = read_environment()
    if request.transport is not None:
        environment = environment.model_copy(update={"worker_transport": request.transport})
    name = request.mode or environment.worker_mode
    mode = check_mode(name, "--mode" if request.mode else "WORKER_MODE") if name else None
    project = Project.open(folder, environment)
    try:
        chosen = _choose(project, request.service, mode, folder)
        if len(chosen) == 1:
            ((service, its_mode),) = chosen.items()
            if request.processes > 1:
                return _run_replicas(project, service, its_mode, request, received)
            return _run_one(project, service, its_mode, request, received)
        return _run_each(project, chosen, request, received)
    finally:
        project.close()


def _run_one(project: Project, name: str, mode: Mode, request: Request, received: Signals) -> int:
    set_up(project.environment.log_format, name)
    process = Process(
        project, name, mode, concurrency=request.concurrency, port=request.port,
        ask_to_end=received.first.set,
    )  # fmt: skip
    if not process.wait_for_sidecar(received.first):
        return received.exit_code
    process.start()
    _tune_collector()
    called = f", called by Dapr on port {process.app_port.port}" if process.app_port else ""
    _say(f"{name} {mode}: running on port {process.port}, pid {os.getpid()}{called}")
    received.wait()
    given_back = process.stop(project.environment.worker_drain_timeout)
    _say(f"{name} {mode}: stopped, gave back {given_back}")
    if process.restart_reason and not received.number:
        _say(f"{name} {mode}: starting anew, as {process.restart_reason}")
        # A thread that hangs ends with its process only; this one keeps its number and its parent.
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
    return received.exit_code


def _run_replicas(
    project: Project, name: str, mode: Mode, request: Request, received: Signals
) -> int:
    """Several processes of one service; the service's port answers for all of them."""
    if "api" in parts_of(project.modes(name), mode):
        raise ConfigurationError(
            f"--processes is for workers; mode {mode!r} of {name} serves its API on one port"
        )
    if project.called_by_dapr:
        raise ConfigurationError(
            "--processes: a Dapr sidecar calls one port; give each worker a sidecar of its own, "
            f'or set receive = "stream" under [dapr] in {FILE}'
        )
    host = project.environment.worker_host
    numbers = range(1, request.processes + 1)
    parts = with_ports([Part(name, mode, 0, number) for number in numbers])
    replicas = Replicas(reachable(host), [part.port for part in parts])
    port = port_of(project, name, mode) if request.port is None else request.port
    front = HttpServer(f"{name}/http", replicas.app(names_of(host)), host, port)
    try:
        front.start()
        return _supervise(project, parts, request, received, f"{name} {mode}: running on port "
                          f"{front.port}, {len(parts)} processes")  # fmt: skip
    finally:
        front.stop(2.0)
        replicas.close()


def _tune_collector() -> None:
    """Leave what is loaded now out of garbage collection, and collect the rest less often.

    A batch makes thousands of objects that live for milliseconds; the usual
    thresholds spend a tenth of its time on walking them and all of our modules.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def _run_each(
    project: Project, chosen: dict[str, Mode], request: Request, received: Signals
) -> int:
    """One child for each service; on a terminal, lines carry the service's name."""
    for option, given in (
        ("--port", request.port is not None),
        ("--processes", request.processes > 1),
    ):
        if given:
            raise ConfigurationError(f"{option} is for one service; name one: {', '.join(chosen)}")
    host = project.environment.worker_host
    parts = with_ports([Part(n, m, port_of(project, n, m)) for n, m in chosen.items()])
    check_ports({part.name: part.port for part in parts}, host)
    shown = ", ".join(f"{part.name} on port {part.port}" for part in parts)
    return _supervise(project, parts, request, received, f"running: {shown}")


def _supervise(
    project: Project, parts: list[Part], request: Request, received: Signals, running: str
) -> int:
    """Children until a signal; *running* is said once all are ready."""
    host = project.environment.worker_host
    set_up(project.environment.log_format, project.file.name)
    lines = Lines(sys.stderr, received.first.set)
    lines.expect(*(part.name for part in parts))
    lanes = () if request.concurrency is None else (f"--concurrency={request.concurrency}",)
    variables = {"PYTHONUNBUFFERED": "1"}
    if request.transport is not None:
        variables["WORKER_TRANSPORT"] = request.transport
    children = Children(
        parts, lines.write if sys.stderr.isatty() else lambda name, text: lines.plain(text),
        lines.plain, folder=project.folder, environment=environment_with(**variables),
        host=host, arguments=lanes, final=FINAL,
    )  # fmt: skip
    children.start()
    try:
        if children.wait_ready(received.first):
            lines.plain(running)
        if not children.given_up:
            received.wait()
    finally:
        children.stop(project.environment.worker_drain_timeout)
    return max(children.given_up.values(), default=received.exit_code)


def _choose(
    project: Project, service: str | None, mode: Mode | None, folder: Path
) -> dict[str, Mode]:
    """*service*, else the one in whose folder we are, else all that have the mode.

    Raises:
        ConfigurationError: No such service, or none that has the mode; says what there is.
    """
    service = service or project.around(folder)
    if service is not None or len(project.file.services) == 1:
        name = project.choose(service)
        return {name: mode or _usual(project, name)}
    wanted = mode or "all"
    having = [name for name in project.file.services if parts_of(project.modes(name), wanted)]
    if not having:
        there = "; ".join(
            f"{name} has {', '.join(project.modes(name)) or 'nothing'}"
            for name in project.file.services
        )
        raise ConfigurationError(f"no service has anything for mode {wanted!r}: {there or 'none'}")
    return dict.fromkeys(having, wanted)


def _usual(project: Project, name: str) -> Mode:
    """Without a mode: all workers; the API of a service that has nothing else."""
    modes: Sequence[Mode] = project.modes(name)
    return "api" if modes and not parts_of(modes, "all") else "all"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201
