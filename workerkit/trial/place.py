"""Where a chaos run takes place: a project with data, ports, and databases of its own."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import Any

from ..chaos.breaks import Break, FileBreak, ServerBreak
from ..chaos.by_sidecar import BySidecar
from ..chaos.catalogue import Mode, Scenario
from ..chaos.containers import ContainerRig, Image
from ..chaos.course import Seen
from ..chaos.left import own_folder
from ..chaos.load import Load
from ..chaos.probe import Probe
from ..chaos.proxy import Address, Proxy
from ..chaos.rig import Program, Rig
from ..chaos.stage import Stage
from ..config.inherited import environment_with
from ..config.settings import Transport, read_environment, redis_url
from ..connections.scratch import flush_redis, redis_address, redis_through, scratch_redis
from ..core.owner import is_gone, this_process
from ..core.parts import Part, with_ports
from ..errors import ConfigurationError, Unreachable
from ..events.worker import worker_name
from ..loadtest.paths import offered
from ..loadtest.target import resolve
from ..operate.jobs import next_times
from ..process import parts_of
from ..project import Project
from ..publisher import plan
from ..storage.effects import prepare_effects
from ..storage.scratch import database_address, database_through, scratch_database
from .images import images_of

LEASE = 2.0
"""Seconds after which a dead process's work goes to another: nobody wants to wait for 30."""

EVENT_SECONDS, JOB_SECONDS = 0.005, 1.0
"""How much longer handlers and jobs take, so that a fault hits work in progress."""

ATTEMPTS = 3

Tell = Callable[[Seen], object]


@dataclass(frozen=True, slots=True)
class LoadOf:
    """Events of *topic*, *rate* of them a second; *quick* halves all waits."""

    topic: str | None = None
    rate: float = 100.0
    quick: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """*project* with the user's own settings; *service* is the one to disturb, None without.

    `home` is the data folder that the project has outside of the run, and
    `images` are what the processes are made from, by mode, when they are containers.
    """

    project: Project
    service: str | None
    redis: str | None
    home: Path
    images: Mapping[str, Image] | None = None

    @property
    def on_server(self) -> bool:
        """Whether the service's database is on a server."""
        return self.service is not None and not self._on_file(self.service)

    @contextmanager
    def stage(self, service: str, load: LoadOf, tell: Tell) -> Iterator[Stage]:
        """Everything that *service* needs to be run, disturbed and seen; all of it ends.

        *tell* is told what goes on.

        Raises:
            ConfigurationError: A server is on another machine, or the topic has no worker.
            StorageError: A server does not answer.
        """
        with ExitStack() as stack:
            data = stack.enter_context(own_folder())
            broker = self._own_broker(stack, data)
            database = self._own_database(stack, data, service)
            own = {
                "workerkit_data": str(data), "worker_lease": LEASE, "redis_url": broker.ours,
                "database_url": database.ours, "worker_transport": broker.transport,
            }  # fmt: skip
            environment = self.project.environment.model_copy(update=own)
            project = Project.open(self.project.folder, environment)
            stack.callback(project.close)
            project.upgrade(service)
            prepare_effects(project.database(service))
            run = f"chaos-{token_hex(4)}"
            clock = data / "clock"
            clock.write_text("0")
            probe = Probe(run, EVENT_SECONDS, JOB_SECONDS, ATTEMPTS, str(clock))
            theirs = {
                "WORKERKIT_DATA": str(data), "WORKER_LEASE": str(LEASE), "WORKER_MODE": "",
                "WORKERKIT_PROBE": probe.setting(), "DAPR_API_TOKEN": "",
                "REDIS_URL": broker.theirs or "", "DATABASE_URL": database.theirs or "",
                "WORKER_TRANSPORT": broker.transport,
                "LOG_FORMAT": "json", "PYTHONUNBUFFERED": "1",
            }  # fmt: skip
            rig = stack.enter_context(self._rig(project, service, theirs, data))
            made = _load(project, service, load, run)
            stack.callback(made.stop)
            yield Stage(
                rig=rig, load=made, service=service,
                broker=project.transport, broker_break=broker.how,
                database=project.database(service), database_break=database.how,
                consumers=[f"{service}/{worker_name(worker)}" for worker in made.listeners],
                strict=[f"{service}/{worker_name(worker)}" for worker in made.listeners
                        if worker.order == "strict"],
                jobs=list(project.jobs(service)), ledger=project.ledger(service), lease=LEASE,
                by_sidecar=BySidecar(rig.port("sidecar"), project.file.sidecar.pubsub),
                next_tick=partial(_next_tick, project, service), clock_file=clock,
                api_path=_asked, pace=0.5 if load.quick else 1.0, tell=tell,
            )  # fmt: skip

    def unfit(self, scenario: Scenario) -> str:
        """Why *scenario* cannot be played here; empty when it can."""
        if self.service is None:
            return f"{scenario.name}: no service here has {scenario.mode} workers"
        if scenario.server == "broker" and not self.redis:
            return f"{scenario.name} needs Redis: the embedded broker has no network to break"
        if scenario.server == "database" and not self.on_server:
            return f"{scenario.name} needs PostgreSQL: a SQLite file has no network to break"
        if scenario.server == "file" and self.images:
            return f"{scenario.name} needs processes of this machine: not --target compose"
        if scenario.server == "file" and self.on_server:
            return f"{scenario.name} needs SQLite: with PostgreSQL a worker writes no file"
        if scenario.server == "file" and sys.platform != "linux":
            return f"{scenario.name} needs Linux, where a process's limits can be set from outside"
        return ""

    def _rig(self, project: Project, service: str, theirs: dict[str, str], data: Path) -> Rig:
        """The processes, which are given the variables *theirs*."""
        programs, log = _programs(project, service), data / "processes.log"
        environment = environment_with(**theirs)
        if self.images is None:
            return Rig(programs, project.folder, environment, log)
        return ContainerRig(
            programs, project.folder, environment, log, images=self.images, data=data,
            variables=list(theirs),
        )  # fmt: skip

    def _on_file(self, service: str) -> bool:
        return self.project.database_url(service).startswith("sqlite")

    def _own_broker(self, stack: ExitStack, data: Path) -> Own:
        if self.redis is None:
            return Own(None, None, FileBreak(data / "broker.db"))
        proxy = _proxy(stack, "redis", redis_address(self.redis))
        url = stack.enter_context(scratch_redis(self.redis, this_process(), is_gone))
        how = ServerBreak(proxy, partial(flush_redis, url))
        return Own(url, redis_through(url, proxy.port), how)

    def _own_database(self, stack: ExitStack, data: Path, service: str) -> Own:
        if self._on_file(service):
            file = data / f"{service}.db"
            return Own(f"sqlite:///{file}", f"sqlite:///{file}", FileBreak(file))
        theirs = self.project.database(service)
        proxy = _proxy(stack, "database", database_address(theirs))
        url = stack.enter_context(scratch_database(theirs))
        shown = url.render_as_string(hide_password=False)
        return Own(shown, database_through(url, proxy.port), ServerBreak(proxy))


