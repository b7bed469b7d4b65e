"""Handlers' writes wait and go out together: nobody may be able to tell."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from workerkit.core.backoff import Retry
from workerkit.core.clock import SystemClock
from workerkit.core.hooks import Settled
from workerkit.core.loop import EventLoop
from workerkit.events.batch import MicroBatch
from workerkit.events.envelope import Event, encode
from workerkit.events.item import Item, Reader
from workerkit.events.pipeline import Pipeline
from workerkit.events.transport import Delivery
from workerkit.events.worker import EventWorker
from workerkit.storage.database import Database
from workerkit.storage.store import SqlStore

CREATE = "CREATE TABLE kv (k INTEGER PRIMARY KEY, v INTEGER NOT NULL CHECK (v < 90))"
INSERT = text("INSERT INTO kv (k, v) VALUES (:k, :v)")
UPSERT = text("INSERT INTO kv (k, v) VALUES (:k, :v) ON CONFLICT (k) DO UPDATE SET v = excluded.v")
UPDATE = text("UPDATE kv SET v = :v WHERE k >= :k")
DELETE = text("DELETE FROM kv WHERE k = :k")
SELECT = text("SELECT coalesce(max(v), 0) FROM kv WHERE k <= :k")

Execute = Callable[[Any, dict[str, int]], Any]


def run(operations: Sequence[Sequence[Any]], execute: Execute, quietly: Callable[[], Any]) -> None:
    """One handler: *operations* in order."""
    for name, k, v in operations:
        if name == "insert":
            execute(INSERT, {"k": k, "v": v})
        elif name == "insert or not":
            with quietly():
                execute(INSERT, {"k": k, "v": v})
        elif name == "upsert":
            execute(UPSERT, {"k": k, "v": v})
        elif name == "delete":
            execute(DELETE, {"k": k})
        elif name == "select":
            execute(UPSERT, {"k": v, "v": execute(SELECT, {"k": k}).fetchone()[0]})
        elif name == "rowcount":
            execute(UPSERT, {"k": 50, "v": execute(UPDATE, {"k": k, "v": v}).rowcount})
        elif name == "late rowcount":
            result = execute(UPDATE, {"k": k, "v": v})
            execute(DELETE, {"k": k})
            execute(UPSERT, {"k": 51, "v": result.rowcount})
        elif name == "changed parameters":
            parameters = {"k": k, "v": v}
            execute(UPSERT, parameters)
            parameters["v"] = 7
            execute(UPSERT, {**parameters, "k": v})
        elif name == "raise":
            raise ValueError("on purpose")


class Programs(EventWorker[list]):
    """Runs what the event says."""

    topic = "programs"
    retry = Retry(attempts=1)

    def handle(self, payload, context) -> None:
        quietly = lambda: suppress(IntegrityError)  # noqa: E731
        run(payload, context.session.execute, quietly)


class World:
    """A pipeline without threads, and its database."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        self.database.upgrade()
        with self.database.engine.begin() as connection:
            connection.exec_driver_sql(CREATE)
        self.records: list[Settled] = []
        self.number = 0
        worker = Programs()
        self.reader = Reader(worker)
        self.pipeline = Pipeline(
            "shop", "programs", worker, SqlStore(self.database), lambda *_: True,
            SystemClock(), EventLoop(), [self],
        )  # fmt: skip

    def settled(self, records: Sequence[Settled]) -> None:
        self.records += records

    def apply(self, programs: Sequence[Any]) -> None:
        items = []
        for program in programs:
            self.number += 1
            body = encode(Event("programs", program, source="test"))
            items.append(self.reader.read(Item(Delivery("programs", body, str(self.number), 1, 0))))
        self.pipeline.apply(MicroBatch(items))

    def rows(self) -> list[tuple[int, int]]:
        with self.database.read() as session:
            return [tuple(row) for row in session.execute(text("SELECT * FROM kv ORDER BY k"))]

    def empty(self) -> None:
        with self.database.transaction() as connection:
            connection.exec_driver_sql("DELETE FROM kv")


def one_by_one(programs: Sequence[Any]) -> list[tuple[int, int]]:
    """The oracle: each program alone, with a savepoint, on a plain connection."""
    db = sqlite3.connect(":memory:", isolation_level=None)
    db.execute(CREATE)
    for program in programs:
        db.execute("SAVEPOINT program")
        try:
            run(
                program, lambda statement, parameters: db.execute(statement.text, parameters),
                lambda: suppress(sqlite3.IntegrityError),
            )  # fmt: skip
        except (sqlite3.IntegrityError, ValueError):
            db.execute("ROLLBACK TO program")
        db.execute("RELEASE program")
    return db.execute("SELECT * FROM kv ORDER BY k").fetchall()


