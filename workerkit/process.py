"""One process of one service: its workers under a supervisor, its port, its health."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

from .app_port import AppPort
from .chaos.probe import Probe
from .config.settings import Mode, callback_port
from .core.clock import Clock, SystemClock
from .core.heartbeat import PERIOD, Heartbeat
from .core.loop import EventLoop
from .core.places import places
from .core.state import Member, new_member_id
from .core.supervisor import Supervisor
from .core.worker import BaseWorker
from .cron.watch import Watch
from .cron.worker import THREADS, CronWorker
from .errors import ConfigurationError, StorageError
from .events.consumer import EventConsumer
from .events.outbox import Relay
from .events.suspects import Quarantine
from .events.worker import worker_name
from .observability.admin import admin_app, beside
from .observability.health import Health, Tally, WorkerHealth, consumer_health, job_health
from .observability.logs import LogHook
from .observability.metrics import Metrics
from .observability.requests import Requests
from .observability.server import HttpServer, names_of
from .observability.trigger import trigger_route
from .project import Project
from .storage.checkpoints import Checkpointer
from .transports.dapr import DaprTransport, Stream
from .transports.sqlite import SqliteTransport

if TYPE_CHECKING:
    from .observability.tracing import Tracing

PARTS: dict[Mode, tuple[Mode, ...]] = {
    "api": ("api",),
    "events": ("events",),
    "cron": ("cron",),
    "all": ("events", "cron"),
    "inline": ("api", "events", "cron"),
}
"""What each mode puts into one process."""

STALE = 60.0
"""Seconds without a turn of a worker's loop after which it counts as stuck."""

SQLITE_BATCH, SERVER_BATCH = 0.020, 0.050
"""Seconds that a batch may hold SQLite's one write lock, and rows of a database server."""

TRACES_WAIT = 3.0
"""Seconds that a stop waits for the collector to take the last spans."""

LANES = 8
"""Lanes of a worker that names none; a quick handler uses one of them."""


def parts_of(modes: Sequence[Mode], mode: Mode) -> list[Mode]:
    """What *mode* puts into a process of a service that has *modes*."""
    return [part for part in PARTS[mode] if part in modes]


def port_of(project: Project, name: str, mode: Mode) -> int:
    """The port that the project file gives service *name* in *mode*."""
    ports = project.file.services[name].ports
    chosen = {"api": ports.api, "inline": ports.api, "cron": ports.cron}
    return chosen.get(mode, ports.events)


@dataclass(frozen=True)
class _Facts:
    """What health reads from broker and database, kept for a second."""

    at: float
    lags: dict[str, tuple[int, float]]
    counts: dict[str, int]
    trouble: str | None


