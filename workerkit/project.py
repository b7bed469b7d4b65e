"""The composition root: a project's file and settings become services and their workers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .config.project_file import FILE, ProjectFile, find_project, read_project, single_file_project
from .config.settings import Environment, Mode, callback_port, redis_url, transport_name
from .core.cache import Cache
from .core.loading import home_of, load, unknown
from .core.source import digest, source_files
from .core.state import State
from .core.user_code import where_it_failed
from .cron.job import CronJob, check_job, job_name
from .cron.line import Entry
from .cron.worker import entries_of
from .errors import ConfigurationError, WorkerkitError
from .events.outbox import Outbox
from .events.transport import Broker
from .events.worker import EventWorker, check_worker, worker_name
from .state import open_state
from .storage.cleanup import OldEvents
from .storage.database import VERSION, Database
from .storage.inspection import table_version
from .storage.runs import SqlLedger
from .storage.store import SqlStore
from .transports import open_dapr, open_transport
from .transports.dapr import DaprOptions, DaprTransport

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from starlette.types import ASGIApp


@dataclass(frozen=True)
class Settings:
    """What a service's `wire` is given.

    `outbox` publishes events in one transaction with the service's own rows,
    `cache` is shared by the service's processes, `old_events` deletes what no
    redelivery needs any more. `mode` is the mode of this process, `data` the
    project's data folder.
    """

    service: str
    mode: Mode
    database: Database
    outbox: Outbox
    cache: Cache
    old_events: OldEvents
    data: Path


@dataclass(frozen=True)
class Service:
    """What a service's `wire` returns.

    `api` builds the ASGI application; it is called in processes that serve it.
    `events` handle the events of one topic each, `cron` are its jobs.
    `migrate` brings the service's own tables up to date; it runs inside the
    transaction that upgrades ours, at every start, so it must be idempotent.
    """

    name: str
    api: Callable[[], ASGIApp] | None = None
    events: Sequence[EventWorker[Any]] = ()
    cron: Sequence[CronJob] = ()
    migrate: Callable[[Connection], None] | None = None

    @property
    def modes(self) -> tuple[Mode, ...]:
        """The modes that it has workers for, without the combined ones."""
        has: dict[Mode, bool] = {
            "api": self.api is not None, "events": bool(self.events), "cron": bool(self.cron)
        }  # fmt: skip
        return tuple(mode for mode, there in has.items() if there)

    @property
    def parts(self) -> list[str]:
        """What it is made of, by name."""
        return [
            *(["an API"] if self.api else []),
            *(f"{worker_name(worker)} on {worker.topic}" for worker in self.events),
            *(f"{job_name(job)} ({check_job(job).words()})" for job in self.cron),
        ]


class Project:
    """An opened project; `close` it to release its files."""

    def __init__(self, folder: Path, file: ProjectFile, environment: Environment) -> None:
        self.folder = folder
        self.file = file
        self.environment = environment
        self.data = folder / (environment.workerkit_data or file.data)
        self.lease = environment.worker_lease or file.lease
        self._redis = redis_url(file, environment)
        self.transport: Broker = (
            open_dapr(self._dapr(), self._redis, self.data, self.lease)
            if transport_name(file, environment) == "dapr"
            else open_transport(self._redis, self.data, self.lease)
        )
        self._broker: Broker | None = None
        self._state: State | None = None
        self._stores: dict[str, SqlStore] = {}
        self._services: dict[tuple[str, Mode], Service] = {}

    @classmethod
    def open(cls, start: Path, environment: Environment) -> Project:
        """Open the project at or above *start*, or the single file in it that defines `wire`.

        Raises:
            ConfigurationError: There is none, or its file is wrong.
            StorageError: The broker's file cannot be opened.
        """
        folder = find_project(start)
        file = read_project(folder) if folder else single_file_project(start)
        if file is None:
            raise ConfigurationError(
                f"no project in {start}: needs a {FILE}, or a Python file that defines wire()"
            )
        return cls(folder or start, file, environment)

    @property
    def state(self) -> State:
        """What the project's processes know of each other."""
        if self._state is None:
            self._state = open_state(self._redis, self.data)
        return self._state

    @property
    def called_by_dapr(self) -> bool:
        """Whether a Dapr sidecar brings a worker its events, over HTTP."""
        dapr = isinstance(self.transport, DaprTransport)
        return dapr and self.file.dapr.receive == "http"

    def called(self) -> dict[str, int]:
        """Services whose event workers a Dapr sidecar calls, with the port that it calls."""
        if not self.called_by_dapr:
            return {}
        return {
            name: callback_port(self.environment, entry.ports.events)
            for name, entry in self.file.services.items()
            if "events" in (entry.modes or ("events",))
        }

    @property
    def broker(self) -> Broker:
        """What keeps events itself: the transport, or what a local Dapr sidecar keeps them in."""
        if self._broker is None:
            self._broker = self.transport
            if isinstance(self.transport, DaprTransport):
                self._broker = open_transport(self._redis, self.data, self.lease)
        return self._broker

    def store(self, name: str) -> SqlStore:
        """Inbox, outbox and parked events of service *name*, in its database."""
        if name not in self._stores:
            self._stores[name] = SqlStore(Database(self.database_url(name)))
        return self._stores[name]

    def database_url(self, name: str) -> str:
        """DATABASE_URL, what the project file says, or a file of the service's own."""
        entry = self.file.services[self.check(name)]
        url = self.environment.database_url or entry.database
        return url or f"sqlite:///{self.data / name}.db"

    def database(self, name: str) -> Database:
        """The database of service *name*."""
        return self.store(name).database

    def ledger(self, name: str) -> SqlLedger:
        """The runs of service *name*'s jobs, in its database."""
        return SqlLedger(self.database(name), Outbox(name, self.store(name), self.transport))

    def ledgers(self, jobs: Iterable[str]) -> dict[str, SqlLedger]:
        """The ledgers of *jobs*' services, by service; without those that have no tables yet."""
        services = sorted({job.partition("/")[0] for job in jobs})
        upgraded = [name for name in services if table_version(self.database(name)) >= VERSION]
        return {name: self.ledger(name) for name in upgraded}

    def service(self, name: str, mode: Mode = "all") -> Service:
        """Service *name* as its `wire` builds it for *mode*; built once.

        Raises:
            ConfigurationError: No such service, `wire` failed (the message says where), or
                it returned something that cannot work.
        """
        if (name, mode) not in self._services:
            entry = self.file.services[self.check(name)]
            outbox = Outbox(name, self.store(name), self.transport)
            cache = Cache(name, lambda: self.state)
            old_events = OldEvents(name, self.transport, lambda: self._topics_of(name, mode))
            settings = Settings(
                name, mode, self.database(name), outbox, cache, old_events, self.data
            )
            try:
                service = load(entry.wire, self.folder)(settings)
            except WorkerkitError:
                raise
            except Exception as error:
                raise ConfigurationError(where_it_failed(error, self.folder)) from error
            check_service(service, name, entry.wire)
            self._services[name, mode] = service
        return self._services[name, mode]

    def _dapr(self) -> DaprOptions:
        environment = self.environment
        local = self.file.sidecar
        return DaprOptions(
            environment.dapr_http_port or local.port, environment.dapr_grpc_port or local.grpc_port,
            local.pubsub, environment.dapr_api_token, self.file.dapr.receive,
            environment.dapr_health_timeout,
        )  # fmt: skip

    def _topics_of(self, name: str, mode: Mode) -> dict[str, str]:
        """The topic of each consumer of service *name*."""
        workers = self.service(name, mode).events
        return {f"{name}/{worker_name(worker)}": worker.topic for worker in workers}

    def modes(self, name: str) -> tuple[Mode, ...]:
        """The modes that service *name* has: as the project file says, else as it is wired."""
        return self.file.services[self.check(name)].modes or self.service(name).modes

    def check(self, name: str) -> str:
        """*name* when there is such a service; raises ConfigurationError with what was meant."""
        if name not in self.file.services:
            raise ConfigurationError(unknown("service", name, self.file.services))
        return name

    def choose(self, name: str | None) -> str:
        """The service to run: *name*, else the only one there is."""
        if name is None and len(self.file.services) == 1:
            return next(iter(self.file.services))
        if name is None:
            raise ConfigurationError(f"name a service: {', '.join(sorted(self.file.services))}")
        return self.check(name)

    def around(self, folder: Path) -> str | None:
        """The service whose package *folder* is or lies in, when exactly one does."""
        inside = folder.resolve()
        homes = {
            name: home_of(entry.wire, self.folder.resolve())
            for name, entry in self.file.services.items()
        }
        found = [name for name, home in homes.items() if inside.is_relative_to(home)]
        return found[0] if len(found) == 1 else None

    def subscribers(self, topic: str) -> list[tuple[str, EventWorker[Any]]]:
        """Every event worker on *topic*, with its service's name."""
        return [
            (name, worker)
            for name in self.file.services
            for worker in self.service(name).events
            if worker.topic == topic
        ]

    def topics(self) -> dict[str, list[str]]:
        """The topics that the project's event workers listen to, with their services."""
        found: dict[str, list[str]] = {}
        for name in self.file.services:
            for worker in self.service(name).events:
                found.setdefault(worker.topic, []).append(name)
        return dict(sorted(found.items()))

    def jobs(self, service: str | None = None) -> dict[str, Entry]:
        """The jobs of *service*, or of every service, by `service/job`."""
        names = [self.check(service)] if service else list(self.file.services)
        found: dict[str, Entry] = {}
        for name in names:
            found.update(entries_of(name, self.service(name).cron))
        return found

    def prepare(self, name: str) -> None:
        """See that the tables of service *name* are up to date: SQLite's are brought there.

        Raises:
            ConfigurationError: Those of a server are not.
            StorageError: The database cannot be reached.
        """
        database = self.database(name)
        if database.sqlite:
            self.upgrade(name)
            return
        found = table_version(database)
        if found != VERSION:
            raise ConfigurationError(
                f"{database.shown} has tables of version {found}, needed is {VERSION}: "
                f"run `workerkit db upgrade {name}`"
            )

    def upgrade(self, name: str) -> tuple[int, int]:
        """Bring the tables of service *name* up to date; return the versions before and after.

        Raises:
            StorageError: The database cannot be reached or written.
            ConfigurationError: It was written by a newer workerkit.
        """
        wired = [service for (known, _), service in self._services.items() if known == name]
        migrate = (wired or [self.service(name)])[0].migrate
        return self.database(name).upgrade(migrate)

    def sources(self) -> list[Path]:
        """The Python files of its services' packages."""
        return source_files(self.folder, (entry.wire for entry in self.file.services.values()))

    def code(self) -> str:
        """Changes when the services' code or the project file does; for what was measured."""
        file = self.folder / FILE
        return digest([*self.sources(), *([file] if file.is_file() else [])], self.folder)

    def close(self) -> None:
        """Release the files; idempotent."""
        for store in self._stores.values():
            store.database.close()
        if self._state is not None:
            self._state.close()
        self.transport.close()
        if self._broker is not None:
            self._broker.close()


def check_service(service: object, name: str, wire: str) -> None:
    """Refuse what *wire* returned for service *name* when it can never work.

    Raises:
        ConfigurationError: No Service, another name, two workers on one topic, or a
            job that is wrong or there twice.
    """
    if not isinstance(service, Service):
        raise ConfigurationError(f"{wire} returned {service!r}, must be a Service")
    if service.name != name:
        raise ConfigurationError(f"{wire} returned service {service.name!r}, {FILE} says {name!r}")
    topics: set[str] = set()
    for worker in service.events:
        check_worker(worker)
        if worker.topic in topics:
            raise ConfigurationError(f"{name} has two workers on topic {worker.topic!r}")
        topics.add(worker.topic)
    entries_of(name, service.cron)
