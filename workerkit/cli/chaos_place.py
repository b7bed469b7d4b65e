"""Where a chaos run takes place: a project with data, ports, and databases of its own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from secrets import token_hex
from typing import Any

from ..chaos.breaks import Break, FileBreak, ServerBreak
from ..chaos.catalogue import Mode
from ..chaos.load import Load
from ..chaos.probe import Probe
from ..chaos.proxy import Address, Proxy
from ..chaos.rig import Rig
from ..chaos.stage import Stage
from ..config.inherited import environment_with
from ..config.settings import read_environment, redis_url
from ..connections.scratch import redis_address, redis_through, scratch_redis
from ..core.parts import Part, with_ports
from ..errors import ConfigurationError, StartStopError
from ..events.worker import worker_name
from ..process import parts_of
from ..project import Project
from ..publisher import plan
from ..storage.effects import prepare_effects
from ..storage.scratch import database_address, database_through, scratch_database

LEASE = 2.0
"""Seconds after which a dead process's work goes to another: nobody wants to wait for 30."""

EVENT_SECONDS, JOB_SECONDS = 0.005, 1.0
"""How much longer handlers and jobs take, so that a fault hits work in progress."""

ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Place:
    """*project* with the user's own settings; *service* is the one to disturb, None without."""

    project: Project
    service: str | None
    redis: str | None

    @property
    def on_server(self) -> bool:
        """Whether the service's database is on a server."""
        return self.service is not None and not self._on_file(self.service)

    @contextmanager
    def stage(
        self, service: str, topic: str | None, rate: float, *, quick: bool
    ) -> Iterator[Stage]:
        """Everything that *service* needs to be run, disturbed and seen; all of it ends.

        Raises:
            ConfigurationError: A server is on another machine, or the topic has no worker.
            StorageError: A server does not answer.
        """
        with ExitStack() as stack:
            data = stack.enter_context(_own_data())
            broker = self._own_broker(stack, data)
            database = self._own_database(stack, data, service)
            own = {
                "workerkit_data": str(data), "worker_lease": LEASE,
                "redis_url": broker.ours, "database_url": database.ours,
            }  # fmt: skip
            environment = self.project.environment.model_copy(update=own)
            project = Project.open(self.project.folder, environment)
            stack.callback(project.close)
            project.upgrade(service)
            prepare_effects(project.database(service))
            run = f"chaos-{token_hex(4)}"
            theirs = environment_with(
                WORKERKIT_DATA=str(data), WORKER_LEASE=str(LEASE), WORKER_MODE="",
                WORKERKIT_PROBE=Probe(run, EVENT_SECONDS, JOB_SECONDS, ATTEMPTS).setting(),
                REDIS_URL=broker.theirs or "", DATABASE_URL=database.theirs or "",
                LOG_FORMAT="json", PYTHONUNBUFFERED="1",
            )  # fmt: skip
            parts = [Part(service, mode, 0, n) for mode in ("cron", "events") for n in (1, 2, 3)]
            rig = Rig(with_ports(parts), project.folder, theirs, data / "processes.log")
            load = _load(project, service, topic, run, rate)
            stack.callback(load.stop)
            yield Stage(
                rig=stack.enter_context(rig), load=load, service=service,
                broker=project.transport, broker_break=broker.how,
                database=project.database(service), database_break=database.how,
                consumers=[f"{service}/{worker_name(worker)}" for worker in load.listeners],
                jobs=list(project.jobs(service)), ledger=project.ledger(service), lease=LEASE,
                pace=0.5 if quick else 1.0,
            )  # fmt: skip

    def _on_file(self, service: str) -> bool:
        return self.project.database_url(service).startswith("sqlite")

    def _own_broker(self, stack: ExitStack, data: Path) -> Own:
        if self.redis is None:
            return Own(None, None, FileBreak(data / "broker.db"))
        proxy = _proxy(stack, "redis", redis_address(self.redis))
        url = stack.enter_context(scratch_redis(self.redis))
        return Own(url, redis_through(url, proxy.port), ServerBreak(proxy))

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


@contextmanager
def opened_place(folder: Path, mode: Mode, wanted: str | None) -> Iterator[Place]:
    """The project at *folder*, and in it the service *wanted*, else the first that has *mode*."""
    ours = read_environment()
    with _own_data() as data:  # looking at a project opens its broker, which makes a file
        environment = ours.model_copy(update={"workerkit_data": str(data)})
        with closing(Project.open(folder, environment)) as project:
            names = [project.check(wanted)] if wanted else list(project.file.services)
            having = [name for name in names if parts_of(project.modes(name), mode)]
            service = having[0] if having else None
            yield Place(project, service, redis_url(project.file, ours))


def _load(project: Project, service: str, topic: str | None, run: str, rate: float) -> Load:
    """Events for the workers of *service* on *topic*, else on their first topic."""
    workers = project.service(service).events
    chosen = topic or (workers[0].topic if workers else "")
    listeners = [worker for worker in workers if worker.topic == chosen]
    if topic and not listeners:
        raise ConfigurationError(f"{service} has no worker on {topic!r}")
    data: Any = plan(project, chosen).data if listeners else None
    return Load(project.transport, chosen, data, run, rate, listeners)


def _proxy(stack: ExitStack, name: str, upstream: Address) -> Proxy:
    proxy = Proxy(name, upstream)
    proxy.start()
    stack.callback(proxy.stop, 5.0)
    return proxy


@contextmanager
def _own_data() -> Iterator[Path]:
    """A temporary folder; it stays when a process did not start, for its log is wanted then."""
    folder = Path(tempfile.mkdtemp(prefix="workerkit-chaos-"))
    wanted = False
    try:
        yield folder
    except StartStopError:
        wanted = True
        raise
    finally:
        if not wanted:
            shutil.rmtree(folder, ignore_errors=True)
