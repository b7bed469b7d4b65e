from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from types import new_class
from typing import Any

import pytest
from pydantic import BaseModel
from sqlalchemy import text

from tests.servers import database_url
from workerkit.core.backoff import Retry
from workerkit.core.hooks import Settled
from workerkit.events.consumer import EventConsumer
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.events.worker import EventWorker
from workerkit.storage.database import Database
from workerkit.storage.dead_letters import list_parked
from workerkit.storage.store import SqlStore
from workerkit.transports.memory import MemoryTransport


class Order(BaseModel):
    """The payload of these tests."""

    id: int


class World:
    """One service with one worker, and what became of its events."""

    def __init__(self, url: str, transport: Any = None) -> None:
        self.transport = transport or MemoryTransport()
        self.database = Database(url)
        self.database.upgrade()
        with self.database.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE applied (id INTEGER)")
        self.store = SqlStore(self.database, outbox_lease=0.5)
        self.recorder = Recorder()
        self.consumer: EventConsumer | None = None
        self._consumers: list[EventConsumer] = []

    def publish(self, *events: Event | bytes) -> None:
        bodies = [event if isinstance(event, bytes) else encode(event) for event in events]
        self.transport.publish([Message("orders", body) for body in bodies])

    def start(self, handle: Callable[..., Any], **options: Any) -> EventConsumer:
        """Start a consumer; called again, another replica. *payload* replaces `Order`."""
        attributes = options.pop("attributes", {})
        payload = options.pop("payload", Order)
        retry = Retry(attempts=3, first=0.001, cap=0.002)
        namespace = {"topic": "orders", "name": "orders", "retry": retry, "handle": handle}
        base = new_class("OrderWorker", (EventWorker[payload],))
        worker = type("OrderWorker", (base,), {**namespace, **attributes})()
        self.consumer = EventConsumer(
            "shop", worker, self.transport, self.store, hooks=[self.recorder], **options
        )
        self._consumers.append(self.consumer)
        self.consumer.start()
        return self.consumer

    def applied(self) -> list[int]:
        with self.database.read() as session:
            return list(session.scalars(text("SELECT id FROM applied ORDER BY id")))

    def outcomes(self) -> list[str]:
        return [record.outcome for record in self.recorder.records]

    def errors(self) -> set[str]:
        """The names of the errors that made dead letters."""
        return {r.error for r in self.recorder.records if r.outcome == "dead"}

    def letters(self) -> list[Any]:
        """The dead letters."""
        return list_parked(self.database, dead=True, limit=100)

    def wire(self, topic: str) -> list[bytes]:
        """The bodies of all events on *topic*."""
        return [entry.body for entry in self.transport.read(topic, "", 10_000)]

    def until(self, fact: Callable[[], bool], timeout: float = 30.0) -> None:
        end = time.monotonic() + timeout
        while not fact():
            assert time.monotonic() < end, f"did not happen: {Counter(self.outcomes())}"
            time.sleep(0.005)

    def close(self) -> None:
        for consumer in self._consumers:
            consumer.stop(5.0)
        self.database.close()


class Recorder:
    """A hook that keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[Settled] = []

    def settled(self, records: Any) -> None:
        self.records.extend(records)


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request, tmp_path) -> Iterator[World]:
    """A world on either database; a test for one of them names it by indirect parameters."""
    opened = World(database_url(request, tmp_path))
    yield opened
    opened.close()