@dataclass(frozen=True, slots=True)
class Own:
    """A broker or database of the run's own: our URL, that of the processes, how it is broken."""

    ours: str | None
    theirs: str | None
    how: Break

    @property
    def transport(self) -> Transport:
        """What carries the events of a run: a broker of its own, never a Dapr sidecar."""
        return "redis" if self.ours else "sqlite"


@contextmanager
def opened_place(
    folder: Path, mode: Mode, wanted: str | None, *, containers: bool = False
) -> Iterator[Place]:
    """The project at *folder*, and in it the service *wanted*, else the first that has *mode*.

    Its processes are *containers*, made as its compose file says, or run here.

    Raises:
        ConfigurationError: The project, or its compose file, is wrong or not there.
    """
    ours = read_environment()
    with own_folder() as data:  # looking at a project opens its broker, which makes a file
        environment = ours.model_copy(update={"workerkit_data": str(data)})
        with closing(Project.open(folder, environment)) as project:
            names = [project.check(wanted)] if wanted else list(project.file.services)
            having = [name for name in names if parts_of(project.modes(name), mode)]
            service = having[0] if having else None
            home = project.folder / (ours.workerkit_data or project.file.data)
            images = None
            if containers and service:
                images = images_of(project.folder, project.file, service, project.modes(service))
            yield Place(project, service, redis_url(project.file, ours), home, images)


def _programs(project: Project, service: str) -> list[Program]:
    """Its API if it has one, three processes of each other mode, and the sidecar."""
    modes = [mode for mode in ("cron", "events") for _ in range(3)]
    parts = [Part(service, mode, 0, n % 3 + 1) for n, mode in enumerate(modes)]
    if "api" in project.modes(service):
        parts.append(Part(service, "api", 0))
    *own, sidecar = with_ports([*parts, Part("sidecar", "", 0)])
    ports = (f"--port={sidecar.port}", "--grpc-port=0")
    command = [sys.executable, "-m", "workerkit", "sidecar", "--tied", *ports]
    return [
        *(Program.of(part) for part in own),
        Program("sidecar", "sidecar", sidecar.port, command, "/v1.0/healthz"),
    ]


def _asked(port: int) -> str:
    """What users of the API on *port* ask: the first thing that it offers to everybody."""
    try:
        return offered(resolve(f"http://127.0.0.1:{port}"))[0]
    except (ConfigurationError, Unreachable):
        return "/livez"


def _next_tick(project: Project, service: str, after: float) -> float | None:
    """When the first job of *service* is due next."""
    name, entry = next(iter(project.jobs(service).items()))
    row = project.ledger(service).rows().get(name)
    times = next_times(entry, row, datetime.fromtimestamp(after, UTC), 1)
    return times[0].timestamp() if times else None


def _load(project: Project, service: str, wanted: LoadOf, run: str) -> Load:
    """Events for the workers of *service* on the topic, else on their first topic."""
    workers = project.service(service).events
    chosen = wanted.topic or (workers[0].topic if workers else "")
    listeners = [worker for worker in workers if worker.topic == chosen]
    if wanted.topic and not listeners:
        raise ConfigurationError(f"{service} has no worker on {wanted.topic!r}")
    data: Any = plan(project, chosen).data if listeners else None
    return Load(project.transport, chosen, data, run, wanted.rate, listeners)


def _proxy(stack: ExitStack, name: str, upstream: Address) -> Proxy:
    proxy = Proxy(name, upstream)
    proxy.start()
    stack.callback(proxy.stop, 5.0)
    return proxy
