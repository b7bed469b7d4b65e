"""One service on a scratch database, a broker in memory, and a clock that stands still.

from workerkit.testing import Sandbox

def test_an_order_is_written_down():
    with Sandbox("orders", wire) as sandbox:
        sandbox.publish("order.placed", {"id": "7"})
        assert sandbox.settle() == ["applied"]
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from ..core.cache import Cache
from ..core.hooks import Outcome, Settled
from ..core.loading import unknown
from ..core.loop import EventLoop
from ..cron.crew import Crew, Task
from ..cron.job import job_name
from ..cron.ledger import Run
from ..cron.watch import Watch
from ..cron.worker import CronWorker
from ..errors import ConfigurationError
from ..events.batch import MicroBatch
from ..events.envelope import Event, decode, encode
from ..events.item import Item, Reader
from ..events.outbox import Outbox
from ..events.pipeline import Pipeline
from ..events.transport import Message
from ..events.worker import EventWorker, worker_name
from ..project import Service, Settings, check_service
from ..state.memory import MemoryState
from ..storage.cleanup import OldEvents
from ..storage.database import Database
from ..storage.runs import SqlLedger
from ..storage.store import SqlStore
from ..transports.memory import MemoryTransport
from .clock import NOON, FakeClock

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

LEASE = 30.0


class Sandbox:
    """Service *name* as *wire* builds it, its workers on the test's own thread.

    Inbox, outbox, parked events and the ledger of runs are the real ones, in a
    SQLite file of its own that is gone at the end. Nothing happens by itself:
    `settle` applies events, `tick` runs a job, `clock.advance` lets time pass.
    """

    def __init__(
        self, name: str, wire: Callable[[Settings], Service], now: datetime = NOON
    ) -> None:
        self.name = name
        self.clock = FakeClock(now)
        self.settled: list[Settled] = []
        """Everything that was settled, in order, with its error if it had one."""
        self._wire = wire
        self._open = ExitStack()

    def __enter__(self) -> Sandbox:
        """Build the service and its tables.

        Raises:
            ConfigurationError: What *wire* returned can never work.
        """
        with ExitStack() as opened:
            folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="sandbox-")))
            self._build(folder, opened)
            self._open = opened.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Remove it all."""
        self._open.close()

    def publish(self, topic: str, data: Any, *, id: str | None = None) -> str:
        """Publish *data*, as another service would, now; the event's id."""
        event = Event(topic, data, id=id or str(uuid4()), source="test", time=self.clock.time())
        self._transport.publish([Message(topic, encode(event))])
        return event.id

    def settle(self) -> list[Outcome]:
        """Apply what is due now, follow-ups to the service's own topics too; the outcomes.

        A parked event is due again once the clock was advanced far enough.
        """
        before = len(self.settled)
        while any(consumer.turn() for consumer in self._consumers):
            pass
        return [record.outcome for record in self.settled[before:]]

    def published(self, topic: str) -> list[Any]:
        """The data of every event on *topic*, in order, as JSON has it."""
        entries = self._transport.read(topic, "", len(self._transport.entries[topic]))
        return [decode(entry.body, topic, entry.entry).data for entry in entries]

    def tick(self, job: str) -> Run:
        """Let time pass until the next tick of *job*, and run it for that; how it ended.

        Other jobs, though due on the way, do not run.

        Raises:
            ConfigurationError: The service has no such job.
        """
        jobs = {job_name(each): each for each in self.service.cron}
        if job not in jobs:
            raise ConfigurationError(unknown("job", job, jobs))
        crew = _Queue("sandbox", 1)
        watch = Watch(self._state, LEASE, self.clock)
        worker = CronWorker(
            self.name, [jobs[job]], self._ledger, watch, "sandbox", restart=lambda reason: None,
            clock=self.clock, loop=self._loop, crew=crew,
        )  # fmt: skip
        worker.plan()
        (facts,) = worker.facts()
        due = (facts.next_run or 0.0) + jobs[job].jitter
        self.clock.advance(max(0.0, due - self.clock.time()))
        worker.turn()
        crew.work()
        return self._ledger.history(facts.name, 1)[0]

    def read(self) -> AbstractContextManager[Session]:
        """A session to look at the service's tables with."""
        return self._database.read()

    def _build(self, folder: Path, opened: ExitStack) -> None:
        self._database = Database(f"sqlite:///{folder / self.name}.db")
        opened.callback(self._database.close)
        self._loop = EventLoop()
        opened.callback(self._loop.close)
        self._transport = MemoryTransport(LEASE, self.clock)
        self._state = MemoryState(self.clock)
        store = SqlStore(self._database, clock=self.clock)
        outbox = Outbox(self.name, store, self._transport, self.clock)
        self._ledger = SqlLedger(self._database, outbox, self.clock)
        topics: dict[str, str] = {}
        settings = Settings(
            self.name, "all", self._database, outbox, Cache(self.name, lambda: self._state),
            OldEvents(self.name, self._transport, lambda: topics), folder,
        )  # fmt: skip
        self.service = self._wire(settings)
        check_service(self.service, self.name, "wire")
        topics |= {f"{self.name}/{worker_name(each)}": each.topic for each in self.service.events}
        self._database.upgrade(self.service.migrate)
        self._consumers = [
            _Consumer(self, worker, self._transport, store, self._loop)
            for worker in self.service.events
        ]


class _Consumer:
    """What `events.consumer` does, without threads: receives, applies, takes up what is due."""

    def __init__(
        self,
        sandbox: Sandbox,
        worker: EventWorker[Any],
        transport: MemoryTransport,
        store: SqlStore,
        loop: EventLoop,
    ) -> None:
        self._store = store
        self._longest = max(LEASE, worker.retry.cap)
        self._reader = Reader(worker)
        self._subscription = transport.subscribe(worker.topic, sandbox.name)
        self._pipeline = Pipeline(
            sandbox.name, worker_name(worker), worker, store, self._settle, sandbox.clock, loop,
            [_Record(sandbox.settled)],
        )  # fmt: skip

    def turn(self) -> bool:
        """Apply what there is now; False when there was nothing."""
        items = [Item(delivery) for delivery in self._subscription.receive(500, 0.0)]
        due = self._store.due(self._pipeline.consumer, 100, LEASE, self._longest)
        items += [Item(parked=event) for event in due]
        if items:
            self._pipeline.apply(MicroBatch([self._reader.read(item) for item in items]))
        return bool(items)

    def _settle(self, items: Sequence[Item], messages: Sequence[Message]) -> bool:
        self._subscription.settle([item.delivery for item in items if item.delivery], messages)
        return True


class _Record:
    """A hook that keeps what it is told in *records*."""

    def __init__(self, records: list[Settled]) -> None:
        self._records = records

    def settled(self, records: Sequence[Settled]) -> None:
        """Keep them."""
        self._records.extend(records)


class _Queue(Crew):
    """Keeps tasks until `work`, which does them on the test's thread."""

    def submit(self, task: Task, *, at_once: bool = False) -> None:
        """Keep *task*."""
        self._waiting.append(task)

    def work(self) -> None:
        """Do everything that waits, and what comes of it."""
        while self._waiting:
            self._waiting.popleft()()
