"""The composition root: a project's file and settings become services and their workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from .config.project_file import FILE, ProjectFile, find_project, read_project, single_file_project
from .config.settings import Environment
from .core.loading import load, unknown
from .core.supervisor import Supervisor
from .core.worker import BaseWorker
from .errors import ConfigurationError
from .events.consumer import EventConsumer
from .events.outbox import Relay
from .events.worker import EventWorker, check_worker
from .storage.database import Database
from .storage.store import SqlStore
from .transports.sqlite import SqliteTransport


@dataclass(frozen=True)
class Settings:
    """What a service's `wire` is given."""

    service: str
    database: Database
    data: Path


@dataclass(frozen=True)
class Service:
    """What a service's `wire` returns.

    `migrate` brings the service's own tables up to date; it runs inside the
    transaction that upgrades ours, at every start, so it must be idempotent.
    """

    name: str
    events: Sequence[EventWorker[Any]] = ()
    migrate: Callable[[Connection], None] | None = None


class Project:
    """An opened project; `close` it to release its files."""

    def __init__(self, folder: Path, file: ProjectFile, environment: Environment) -> None:
        self.folder = folder
        self.file = file
        self.environment = environment
        self.data = folder / (environment.workerkit_data or file.data)
        self.transport = SqliteTransport(self.data / "broker.db", file.lease)
        self._databases: dict[str, Database] = {}

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

    def database(self, name: str) -> Database:
        """The database of service *name*: DATABASE_URL, the project file, or a file of its own."""
        if name not in self._databases:
            entry = self.file.services[self.check(name)]
            url = self.environment.database_url or entry.database
            self._databases[name] = Database(url or f"sqlite:///{self.data / name}.db")
        return self._databases[name]

    def service(self, name: str) -> Service:
        """Service *name*, built by its `wire`.

        Raises:
            ConfigurationError: No such service, or `wire` returned something that cannot work.
        """
        entry = self.file.services[self.check(name)]
        wire = load(entry.wire, self.folder)
        service = wire(Settings(name, self.database(name), self.data))
        if not isinstance(service, Service):
            raise ConfigurationError(f"{entry.wire} returned {service!r}, must be a Service")
        topics: set[str] = set()
        for worker in service.events:
            check_worker(worker)
            if worker.topic in topics:
                raise ConfigurationError(f"{name} has two workers on topic {worker.topic!r}")
            topics.add(worker.topic)
        return service

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

    def event_workers(self, name: str, concurrency: int | None = None) -> Supervisor:
        """A supervisor, not started, over the event consumers of service *name* and its relay.

        Raises:
            ConfigurationError: The service has no event workers.
            StorageError: The database cannot be reached or written.
        """
        service = self.service(name)
        if not service.events:
            raise ConfigurationError(f"service {name!r} has no event workers")
        database = self.database(name)
        database.upgrade(service.migrate)
        store = SqlStore(database)
        lanes = concurrency or self.file.services[name].concurrency or 1
        workers: list[BaseWorker] = [Relay(name, store, self.transport)]
        workers += [
            EventConsumer(
                name, worker, self.transport, store, concurrency=lanes, lease=self.file.lease
            )
            for worker in service.events
        ]
        return Supervisor(workers, name=f"{name} pid {os.getpid()}")

    def close(self) -> None:
        """Close the broker's file and the databases; idempotent."""
        self.transport.close()
        for database in self._databases.values():
            database.close()
