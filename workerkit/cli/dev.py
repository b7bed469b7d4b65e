"""`workerkit dev`: a whole project and what runs beside its services."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from secrets import token_urlsafe

from ..config.inherited import environment_with
from ..config.settings import read_environment
from ..core.child import ChildProcess
from ..core.parts import Part, reachable, with_ports
from ..errors import ConfigurationError
from ..observability.logs import set_up
from ..observability.server import free
from ..operate.dev import Development, Setup
from ..operate.lock import held
from ..operate.said import SaidFile
from ..operate.watch import Watcher
from ..project import Project
from ..sidecar import Sidecar
from . import show
from .lines import Lines
from .sidecar import open_sidecar
from .signals import Signals

PAGE = "dashboard"


def dev(folder: Path, *, reload: bool, sidecar: bool, page: bool) -> int:
    """Run the whole project until a signal; return 130 after SIGINT, else 0.

    Raises:
        StartStopError: It runs already, a port is taken, or, without *reload*, a
            service cannot start.
    """
    received = Signals()
    environment = read_environment()
    project = Project.open(folder, environment)
    set_up("text" if environment.log_format is None else environment.log_format, "dev")
    try:
        with held(project.data / "dev.lock", f"`workerkit dev` of {project.folder}"):
            return _develop(project, received, reload=reload, sidecar=sidecar, page=page)
    finally:
        project.close()


def _develop(
    project: Project, received: Signals, *, reload: bool, sidecar: bool, page: bool
) -> int:
    opened = [open_sidecar(project)] if sidecar else []
    sidecars = [each for each, _ in opened]
    port = _page_port(project) if page else None
    setup = _setup(project, sidecars, port, reload)
    said = SaidFile(project.data)
    told = Told(Lines(sys.stdout, received.first.set), setup, said)
    for note in (note for _, notes in opened for note in notes):
        told.say(note)
    if not project.file.services:
        raise ConfigurationError("workerkit.toml names no service: nothing to run")
    pages = [_page(setup, port, told)] if port is not None else []
    development = Development(setup, told, sidecars, received.first.set, pages)
    watcher = Watcher(project.folder, project.data, development.change)
    try:
        if reload:
            watcher.start()
        development.start()
        received.wait()
    finally:
        watcher.stop(2.0)
        development.stop(setup.drain)
        said.close()
    if development.error is not None:
        raise development.error
    told.say("stopped")
    return received.exit_code


def _setup(project: Project, sidecars: Sequence[Sidecar], page: int | None, reload: bool) -> Setup:
    variables = {"PYTHONUNBUFFERED": "1"}
    fixed: dict[str, int] = {}
    if sys.stdout.isatty() and project.environment.log_format is None:
        variables["LOG_FORMAT"] = "text"
    for each in sidecars:
        variables["DAPR_HTTP_PORT"] = str(each.port)
        fixed["sidecar"] = each.port
        if each.grpc_port is not None:
            variables["DAPR_GRPC_PORT"] = str(each.grpc_port)
            fixed["sidecar grpc"] = each.grpc_port
    return Setup(
        folder=project.folder,
        environment=environment_with(**variables),
        host=project.environment.worker_host,
        fixed=fixed if page is None else {**fixed, PAGE: page},
        reload=reload,
        drain=project.environment.worker_drain_timeout,
    )


def _page_port(project: Project) -> int:
    """Where the page will be: on its own port, or on any while another program has that."""
    wanted = Part(PAGE, "", project.file.dashboard.port)
    (chosen,) = with_ports([wanted if free(wanted.port) else Part(PAGE, "", 0)])
    return chosen.port


def _page(setup: Setup, port: int, told: Told) -> ChildProcess:
    """The page, in a process of its own: ours would keep the project's code that it once loaded.

    Its token lasts as long as we do, so that open pages go on after a reload.
    """
    command = [sys.executable, "-m", "workerkit", PAGE, "--local", "--tied",
               "--host=127.0.0.1", f"--port={port}"]  # fmt: skip
    environment = {**setup.environment, "WORKERKIT_DASHBOARD_TOKEN": token_urlsafe(24)}
    return ChildProcess(
        PAGE, command, partial(told.line, PAGE), folder=setup.folder, environment=environment
    )


class Told:
    """Says what `dev` does on standard output, between the children's lines, and keeps those."""

    def __init__(self, lines: Lines, setup: Setup, said: SaidFile) -> None:
        self.lines = lines
        self.setup = setup
        self.said = said

    def line(self, name: str, text: str) -> None:
        """A child's line behind its name."""
        self.said.write(name, text)
        self.lines.write(name, text)

    def say(self, text: str) -> None:
        """Our own."""
        self.lines.write("dev", text)

    def starting(self, parts: Sequence[Part]) -> None:
        """Align what follows."""
        self.lines.expect(*(part.name for part in parts))

    def ready(self, parts: Sequence[Part], seconds: float) -> None:
        """What runs where, and that it is ready."""
        host = reachable(self.setup.host)
        host = f"[{host}]" if ":" in host else host
        rows = [(part.service, part.mode, f"http://{host}:{part.port}") for part in parts]
        for name, port in self.setup.fixed.items():
            service, _, kind = name.partition(" ")
            rows.append((service, kind or "-", f"{kind or 'http'}://{host}:{port}"))
        with self.lines.lock:
            show.table([show.Column("name"), show.Column("mode"), show.Column("url")], rows)
        self.say(f"ready after {seconds:.1f} s")
