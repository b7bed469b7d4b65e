"""A small project in a folder of its own, used within the test's process."""

from __future__ import annotations

import io
import sqlite3
import sys
import time
from contextlib import closing, redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson

from tests.ports import free_port
from tests.waiting import until
from workerkit.cli.app import main
from workerkit.config.settings import Environment, Mode
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Message
from workerkit.process import Process
from workerkit.project import Project
from workerkit.transports.sqlite import SqliteTransport

CODE = """
from pydantic import BaseModel, Field

from workerkit import EventWorker, Retry, Service


class Order(BaseModel):
    order_id: int = Field(alias="orderId")


class OrderWorker(EventWorker[Order]):
    topic = "orders"
    retry = Retry(attempts=2, first=0.05, cap=0.05)

    def handle(self, order, context):
        if order.order_id == 13 or (order.order_id == 14 and context.attempt == 1):
            raise ValueError("unlucky")
        context.publish("orders.booked", {"orderId": order.order_id})


def wire(settings):
    return Service("shop", events=[OrderWorker()])
"""

TOML = """
name = "test"
[services.shop]
wire = "{module}:wire"
modes = ["events"]
ports = {{ api = 0, events = {port}, cron = 0 }}
"""


@dataclass(frozen=True)
class Answer:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return orjson.loads(self.out)


class Shop:
    """Service `shop` with a worker on `orders`: id 13 always fails, 14 once."""

    def __init__(self, path: Path, monkeypatch: Any) -> None:
        self.path = path
        self.module = f"shop_{uuid4().hex}"
        self.port = free_port()
        self._monkeypatch = monkeypatch
        self._running: list[tuple[Project, Process]] = []
        monkeypatch.chdir(path)
        for name in ("DATABASE_URL", "WORKERKIT_DATA", "WORKER_MODE", "WORKER_HOST", "COLUMNS"):
            monkeypatch.delenv(name, raising=False)
        self.write()

    def write(self, code: str = CODE, toml: str = TOML) -> None:
        (self.path / f"{self.module}.py").write_text(code)
        text = toml.format(module=self.module, port=self.port)
        (self.path / "workerkit.toml").write_text(text)

    def call(self, *arguments: str, stdin: str | None = None) -> Answer:
        """`workerkit ARGUMENTS`, as the program runs it; *stdin* None is no terminal."""
        return call(self._monkeypatch, *arguments, stdin=stdin)

    def open(self) -> Project:
        """The caller closes it."""
        return Project.open(self.path, Environment())

    def start(self, port: int | None = 0, mode: Mode = "events") -> Process:
        project = self.open()
        process = Process(project, "shop", mode, port=port)
        process.start()
        self._running.append((project, process))
        return process

    def publish(self, topic: str, *events: Event | bytes) -> None:
        with closing(self.broker()) as broker:
            broker.publish(
                [Message(topic, e if isinstance(e, bytes) else encode(e)) for e in events]
            )

    def broker(self) -> SqliteTransport:
        return SqliteTransport(self.path / ".workerkit" / "broker.db")

    def kept(self, topic: str) -> list[dict[str, Any]]:
        """The envelopes in *topic*."""
        with closing(self.broker()) as broker:
            return [orjson.loads(entry.body) for entry in broker.read(topic, "", 100_000)]

    def change(self, statement: str, *values: object) -> None:
        """Run SQL on the service's database."""
        with closing(sqlite3.connect(self.path / ".workerkit" / "shop.db", timeout=10)) as db, db:
            db.execute(statement, values)

    def bury(self, *ids: str, order_id: object = 13) -> None:
        """Make dead letters with these ids."""
        process = self.start()
        events = [
            Event("orders", {"orderId": order_id}, id=id, source="web", time=time.time())
            for id in ids
        ]
        self.publish("orders", *events)
        wanted = process.health().dead + len(ids)
        until(lambda: process.project.store("shop").counts()["dead"] >= wanted)
        self.close()

    def close(self) -> None:
        while self._running:
            project, process = self._running.pop()
            process.stop(5.0)
            project.close()


class Typed(io.StringIO):
    """Standard input: a terminal at which *text* is typed, or none."""

    def __init__(self, text: str | None) -> None:
        super().__init__(text or "")
        self._terminal = text is not None

    def isatty(self) -> bool:
        return self._terminal


def call(monkeypatch: Any, *arguments: str, stdin: str | None = None) -> Answer:
    """`workerkit ARGUMENTS` in the current folder; *stdin* None is no terminal."""
    out, err = io.StringIO(), io.StringIO()
    code = 0
    with monkeypatch.context() as patched:
        patched.setattr(sys, "argv", ["workerkit", *arguments])
        patched.setattr(sys, "stdin", Typed(stdin))
        with redirect_stdout(out), redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                code = end.code if isinstance(end.code, int) else 1
    return Answer(code, out.getvalue(), err.getvalue())
