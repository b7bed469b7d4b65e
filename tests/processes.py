"""A project in a folder of its own, run by real processes."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import orjson
import psycopg
from redis import Redis

from tests.waiting import until
from workerkit.events.envelope import Event, encode
from workerkit.events.transport import Broker, Message
from workerkit.transports import open_transport

CLI = (sys.executable, "-m", "workerkit")

LEASE = 0.5

TOML = """
lease = {lease}
[services.app]
wire = "app:wire"
ports = {{ api = 0, events = 0, cron = 0 }}
"""

APP = """
import os
import time

from sqlalchemy import text
from workerkit import EventWorker, Service
from workerkit.core.backoff import Retry


class OrderWorker(EventWorker[dict]):
    topic = "orders"
    retry = Retry(attempts=3, first=0.001, cap=0.002)

    def handle(self, order, context):
        {body}
        context.session.execute(text("INSERT INTO ledger (id) VALUES (:id)"), {{"id": order["id"]}})
        context.publish("orders.booked", {{"id": order["id"]}})


def migrate(connection):
    connection.execute(text("CREATE TABLE IF NOT EXISTS ledger (id INTEGER)"))


def wire(settings):
    return Service("app", events=[OrderWorker()], migrate=migrate)
"""
"""A worker that writes one row and announces it; {body} is what it does before."""


class Running:
    """One worker process; what it says goes to a file, since a full pipe would stall it."""

    def __init__(
        self, folder: Folder, number: int, arguments: Sequence[str], prefix: Sequence[str]
    ):
        self.log = folder.path / f"log-{number}"
        command = [*prefix, *CLI, "run", "--mode=events", *arguments]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                command, cwd=folder.path, stdout=log, stderr=log, env=folder.environment
            )

    @property
    def said(self) -> str:
        return self.log.read_text()

    def ready(self) -> Running:
        until(lambda: ": running on port" in self.said or self.process.poll() is not None)
        assert self.process.poll() is None, self.said
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(30)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(40)

    def health(self) -> dict[str, Any]:
        port = self.said.partition(": running on port ")[2].partition(",")[0]
        try:
            with urlopen(f"http://127.0.0.1:{port}/health", timeout=10) as answer:
                return orjson.loads(answer.read())
        except HTTPError as error:
            return orjson.loads(error.read())


class Folder:
    """The project's files, its broker, and the processes started in it.

    The broker is the Redis server at *redis_url*, else the embedded one; the
    database is PostgreSQL's at *database_url*, else a SQLite file.
    """

    def __init__(
        self, path: Path, redis_url: str | None = None, database_url: str | None = None
    ) -> None:
        self.path = path
        self.redis_url = redis_url
        self.database_url = database_url
        self.data = path / ".workerkit"
        self.database = self.data / "app.db"
        self.broker_file = self.data / "broker.db"
        self._started: list[Running] = []
        self.write()

    @property
    def environment(self) -> dict[str, str]:
        """What our processes are given."""
        urls = {"REDIS_URL": self.redis_url, "DATABASE_URL": self.database_url}
        return {**os.environ, **{name: url for name, url in urls.items() if url}}

    def write(self, body: str = "pass", lease: float = LEASE) -> None:
        """Write the app; *body* is the first thing that its handler does with `order`."""
        (self.path / "app.py").write_text(APP.format(body=body))
        (self.path / "workerkit.toml").write_text(TOML.format(lease=lease))

    def run(self, *arguments: str, prefix: Sequence[str] = ()) -> Running:
        running = Running(self, len(self._started), arguments, prefix)
        self._started.append(running)
        return running

    def call(self, *arguments: str, prefix: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*prefix, *CLI, *arguments], cwd=self.path, capture_output=True, text=True,
            timeout=60, check=False, env=self.environment,
        )  # fmt: skip

    def broker(self) -> Broker:
        return open_transport(self.redis_url, self.broker_file.parent, LEASE)

    def pending(self) -> int:
        """Events that some consumer holds."""
        if self.redis_url is None:
            return self.ask("SELECT count(*) FROM pending", self.broker_file)[0][0]
        with closing(Redis.from_url(self.redis_url)) as redis:
            return redis.xpending("orders", "app")["pending"]

    def announced(self) -> list[Any]:
        """The follow-up events, each as often as it was published."""
        with closing(self.broker()) as broker:
            return [orjson.loads(each.body) for each in broker.read("orders.booked", "", 1_000_000)]

    def publish(self, numbers: Sequence[int], batch: int = 100) -> None:
        with closing(self.broker()) as broker:
            for start in range(0, len(numbers), batch):
                broker.publish([message(n) for n in numbers[start : start + batch]])

    def lag(self) -> int:
        with closing(self.broker()) as broker:
            return broker.lag("orders", "app").events

    def ledger(self) -> list[int]:
        return [row[0] for row in self.ask("SELECT id FROM ledger ORDER BY id")]

    def ask(self, query: str, file: Path | None = None) -> list[tuple[Any, ...]]:
        """Rows of the database, or of another SQLite *file*."""
        if self.database_url and file is None:
            with closing(psycopg.connect(self.database_url)) as connection:
                return connection.execute(query.encode()).fetchall()
        with closing(sqlite3.connect(file or self.database, timeout=20)) as db:
            return db.execute(query).fetchall()

    def close(self) -> None:
        for running in self._started:
            if running.process.poll() is None:
                running.kill()


def message(number: int) -> Message:
    event = Event("orders", {"id": number}, id=f"e{number}", source="web", time=time.time())
    return Message("orders", encode(event))


def without_privileges() -> list[str]:
    """A prefix that makes file modes count for root, too; empty for other users."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
