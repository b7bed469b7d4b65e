from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import new_class
from typing import Any

import pytest
from pydantic import BaseModel

from workerkit.core.backoff import Retry
from workerkit.core.hooks import Settled
from workerkit.events.consumer import EventConsumer
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.events.worker import EventWorker
from workerkit.storage.database import Database
from workerkit.storage.store import SqlStore
from workerkit.transports.memory import MemoryTransport


class Order(BaseModel):
    """The payload of these tests."""

    id: int


class World:
    """One service with one worker, and what became of its events."""

    def __init__(self, url: str) -> None:
        self.transport = MemoryTransport()
        self.database = Database(url)
        self.database.upgrade()
        with self.database.engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE applied (id INTEGER)")
        self.store = SqlStore(self.database)
        self.recorder = Recorder()
        self.consumer: EventConsumer | None = None

    def publish(self, *events: Event | bytes) -> None:
        bodies = [event if isinstance(event, bytes) else encode(event) for event in events]
        self.transport.publish([Message("orders", body) for body in bodies])

    def start(self, handle: Callable[..., Any], **options: Any) -> EventConsumer:
        attributes = options.pop("attributes", {})
        retry = Retry(attempts=3, first=0.001, cap=0.002)
        namespace = {"topic": "orders", "name": "orders", "retry": retry, "handle": handle}
        base = new_class("OrderWorker", (EventWorker[Order],))
        worker = type("OrderWorker", (base,), {**namespace, **attributes})()
        self.consumer = EventConsumer(
            "shop", worker, self.transport, self.store, hooks=[self.recorder], **options
        )
        self.consumer.start()
        return self.consumer

    def applied(self) -> list[int]:
        with self.database.engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT id FROM applied ORDER BY id").all()
        return [row[0] for row in rows]

    def outcomes(self) -> list[str]:
        return [record.outcome for record in self.recorder.records]

    def until(self, fact: Callable[[], bool], timeout: float = 10.0) -> None:
        end = time.monotonic() + timeout
        while not fact():
            assert time.monotonic() < end, f"did not happen: {self.outcomes()}"
            time.sleep(0.005)

    def close(self) -> None:
        if self.consumer is not None:
            self.consumer.stop(5.0)
        self.database.close()


class Recorder:
    """A hook that keeps what it is told."""

    def __init__(self) -> None:
        self.records: list[Settled] = []

    def settled(self, records: Any) -> None:
        self.records.extend(records)


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    opened = World(f"sqlite:///{tmp_path}/shop.db")
    yield opened
    opened.close()