class Process:
    """Service *name* in *mode*; `port` None takes the one of the project file.

    The server starts first, so that a taken port stops a start before any
    event is taken, and ends last, so that a drain can be watched. *ask_to_end*
    is called when the process must be started anew, for the reason in
    `restart_reason`.
    """

    def __init__(
        self,
        project: Project,
        name: str,
        mode: Mode,
        *,
        concurrency: int | None = None,
        port: int | None = None,
        ask_to_end: Callable[[], None] = lambda: None,
    ) -> None:
        self.project = project
        self.name = project.check(name)
        self.mode = mode
        self.service = project.service(name, mode)
        parts = parts_of(self.service.modes, mode)
        if not parts:
            there = ", ".join(self.service.modes) or "none"
            raise ConfigurationError(
                f"service {name!r} has nothing for mode {mode!r}; it has: {there}"
            )
        self._clock: Clock = SystemClock()
        if project.environment.workerkit_probe:
            self._watch(Probe.read(project.environment.workerkit_probe))
        self.id, self.started_at = new_member_id(), time.time()
        self.restart_reason: str | None = None
        self._ask_to_end = ask_to_end
        self._loop = EventLoop()
        self._quarantine = Quarantine()
        self.tally = Tally()
        self.metrics = Metrics({"service": name, "mode": mode, "version": version("workerkit")})
        self.metrics.watch(self._counted)
        self.tracing = self._tracing()
        self.consumers = self._consumers(concurrency) if "events" in parts else []
        self.cron = self._cron(concurrency) if "cron" in parts else None
        topics = [consumer.worker.topic for consumer in self.consumers]
        self.relay = Relay(name, project.store(name), project.transport, topics=topics)
        self.server = self._server("api" in parts, port)
        self.app_port = self._app_port()
        checkpointer = Checkpointer(f"{name}/checkpoints", self._sqlite_files())
        heartbeat = Heartbeat(
            project.state, self._member, f"{name}/heartbeat",
            period=min(PERIOD, project.lease / 3),
        )  # fmt: skip
        workers: list[BaseWorker] = [
            self.server, heartbeat, checkpointer, self.relay,
            *([self.cron] if self.cron else ()), *self.consumers,
            *([self.app_port] if self.app_port else self._streams()),
        ]  # fmt: skip
        self.supervisor = Supervisor(workers, name=f"{name}/{mode}")
        self._facts: _Facts | None = None

    @property
    def port(self) -> int:
        """Where it listens, once started."""
        return self.server.port

    def wait_for_sidecar(self, give_up: threading.Event) -> bool:
        """Where events come from Dapr, wait until its sidecar is there; False after *give_up*.

        Raises:
            StorageError: It is not there in time.
        """
        transport = self.project.transport
        if not self.consumers or not isinstance(transport, DaprTransport):
            return True
        if not transport.client.wait(transport.options.wait, give_up.is_set):
            return False
        transport.check_app_id(self.name)
        return True

    def start(self) -> None:
        """Bring the tables up to date, take the port, begin to work.

        Raises:
            ConfigurationError: The tables of a PostgreSQL database are out of date.
            StorageError: The database or the broker does not answer.
            StartStopError: The port is taken.
        """
        self.project.prepare(self.name)
        self.supervisor.start()

    def stop(self, timeout: float = 25.0) -> int:
        """Drain within *timeout* seconds; how many events were given back, and jobs not ended."""
        if self.cron is not None:  # beside the others, or a long job would take all of their time
            threading.Thread(target=self.cron.stop, args=(timeout,), daemon=True).start()
        self.supervisor.stop(timeout)
        for tracing in self.tracing:
            tracing.close(TRACES_WAIT)
        left = self.cron.left if self.cron else 0
        return left + sum(consumer.released for consumer in self.consumers)

    def live(self) -> bool:
        """Whether every worker's loop still turns; says nothing about servers elsewhere."""
        now = time.monotonic()
        looping = [*self.consumers, *([self.cron] if self.cron else ())]
        return all(now - worker.beat < STALE for worker in looping)

    def health(self) -> Health:
        """What the process does now, what waits for it, and where its workers are."""
        health = self._counted()
        if not health.workers:
            return health
        return replace(health, at=places(self.project.folder, self._loop.coroutines()))

    def _counted(self) -> Health:
        """The same without the places, which no metric tells."""
        facts = self._look()
        workers = (*self._consumers_health(facts), *self._jobs_health(facts))
        trouble = facts.trouble or self.relay.trouble
        degraded = trouble is not None or any(w.status == "degraded" for w in workers)
        ended = self.supervisor.stopping.is_set() or not self.supervisor.alive
        return Health(
            service=self.name,
            mode=self.mode,
            status="stopped" if ended else "degraded" if degraded else "running",
            guarantee="exactly once",
            started_at=self.started_at,
            workers=workers,
            parked=facts.counts.get("parked", 0),
            dead=facts.counts.get("dead", 0),
            outbox=facts.counts.get("outbox", 0),
        )

    def _consumers_health(self, facts: _Facts) -> Iterator[WorkerHealth]:
        for consumer in self.consumers:
            lag = facts.lags.get(consumer.name, (0, 0.0))
            yield consumer_health(
                consumer, self.tally.of(consumer.pipeline.name), lag, facts.trouble
            )

    def _jobs_health(self, facts: _Facts) -> Iterator[WorkerHealth]:
        if self.cron is not None:
            for job in self.cron.facts():
                yield job_health(self.cron, job, self.tally.of(job.name), facts.trouble)

    def _watch(self, probe: Probe) -> None:
        """Have handlers and jobs note what they do: this process is part of a chaos run."""
        for worker in self.service.events:
            probe.watch_worker(worker, f"{self.name}/{worker_name(worker)}")
        for job in self.service.cron:
            probe.watch_job(self.name, job)
        self._clock = probe.clock()

    def _restart(self, reason: str) -> None:
        """A new process is needed: let this one drain and end."""
        self.restart_reason = reason
        self._ask_to_end()

    def _look(self) -> _Facts:
        now = time.monotonic()
        if self._facts is None or now - self._facts.at >= 1.0:
            self._facts = self._read(now)
        return self._facts

    def _read(self, now: float) -> _Facts:
        lags: dict[str, tuple[int, float]] = {}
        try:
            for consumer in self.consumers:
                lag = self.project.transport.lag(consumer.worker.topic, self.name)
                lags[consumer.name] = (lag.events, lag.oldest_age)
            return _Facts(now, lags, self.project.store(self.name).counts(), None)
        except StorageError as error:
            return _Facts(now, lags, {}, str(error))

    def _consumers(self, concurrency: int | None) -> list[EventConsumer]:
        lanes = concurrency or self.project.environment.worker_concurrency
        lanes = lanes or self.project.file.services[self.name].concurrency
        sqlite = self.project.database(self.name).sqlite
        return [
            EventConsumer(
                self.name,
                worker,
                self.project.transport,
                self.project.store(self.name),
                concurrency=lanes or LANES,
                lease=self.project.lease,
                batch_seconds=SQLITE_BATCH if sqlite else SERVER_BATCH,
                hooks=self._hooks,
                state=self.project.state,
                loop=self._loop,
                quarantine=self._quarantine,
            )
            for worker in self.service.events
        ]

    def _cron(self, concurrency: int | None) -> CronWorker:
        return CronWorker(
            self.name,
            self.service.cron,
            self.project.ledger(self.name),
            Watch(self.project.state, self.project.lease, self._clock),
            self.id,
            restart=self._restart,
            threads=concurrency or self.project.environment.worker_concurrency or THREADS,
            clock=self._clock,
            loop=self._loop,
            hooks=self._hooks,
        )

    @property
    def _hooks(self) -> list[Metrics | Tally | LogHook | Tracing]:
        return [self.metrics, self.tally, LogHook(), *self.tracing]

    def _tracing(self) -> list[Tracing]:
        """The hook that sends spans, when there is somewhere to send them.

        Raises:
            ConfigurationError: The extra is not installed.
        """
        if not self.project.environment.otel_exporter_otlp_endpoint:
            return []
        try:
            from .observability.tracing import Tracing  # noqa: PLC0415
        except ImportError as error:
            raise ConfigurationError(
                f"OTEL_EXPORTER_OTLP_ENDPOINT is set, and {error.name} is not installed: "
                "pip install 'workerkit[otel]', or unset it"
            ) from None
        return [Tracing(self.name)]

    def _member(self) -> Member:
        return Member(
            id=self.id,
            service=self.name,
            mode=self.mode,
            host=socket.gethostname(),
            pid=os.getpid(),
            port=self.port,
            started=self.started_at,
        )

    def _sqlite_files(self) -> list[Path]:
        transport = self.project.transport
        files = [transport.path if isinstance(transport, SqliteTransport) else None]
        files.append(self.project.database(self.name).file)
        return [file for file in files if file is not None]

    def _app_port(self) -> AppPort | None:
        """Where the sidecar calls us, if events come that way."""
        transport, environment = self.project.transport, self.project.environment
        if not self.project.called_by_dapr or not self.consumers:
            return None
        assert isinstance(transport, DaprTransport)
        port = callback_port(environment, self.server.port)
        return AppPort(
            f"{self.name}/dapr", transport, environment.worker_host, port,
            environment.app_api_token,
        )  # fmt: skip

    def _streams(self) -> list[Stream]:
        """What we hold to the sidecar where it does not call us; none without Dapr."""
        transport = self.project.transport
        if not isinstance(transport, DaprTransport):
            return []
        topics = [consumer.worker.topic for consumer in self.consumers]
        return [Stream(f"{self.name}/stream {topic}", transport, topic) for topic in topics]

    def _server(self, with_api: bool, port: int | None) -> HttpServer:
        if port is None:
            port = port_of(self.project, self.name, self.mode)
        more = []
        if self.cron is not None:
            more.append(trigger_route(self.name, set(self.cron.entries), self.cron.trigger))
        host = self.project.environment.worker_host
        app = admin_app(self.health, self.live, self.metrics, names_of(host), more)
        if with_api:
            assert self.service.api is not None
            requests = Requests(self.service.api())
            self.metrics.add(requests)
            app = beside(requests, app)
        threads = self.project.file.services[self.name].api_threads
        return HttpServer(f"{self.name}/http", app, host, port, threads=threads)