@pytest.fixture(scope="module")
def on_sqlite(tmp_path_factory) -> Iterator[World]:
    opened = World(f"sqlite:///{tmp_path_factory.mktemp('kv')}/kv.db")
    yield opened
    opened.database.close()


@pytest.fixture(scope="module")
def on_postgresql(postgresql) -> Iterator[World]:
    opened = World(postgresql.fresh())
    yield opened
    opened.database.close()


PORTABLE = ["insert", "upsert", "delete", "select", "rowcount", "late rowcount",
            "changed parameters", "raise"]  # fmt: skip


def programs(names: list[str]) -> st.SearchStrategy[list[list[tuple[str, int, int]]]]:
    """Batches of handlers; v from 90 breaks the table's CHECK."""
    operation = st.tuples(st.sampled_from(names), st.integers(0, 9), st.integers(0, 92))
    return st.lists(st.lists(operation, min_size=1, max_size=4), min_size=2, max_size=12)


def agrees(world: World, batch: list[Any]) -> None:
    world.empty()
    world.pipeline._careful = 0
    world.pipeline._defers = True
    world.apply(batch)
    assert world.rows() == one_by_one(batch)


RELAXED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@given(batch=programs([*PORTABLE, "insert or not"]))
@settings(max_examples=200, suppress_health_check=RELAXED)
def test_a_batch_leaves_what_its_events_leave_one_by_one(on_sqlite, batch):
    agrees(on_sqlite, batch)


@given(batch=programs(PORTABLE))
@settings(max_examples=40, suppress_health_check=RELAXED)
def test_a_batch_on_postgresql_leaves_what_its_events_leave_one_by_one(on_postgresql, batch):
    agrees(on_postgresql, batch)


@pytest.mark.parametrize("name", ["on_sqlite", "on_postgresql"])
def test_quick_writes_of_many_events_are_one_statement(name, request):
    world: World = request.getfixturevalue(name)
    world.empty()
    world.pipeline._careful = 0
    world.pipeline._defers = True
    seen: list[tuple[str, bool]] = []

    def listen(conn, cursor, statement, parameters, context, executemany) -> None:
        seen.append((statement, executemany))

    from sqlalchemy import event  # noqa: PLC0415

    event.listen(world.database.engine, "before_cursor_execute", listen)
    try:
        world.apply([[("upsert", n, n)] for n in range(50)])
    finally:
        event.remove(world.database.engine, "before_cursor_execute", listen)
    upserts = [executemany for statement, executemany in seen if "INTO kv" in statement]
    assert upserts == [True]
    assert world.rows() == [(n, n) for n in range(50)]


def test_a_handler_that_fails_before_it_asked_the_database_costs_its_neighbours_nothing(on_sqlite):
    world = on_sqlite
    world.empty()
    world.pipeline._careful = 0
    world.pipeline._defers = True
    calls: list[Any] = []
    original = world.pipeline.worker.handle
    world.pipeline.worker.handle = lambda payload, context: (
        calls.append(payload), original(payload, context))[1]  # fmt: skip
    try:
        world.apply([[("upsert", 1, 1)], [("upsert", 2, 2), ("raise", 0, 0)], [("upsert", 3, 3)]])
    finally:
        del world.pipeline.worker.handle
    assert len(calls) == 3
    assert world.rows() == [(1, 1), (3, 3)]
    assert [record.outcome for record in world.records[-3:]] == ["applied", "dead", "applied"]


def test_a_batch_whose_last_statement_failed_unseen_is_not_committed_as_nothing(on_postgresql):
    """PostgreSQL answers COMMIT of a failed transaction with ROLLBACK, and no error."""
    world = on_postgresql
    world.empty()
    world.pipeline._careful = 0
    original = world.pipeline.worker.handle

    def swallow(payload, context):
        original(payload, context)
        if payload[-1][1] == 3:
            with suppress(ProgrammingError):
                context.session.execute(text("SELECT nothing FROM nowhere"))

    world.pipeline.worker.handle = swallow
    try:
        world.apply([[("upsert", n, n)] for n in range(1, 4)])
    finally:
        del world.pipeline.worker.handle
    assert world.rows() == [(1, 1), (2, 2)]
    assert sorted(r.outcome for r in world.records[-3:]) == ["applied", "applied", "dead"]
